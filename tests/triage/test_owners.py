"""An owner is a person who is still here; everything else is a gap that says where ownership ends and who is asked."""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.ownership.backstage import BackstageFile
from triagebot.adapters.ownership.codeowners import CodeownersFile
from triagebot.domain.people import Author, Claim, Ownership, Person
from triagebot.domain.service import OWNER_SOURCES, Config, DeclaredOwner, Directory, RegistryEntry, Service
from triagebot.errors import SourceFailed
from triagebot.settings import load_config
from triagebot.triage.init import write_from_world
from triagebot.triage.owners import OwnerDesk, OwnerSources, find_owner, places_of, resolve_owner

ADA = Person(name="Ada Obi", email="ada@acme.example", github="ada", slack_id="U1")
BEN = Person(name="Ben Roth", email="ben@acme.example", github="benr")
GONE = Person(name="Gone Girl", email="gone@acme.example", github="gone", active=False)
LEAD = Person(name="Lea Lead", email="lea@acme.example")
DUTY = Person(name="Dee Duty", email="dee@acme.example")
DIRECTORY = Directory(people=(ADA, BEN, GONE, LEAD, DUTY))


def service(**members: Any) -> Service:
    return Service(
        **({"name": "support", "slack_channel": "#s", "escalation": LEAD.email, "oncall": DUTY.email} | members)
    )


def owned(
    surface: str = "prompt_version", artifact: str = "*", person: str | None = None, team: str | None = None
) -> DeclaredOwner:
    return DeclaredOwner(surface=surface, artifact=artifact, person=person, team=team)


def resolve(
    a_service: Service,
    claims: Sequence[Claim] = (),
    surface: str = "prompt_version",
    artifact: str = "support/system",
    author: Author | None = None,
    **more: Any,
) -> Ownership:
    return resolve_owner(
        a_service, surface, artifact, claims, DIRECTORY, author or Author(), more.pop("activity", {}), **more
    )


def said(source: str, *who: str) -> list[Claim]:
    return [Claim(source=source, who=name, where=f"{source} line 1") for name in who]


def test_the_configured_person_owns() -> None:
    found = resolve(service(owners=(owned(person=ADA.email),)), said("codeowners", "@benr"))
    assert found.owner is not None
    assert (found.owner.name, found.owner.email, found.owner.source, found.owner.slack_id) == (
        ADA.name,
        ADA.email,
        "configured",
        "U1",
    )
    assert found.gap is None


def test_the_artifact_itself_is_before_the_star() -> None:
    owners = (owned(person=BEN.email), owned(artifact="support/system", person=ADA.email))
    found = resolve(service(owners=owners))
    assert found.owner is not None
    assert found.owner.email == ADA.email


def test_the_order_decides() -> None:
    a_service = service(owners=(owned(person=ADA.email),), owner_order=("codeowners", "configured"))
    found = resolve(a_service, said("codeowners", "@benr"))
    assert found.owner is not None
    assert (found.owner.email, found.owner.source) == (BEN.email, "codeowners")
    found = resolve(a_service, said("backstage", "@benr"))
    assert found.owner is not None
    assert found.owner.source == "configured"


def test_a_person_beside_a_team_owns() -> None:
    found = resolve(service(), said("codeowners", "@acme/platform", "@Ada"))
    assert found.owner is not None
    assert found.owner.email == ADA.email


GAPS = {
    "configured person who left": (service(owners=(owned(person=GONE.email),)), [], "triagebot.yaml (owners, prompt_version *) names Gone Girl, who is not active any more"),
    "configured team": (service(owners=(owned(team="core"),)), [], "triagebot.yaml (owners, prompt_version *) names only a team (group:core)"),
    "declared to have none": (service(owners=(owned(),)), [], "triagebot.yaml (owners, prompt_version *) leaves it without an owner"),
    "team": (service(), said("codeowners", "@acme/platform"), "codeowners line 1 names only a team (@acme/platform)"),
    "two teams": (service(), said("codeowners", "@acme/a", "@acme/b"), "codeowners line 1 names only a team (@acme/a, @acme/b)"),
    "unknown handle": (service(), said("codeowners", "@zed"), "codeowners line 1 names @zed, who is nobody in the directory"),
    "handle of one who left, and a team": (service(), said("codeowners", "@gone", "@acme/a"), "codeowners line 1 names Gone Girl, who is not active any more and a team (@acme/a)"),
    "a rule without owners": (service(), said("codeowners", ""), "codeowners line 1 leaves it without an owner"),
    "a channel": (service(), said("registry", "#prompts"), "registry line 1 names only a team (#prompts)"),
    "a group of Backstage": (service(), said("backstage", "group:default/core"), "backstage line 1 names only a team (group:default/core)"),
    "nothing anywhere": (service(), [], "no owner on file (looked in triagebot.yaml)"),
}  # fmt: skip


