"""What doctor says of each surface, and whether something needs doing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from triagebot.domain.change import Observation
from triagebot.domain.people import Claim, Person
from triagebot.domain.service import Config, DeclaredOwner, Directory, RegistryEntry, Service
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.surfaces.contract import Source
from triagebot.triage.doctor import Eyes, Look, Report, examine
from triagebot.triage.owners import OwnerDesk

NOW = datetime(2026, 11, 3, 3, tzinfo=UTC)
ADA = Person(name="Ada Obi", email="ada@acme.example")


def entry(surface: str, artifact: str = "x", kind: str = "git") -> RegistryEntry:
    return RegistryEntry(surface=surface, artifact=artifact, kind=kind, place=f"services.s.registries[{surface}]")


class Fake:
    """A registry, a trace store and a journal in one."""

    def __init__(
        self,
        says: str = "",
        *,
        fails: str = "",
        hangs: bool = False,
        coverage: Mapping[str, tuple[int, int]] | None = None,
        seen: Sequence[Observation] = (),
    ) -> None:
        self.says, self.fails, self.hangs, self.covered, self.seen = says, fails, hangs, coverage or {}, seen

    async def probe(self) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise SourceFailed(self.fails)
        return self.says

    async def claims(self) -> Sequence[Claim]:
        await self.probe()
        return [Claim(source="registry", who=ADA.email, where="here")]

    async def coverage(self, names: Sequence[str], window: Window) -> Mapping[str, tuple[int, int]]:
        await self.probe()
        return self.covered

    async def observations(self, service: str, window: Window) -> Sequence[Observation]:
        await self.probe()
        return [o for o in self.seen if o.observed_at in window]


def config(*entries: RegistryEntry, **members: Any) -> Config:
    service = Service(
        **({"name": "s", "slack_channel": "#s", "registries": entries, "escalation": ADA.email} | members)
    )
    return Config(root=Path("/nowhere"), organisation="", services={"s": service}, directory=Directory(people=(ADA,)))


async def report(a_config: Config, registries: Sequence[Source] = (), **eyes: Any) -> Report:
    (found,) = await examine(a_config, Eyes(registries={"s": registries}, deadline=0.05, **eyes), NOW)
    return found


def look(found: Report, surface: str, by: str) -> Look:
    (only,) = [look for look in found.looks if (look.surface, look.by) == (surface, by)]
    return only


ALL = {
    "model_served": (980, 1000),
    "prompt_version": (0, 1000),
    "prompt_hash": (1000, 1000),
    "tools_hash": (500, 1000),
    "corpus_version": (0, 200),
    "eval_name": (1, 1),
}


async def test_a_service_that_can_be_seen() -> None:
    entries = [entry("prompt_version"), entry("model_alias", kind="declared")]
    sources = [Source(entry=e, registry=Fake(f"{e.surface} is there")) for e in entries]
    found = await report(config(*entries), sources, traces=Fake(coverage=ALL))
    assert found.healthy
    assert look(found, "prompt_version", "git").says == "prompt_version is there"
    assert look(found, "model_alias", "declared").state == "partly"
    assert look(found, "prompt_version", "traces").state == "seen"
    assert (look(found, "model_alias", "traces").says, found.state("model_alias")) == (
        "980 of 1,000 spans say (98%)",
        "seen",
    )
    tools = look(found, "tool_schemas", "traces")
    assert (tools.state, tools.do) == ("partly", "record gen_ai.tool.definitions on LLM spans that offer tools")
    assert look(found, "retrieval_corpus", "configuration").state == "partly"
    assert [look.surface for look in found.looks] == sorted(
        (look.surface for look in found.looks), key=list(found.as_json()["surfaces"]).index
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source(entry=entry("prompt_version"), registry=Fake(fails="repository is gone")), "repository is gone"),
        (Source(entry=entry("prompt_version"), registry=Fake(hangs=True)), "no answer within 0.05 s"),
        (Source(entry=entry("prompt_version", kind="gitt"), registry=None), "no adapter for kind gitt"),
        (
            Source(entry=entry("prompt_version"), registry=None, problem="the package mcp is missing"),
            "the package mcp is missing",
        ),
    ],
)
async def test_what_fails_is_told_with_its_place(source: Source, says: str) -> None:
    found = await report(config(source.entry), [source], traces=Fake(coverage=ALL))
    assert not found.healthy
    told = look(found, "prompt_version", source.entry.kind)
    assert (told.state, told.says, told.do) == ("unseen", says, "see services.s.registries[prompt_version]")


async def test_traces_that_are_not_there() -> None:
    found = await report(config(), traces_problem="the server owns the store")
    assert [a_look.says for a_look in found.looks if a_look.by == "traces"] == ["the server owns the store"]
    found = await report(config(), traces=Fake(coverage={}))
    (told,) = [a_look for a_look in found.looks if a_look.by == "traces"]
    assert (told.state, told.says) == ("unseen", "no span of s in 42 d")
    assert "trace_names" in told.do
    found = await report(config(), traces=Fake(fails="disk full"))
    assert not found.healthy
    assert {a_look.surface: a_look.state for a_look in found.looks if a_look.by == "configuration"} == {
        "model_alias": "unseen",
        "prompt_version": "unseen",
        "tool_schemas": "partly",
        "retrieval_corpus": "partly",
        "eval_freshness": "unseen",
    }


async def test_the_age_of_the_newest_observation() -> None:
    def seen(surface: str, hours: int) -> Observation:
        return Observation(
            observed_at=NOW - timedelta(hours=hours),
            service="s",
            surface=surface,
            artifact="x",
            fingerprint="f",
            source="git",
        )

    journal = Fake(seen=[seen("prompt_version", 2), seen("prompt_version", 90), seen("model_alias", 50)])
    found = await report(config(), traces=Fake(coverage=ALL), journal=journal)
    assert look(found, "prompt_version", "journal").says == "last observed 2 h ago (git)"
    assert look(found, "prompt_version", "journal").state == "seen"
    assert look(found, "model_alias", "journal").state == "partly"
    found = await report(config(), traces=Fake(coverage=ALL), journal=Fake(fails="locked"))
    assert look(found, "", "journal").says == "locked"


async def test_owners_are_told_before_the_page() -> None:
    entries = [entry("prompt_version"), entry("model_alias", kind="declared")]
    sources = [Source(entry=entries[0], registry=Fake("there")), Source(entry=entries[1], registry=Fake(fails="gone"))]
    a_config = config(*entries, owners=(DeclaredOwner(surface="model_alias", artifact="*", team="core"),))
    found = await report(a_config, sources, traces=Fake(coverage=ALL), owners=OwnerDesk(config=a_config))
    assert look(found, "prompt_version", "owner").says == "Ada Obi (registry)"
    gap = look(found, "model_alias", "owner")
    assert gap.state == "partly"
    assert (
        gap.says
        == "triagebot.yaml (owners, model_alias *) names only a team (group:core); Ada Obi (escalation) is asked instead"
    )
    assert gap.do == "name a person under services.s.owners"


async def test_what_loads_and_yet_is_not_right() -> None:
    a_config = config(escalation="", look_back=timedelta(days=7), codeowners=Path("/nowhere/CODEOWNERS"))
    a_config = Config(
        root=a_config.root,
        organisation="",
        services=a_config.services,
        directory=a_config.directory,
        options={"severity": Path("/nowhere/rubric.yaml"), "retention": {"traces": timedelta(days=5)}},
    )
    found = await report(a_config, traces=Fake(coverage=ALL))
    told = [
        (a_look.state, a_look.says.split(":")[0])
        for a_look in found.looks
        if a_look.by == "configuration" and not a_look.surface
    ]
    assert told == [
        ("partly", "nobody active is asked where ownership ends"),
        ("partly", "look_back is 7 d"),
        ("partly", "traces are kept 5 d, while look_back is 7 d"),
        ("unseen", "/nowhere/CODEOWNERS is not there"),
        ("unseen", "/nowhere/rubric.yaml"),
    ]
    assert not found.healthy


async def test_only_one_service() -> None:
    a_config = config()
    two = dict(a_config.services) | {"t": Service(name="t", slack_channel="#t")}
    whole = Config(root=a_config.root, organisation="", services=two, directory=a_config.directory)
    assert [r.service for r in await examine(whole, Eyes(), NOW)] == ["s", "t"]
    assert [r.service for r in await examine(whole, Eyes(), NOW, only="T")] == ["t"]


async def test_a_report_travels_as_json() -> None:
    found = await report(config(), traces=Fake(coverage=ALL))
    assert Report.of(json.loads(json.dumps(found.as_json()))) == found
