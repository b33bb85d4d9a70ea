"""Files that say who owns what, read as they really are: missing, huge, half text, with rules that mean several things."""

from __future__ import annotations

from pathlib import Path

import pytest

from triagebot.adapters.ownership.backstage import BackstageFile
from triagebot.adapters.ownership.codeowners import CodeownersFile
from triagebot.errors import SourceFailed
from triagebot.ports import ArtifactPlace, OwnerQuestion


def about(*places: ArtifactPlace, artifact: str = "x", whole: bool = False) -> OwnerQuestion:
    return OwnerQuestion(surface="prompt_version", artifact=artifact, places=places, names=("support",), whole=whole)


def codeowners(tmp_path: Path, text: str | bytes, name: str = "CODEOWNERS") -> CodeownersFile:
    path = tmp_path / "repo" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return CodeownersFile(path)


@pytest.mark.parametrize("name", ["CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS"])
async def test_its_repository_is_above_the_folder_that_hosts_use(tmp_path: Path, name: str) -> None:
    file = codeowners(tmp_path, "/p/ @ada ben@acme.example\n", name)
    for place in (ArtifactPlace(tmp_path / "repo", "p/a.md"), ArtifactPlace(None, str(tmp_path / "repo/p/a.md"))):
        claims = await file.claims(about(place))
        assert [(c.source, c.who, c.where) for c in claims] == [
            ("codeowners", "@ada", "CODEOWNERS line 1 (/p/)"),
            ("codeowners", "ben@acme.example", "CODEOWNERS line 1 (/p/)"),
        ]


async def test_a_folder_is_theirs_who_own_all_that_stands_in_it(tmp_path: Path) -> None:
    file = codeowners(tmp_path, "tools/** @gus\n/tools/orders/*.json @fay\n", ".github/CODEOWNERS")
    folder = tmp_path / "repo/tools/orders"
    folder.mkdir(parents=True)
    orders = about(ArtifactPlace(tmp_path / "repo", "tools/orders"))
    assert [c.who for c in await file.claims(orders)] == ["@gus"]
    (folder / "get_order.json").write_text("{}")
    assert [c.who for c in await file.claims(orders)] == ["@fay"]
    (folder / "README.md").write_text("")
    assert [c.who for c in await file.claims(orders)] == ["@gus"]


async def test_another_repository_is_none_of_its_business(tmp_path: Path) -> None:
    file = codeowners(tmp_path, "* @ada\n")
    (tmp_path / "other/.github").mkdir(parents=True)
    bare = ArtifactPlace(tmp_path / "other", "p/a.md")
    assert [c.who for c in await file.claims(about(bare))] == ["@ada"]
    (tmp_path / "other/.github/CODEOWNERS").write_text("* @zed\n")
    assert await file.claims(about(bare)) == []
    assert await file.claims(about(ArtifactPlace(None, str(tmp_path / "results")))) == []
    assert await file.claims(about()) == []


async def test_folders_and_leading_dots(tmp_path: Path) -> None:
    file = codeowners(tmp_path, "* @all\n/evals/ @eva\n/evals/*.md @doc\n")
    (tmp_path / "repo/evals").mkdir()
    for path in ("evals/", "./evals/", "/evals/"):
        assert [c.who for c in await file.claims(about(ArtifactPlace(tmp_path / "repo", path)))] == ["@eva"]
    assert [c.who for c in await file.claims(about(ArtifactPlace(None, str(tmp_path / "repo/evals"))))] == ["@eva"]


async def test_the_service_as_a_whole_or_the_file_that_a_change_names(tmp_path: Path) -> None:
    file = codeowners(tmp_path, "* @all\n/src/ @dev\n/empty/\n")
    (tmp_path / "repo/src").mkdir()
    (tmp_path / "repo/src/a.py").write_text("")
    for artifact, who in (
        ("release", "@all"),
        ("src/a.py", "@dev"),
        ("../../etc/passwd", "@all"),
        ("\0" * 3, "@all"),
        ("n" * 5000, "@all"),
    ):
        assert [c.who for c in await file.claims(about(artifact=artifact, whole=True))] == [who]
    (claim,) = await file.claims(about(ArtifactPlace(tmp_path / "repo", "empty/x")))
    assert (claim.who, claim.where) == ("", "CODEOWNERS line 3 (/empty/)")


async def test_codeowners_that_cannot_be_read(tmp_path: Path) -> None:
    place = ArtifactPlace(tmp_path / "repo", "a")
    assert [c.who for c in await codeowners(tmp_path, b"\xef\xbb\xbf* @\xff\n").claims(about(place))] == ["@\ufffd"]
    with pytest.raises(SourceFailed, match="larger than 3 MB"):
        await codeowners(tmp_path, b"#" * 3_000_001).claims(about(place))
    (tmp_path / "repo/CODEOWNERS").unlink()
    with pytest.raises(SourceFailed, match="No such file"):
        await CodeownersFile(tmp_path / "repo/CODEOWNERS").claims(about(place))


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("kind: API\nmetadata: {name: X}\nspec: {owner: user:default/maria}", ["@maria"]),
        ("kind: API\nmetadata: {name: X}\nspec: {owner: user:Maria}\n---\nkind: User\nmetadata: {name: maria}\nspec: {profile: {email: m@a.b}}", ["m@a.b"]),
        ("kind: Resource\nmetadata: {name: y, title: x}\nspec: {owner: group:default/core}", ["group:default/core"]),
        ("kind: Component\nmetadata: {name: x}\nspec: {owner: core}", ["group:core"]),
        ("kind: Component\nmetadata: {name: x}\nspec: {}", [""]),
        ("kind: Component\nmetadata: {name: support}\nspec: {owner: core}", []),
        ("kind: Location\nmetadata: {name: x}\nspec: {owner: core}", []),
        ("- x\n---\n3\n---\nkind: [API]\nmetadata: x\n", []),
        ("", []),
    ],
)  # fmt: skip
async def test_backstage_entities(tmp_path: Path, text: str, who: list[str]) -> None:
    (tmp_path / "catalog-info.yml").write_text(text)
    assert [c.who for c in await BackstageFile(tmp_path / "catalog-info.yml").claims(about())] == who


async def test_a_services_own_entity_answers_for_the_service_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/catalog-info.yaml").write_text("kind: Component\nmetadata: {name: Support}\nspec: {owner: user:ada}")
    (claim,) = await BackstageFile(tmp_path).claims(about(whole=True))
    assert (claim.who, claim.where) == ("@ada", "catalog-info.yaml, Component Support")


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"a: [", "is not YAML"), (b"[" * 3000, "is not YAML"), (b"!!python/object/apply:os.system [x]", "is not YAML"), (b"#" * 2_000_001, "larger than 2 MB"), (None, "No such file")],
)  # fmt: skip
async def test_catalogues_that_cannot_be_read(tmp_path: Path, body: bytes | None, said: str) -> None:
    if body is not None:
        (tmp_path / "c.yaml").write_bytes(body)
    with pytest.raises(SourceFailed, match=said):
        await BackstageFile(tmp_path / "c.yaml").claims(about())