@pytest.mark.parametrize("name", GAPS)
def test_gaps_say_where_ownership_ends_and_who_is_asked(name: str) -> None:
    a_service, claims, reason = GAPS[name]
    later = said("pagerduty", DUTY.email) if claims or a_service.owners else []
    found = resolve(a_service, [*claims, *later])
    assert found.owner is None
    assert found.gap == f"Prompt version `support/system`: {reason}; Lea Lead (escalation) is asked instead"
    assert found.asked == LEAD


def test_who_is_asked_is_still_here_too() -> None:
    assert resolve(service(escalation=GONE.email)).asked == DUTY
    assert resolve(service(), activity={LEAD.email: False}).asked == DUTY
    nobody = resolve(service(escalation="", oncall=GONE.email))
    assert nobody.asked is None
    assert nobody.gap is not None
    assert nobody.gap.endswith("nobody is on file to ask instead: set `escalation` for the service")


def test_the_chat_knows_who_has_left_and_the_directory_too() -> None:
    a_service = service(owners=(owned(person=ADA.email),))
    assert resolve(a_service, activity={ADA.email: True}).owner is not None
    assert resolve(a_service, activity={ADA.email: None}).owner is not None
    left = resolve(a_service, activity={ADA.email: False})
    assert left.gap is not None
    assert "names Ada Obi, who has no active account in the chat; Lea" in left.gap
    assert resolve(service(owners=(owned(person=GONE.email),)), activity={GONE.email: True}).owner is None


@pytest.mark.parametrize(
    ("author", "told"),
    [
        (Author(name="Ben Roth", email=BEN.email), "; last changed by Ben Roth, who does not own it by that; Lea"),
        (Author(email=GONE.email), "; last changed by gone@acme.example, who is not active any more; Lea"),
        (Author(name="Vendor Dashboard"), "; last changed by Vendor Dashboard, who is nobody in the directory; Lea"),
    ],
)
def test_who_changed_it_does_not_own_it(author: Author, told: str) -> None:
    found = resolve(service(), author=author)
    assert found.owner is None
    assert found.gap is not None
    assert told in found.gap


def test_a_registry_that_records_an_owner_is_a_source() -> None:
    found = resolve(service(), said("registry", "ben@acme.example"), author=Author(email=ADA.email))
    assert found.owner is not None
    assert (found.owner.email, found.owner.source) == (BEN.email, "registry")


def test_a_source_that_could_not_be_asked_is_no_licence_to_go_on() -> None:
    found = resolve(service(), said("pagerduty", DUTY.email), unheard={"backstage": "no answer within 2 s"})
    assert found.gap is not None
    assert "Backstage could not be asked (no answer within 2 s); Lea" in found.gap
    found = resolve(service(), said("codeowners", "@ada"), unheard={"backstage": "no answer"})
    assert found.owner is not None


def test_exits_have_owners_by_surface_or_by_node() -> None:
    owners = (owned("application", "*", ADA.email), owned("job", "warm-up", BEN.email), owned("quota", "*", ADA.email))
    a_service = service(owners=owners)
    for surface, artifact, mail in (
        ("application", "warm-up", BEN.email),
        ("job", "warm-up", BEN.email),
        ("code", "support release", ADA.email),
        ("limit", "tpm", ADA.email),
    ):
        found = resolve(a_service, surface=surface, artifact=artifact)
        assert found.owner is not None
        assert found.owner.email == mail
    assert resolve(a_service, surface="provider", artifact="acme-llm").owner is None


WHO = st.sampled_from(
    ["@ada", "@gone", "@zed", "@acme/team", "group:x", "", "#c", ADA.email, GONE.email, "Ben Roth", "\x00", "@"]
)
CLAIMS = st.lists(
    st.builds(Claim, source=st.sampled_from(OWNER_SOURCES), who=WHO | st.text(max_size=4), where=st.just("line 1")),
    max_size=5,
)


@given(
    claims=CLAIMS,
    owners=st.lists(st.builds(owned, person=st.sampled_from([None, ADA.email, GONE.email, "x"])), max_size=2),
    order=st.permutations(OWNER_SOURCES),
    activity=st.dictionaries(
        st.sampled_from([p.email for p in DIRECTORY.people]), st.sampled_from([True, False, None])
    ),
    escalation=st.sampled_from(["", GONE.email, LEAD.email, "nobody"]),
)
def test_always_an_active_person_or_a_gap(claims: Any, owners: Any, order: Any, activity: Any, escalation: str) -> None:
    a_service = service(owners=tuple(owners), owner_order=tuple(order), escalation=escalation)
    found = resolve(a_service, claims, activity=activity)
    people = [DIRECTORY.find(found.owner.email)] if found.owner else [found.asked] if found.asked else []
    assert (found.owner is None) == bool(found.gap)
    for person in people:
        assert person is not None
        assert person.active
        assert activity.get(person.email) is not False


# --- gathering ------------------------------------------------------------------------------------------------------------


class Names:
    """A registry, a file of owners, a pager and a chat that say what they were told to."""

    surface, artifact, kind = "prompt_version", "support/system", "dashboard"

    def __init__(
        self, source: str, *who: str, fails: str = "", hangs: bool = False, inactive: Sequence[str] = ()
    ) -> None:
        self.source, self.who, self.fails, self.hangs, self.inactive = source, who, fails, hangs, inactive

    async def claims(self, question: Any = None) -> Sequence[Claim]:
        if self.fails:
            raise SourceFailed(self.fails)
        if self.hangs:
            await asyncio.Event().wait()
        return said(self.source, *self.who)

    async def oncall(self, name: str) -> Person | None:
        await self.claims()
        return Person(name="Pat Pager", email=self.who[0]) if self.who else None

    async def active(self, person: Person) -> bool | None:
        if self.fails:
            raise SourceFailed(self.fails)
        return person.email not in self.inactive


def config(a_service: Service, root: Path = Path("/nowhere")) -> Config:
    return Config(root=root, organisation="acme", services={a_service.name: a_service}, directory=DIRECTORY)


async def find(a_service: Service, **sources: Any) -> Ownership:
    given = OwnerSources(**({"deadline": 0.05} | sources))
    return await find_owner(config(a_service), a_service, "prompt_version", "support/system", given)


async def test_every_source_is_asked() -> None:
    found = await find(service(), registries=[Names("registry", "@benr")], files=[Names("backstage", "@ada")])
    assert found.owner is not None
    assert (found.owner.email, found.owner.source) == (BEN.email, "registry")
    found = await find(service(), files=[Names("backstage", "@ada")], pager=Names("", "pat@acme.example"))
    assert found.owner is not None
    assert found.owner.source == "backstage"
    found = await find(service(), pager=Names("", "pat@acme.example"))
    assert found.owner is not None
    assert (found.owner.name, found.owner.source) == ("Pat Pager", "pagerduty")
    found = await find(service(owner_order=("configured",)), pager=Names("", "pat@acme.example"))
    assert found.owner is None


async def test_sources_that_fail_or_hang_are_told() -> None:
    found = await find(service(), files=[Names("codeowners", fails="repo is gone")], pager=Names("", DUTY.email))
    assert found.gap is not None
    assert "CODEOWNERS could not be asked (repo is gone)" in found.gap
    found = await find(service(), registries=[Names("registry", hangs=True)])
    assert found.gap is not None
    assert "its registry could not be asked (no answer within 0.05 s)" in found.gap


async def test_the_chat_is_asked_about_everybody_named() -> None:
    found = await find(service(), files=[Names("codeowners", "@ada")], chat=Names("", inactive=[ADA.email, LEAD.email]))
    assert found.gap is not None
    assert found.asked == DUTY
    found = await find(service(), files=[Names("codeowners", "@ada")], chat=Names("", fails="token revoked"))
    assert found.owner is not None


async def test_an_address_that_only_the_chat_knows_is_a_person() -> None:
    found = await find(service(), files=[Names("codeowners", "new@acme.example")], chat=Names(""))
    assert found.owner is not None
    assert found.owner.email == "new@acme.example"
    found = await find(service(), files=[Names("codeowners", "new@acme.example")])
    assert found.owner is None


async def test_the_desk_that_a_walk_asks() -> None:
    a_service = service()
    desk = OwnerDesk(config=config(a_service), sources={"support": OwnerSources(files=[Names("backstage", "@ada")])})
    found = await desk.resolve(a_service, "prompt_version", "support/system", said("codeowners", "@benr"), Author())
    assert found.owner is not None
    assert found.owner.email == BEN.email
    found = await desk.resolve(a_service, "prompt_version", "support/system", (), Author())
    assert found.owner is not None
    assert found.owner.email == ADA.email
    found = await desk.resolve(service(name="other"), "prompt_version", "x", (), Author(email=ADA.email))
    assert found.asked == LEAD


def test_where_the_files_of_an_artifact_are() -> None:
    def entry(artifact: str, **options: Any) -> RegistryEntry:
        return RegistryEntry(surface="eval_freshness", artifact=artifact, kind="evals", options=options)

    a_service = service(
        registries=(
            entry("reg", path="evals/reg", definition={"repo": "repo", "path": "evals/reg/"}),
            entry("git", repo="repo", path="a.md"),
            entry("folder", path="repo/tools/"),
            entry("odd", path=3, definition=[1]),
        )
    )
    root = Path("/case")
    assert [(p.repository, p.path) for p in places_of(root, a_service, "eval_freshness", "reg")] == [
        (root / "repo", "evals/reg/")
    ]
    assert [(p.repository, p.path) for p in places_of(root, a_service, "eval_freshness", "git")] == [
        (root / "repo", "a.md")
    ]
    assert [(p.repository, p.path) for p in places_of(root, a_service, "eval_freshness", "folder")] == [
        (None, "/case/repo/tools/")
    ]
    assert places_of(root, a_service, "eval_freshness", "odd") == ()
    assert places_of(root, a_service, "prompt_version", "reg") == ()


@pytest.mark.parametrize(
    ("rules", "surface", "artifact", "owner", "gap"),
    [
        ("* @acme/platform\n/p/system.md @ada\n", "prompt_version", "support/system", ADA.email, ""),
        (
            "* @acme/platform\n/p/system.md @gone\n",
            "prompt_version",
            "support/system",
            None,
            "line 2 (/p/system.md) names Gone Girl",
        ),
        (
            "* @acme/platform\n",
            "prompt_version",
            "support/system",
            None,
            "line 1 (*) names only a team (@acme/platform)",
        ),
        ("* @ada\n", "model_alias", "granite", None, "no owner on file"),
        ("* @ada\n/src/ @benr\n", "code", "support release", ADA.email, ""),
        ("* @ada\n/src/ @benr\n", "code", "src/agent.py", BEN.email, ""),
        ("* @ada\n", "provider", "acme-llm", None, "no owner on file"),
    ],
)
async def test_codeowners_for_what_lies_in_its_repository(
    tmp_path: Path, rules: str, surface: str, artifact: str, owner: str | None, gap: str
) -> None:
    (tmp_path / "repo/.github").mkdir(parents=True)
    (tmp_path / "repo/src").mkdir()
    (tmp_path / "repo/src/agent.py").write_text("")
    (tmp_path / "repo/.github/CODEOWNERS").write_text(rules)
    entry = RegistryEntry(
        surface="prompt_version", artifact="support/system", kind="git", options={"repo": "repo", "path": "p/system.md"}
    )
    a_service = service(registries=(entry,))
    sources = OwnerSources(files=[CodeownersFile(tmp_path / "repo/.github/CODEOWNERS")])
    found = await find_owner(config(a_service, tmp_path), a_service, surface, artifact, sources)
    assert (found.owner.email if found.owner else None) == owner
    assert gap in (found.gap or "")


async def test_a_codeowners_that_vanished_is_told_for_what_it_would_know(tmp_path: Path) -> None:
    entry = RegistryEntry(
        surface="prompt_version", artifact="support/system", kind="git", options={"repo": ".", "path": "x"}
    )
    a_service = service(registries=(entry,))
    sources = OwnerSources(files=[CodeownersFile(tmp_path / "CODEOWNERS")])
    found = await find_owner(config(a_service, tmp_path), a_service, "prompt_version", "support/system", sources)
    assert "CODEOWNERS could not be asked" in (found.gap or "")
    found = await find_owner(config(a_service, tmp_path), a_service, "model_alias", "granite", sources)
    assert "no owner on file" in (found.gap or "")


BACKSTAGE = """\
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: orders-mcp}
spec: {type: mcp-server, owner: "user:default/adao"}
---
kind: User
metadata: {name: adao}
spec: {profile: {email: ada@acme.example}}
---
kind: Component
metadata: {name: support}
spec: {owner: platform}
---
kind: Resource
metadata: {name: kb, title: Help Centre}
spec: {owner: "user:benr"}
---
- not an entity
---
"""


@pytest.mark.parametrize(
    ("surface", "artifact", "owner", "gap"),
    [
        ("tool_schemas", "Orders-MCP", ADA.email, ""),
        ("retrieval_corpus", "help centre", BEN.email, ""),
        ("code", "support release", None, "Component support names only a team (group:platform)"),
        ("prompt_version", "support/system", None, "no owner on file"),
    ],
)
async def test_backstage_answers_for_what_bears_an_entitys_name(
    tmp_path: Path, surface: str, artifact: str, owner: str | None, gap: str
) -> None:
    (tmp_path / "catalog-info.yaml").write_text(BACKSTAGE)
    for path in (tmp_path, tmp_path / "catalog-info.yaml"):
        found = await find_owner(
            config(service()), service(), surface, artifact, OwnerSources(files=[BackstageFile(path)])
        )
        assert (found.owner.email if found.owner else None) == owner
        assert gap in (found.gap or "")


async def test_a_catalogue_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalog-info.yaml").write_text("a: [")
    found = await find_owner(
        config(service()), service(), "tool_schemas", "x", OwnerSources(files=[BackstageFile(tmp_path)])
    )
    assert "Backstage could not be asked" in (found.gap or "")


# --- the real cases -------------------------------------------------------------------------------------------------------

CASES = Path(__file__).parents[3] / "shared/cases"
ARCHIVES = sorted(CASES.glob("*.tar.gz")) if CASES.is_dir() else []


def unpacked(archive: Path, into: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(into, members=[m for m in tar.getmembers() if "traces/" not in m.name], filter="data")
    (case,) = into.iterdir()
    return case


@pytest.mark.skipif(not ARCHIVES, reason="the recorded cases are not beside this repository (../shared/cases)")
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.gz"))
async def test_the_owners_of_recorded_cases(tmp_path: Path, archive: Path) -> None:
    case = unpacked(archive, tmp_path)
    path, _ = write_from_world(case)
    whole = load_config(path)
    (a_service,) = whole.services.values()
    assert a_service.codeowners is not None
    sources = OwnerSources(files=[CodeownersFile(a_service.codeowners)])
    for cause in json.loads((case / "expected.json").read_text())["causes"]:
        found = await find_owner(whole, a_service, cause["node"], cause["artifact"], sources)
        assert (found.owner.email if found.owner else None) == cause["owner"]
        assert found.owner is not None or found.asked is not None
    rules = dict(line.split()[:2] for line in a_service.codeowners.read_text().splitlines()[1:])
    for entry in a_service.registries:
        place = entry.options.get("definition", entry.options).get("path")
        if f"/{place}" in rules:
            found = await find_owner(whole, a_service, entry.surface, entry.artifact, sources)
            person = whole.directory.find(rules[f"/{place}"])
            assert (found.owner.email if found.owner else None) == (person.email if person and person.active else None)
