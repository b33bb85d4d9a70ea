from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.domain.codeowners import matches, parse_codeowners

# The examples of GitHub's documentation.
GITHUB = """\
# This is a comment.
*       @global-owner1 @global-owner2
*.js    @js-owner #This is an inline comment.
*.go docs@example.com
*.txt @octo-org/octocats
/build/logs/ @doctocat
docs/* docs@example.com
apps/ @octocat
/docs/ @doctocat
/scripts/ @doctocat @octocat
**/logs @octolog
/apps/ @octoapps
/apps/github
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("README.md", ("@global-owner1", "@global-owner2")),
        ("deep/down/file", ("@global-owner1", "@global-owner2")),
        ("a/b.js", ("@js-owner",)),
        ("x.go", ("docs@example.com",)),
        ("deep/x.txt", ("@octo-org/octocats",)),
        ("build/logs/1/a.bin", ("@octolog",)),
        ("build/log", ("@global-owner1", "@global-owner2")),
        ("docs/getting-started.md", ("@doctocat",)),
        ("scripts/x.js", ("@doctocat", "@octocat")),
        ("other/apps/x", ("@octocat",)),
        ("apps/x", ("@octoapps",)),
        ("apps/github", ()),
        ("apps/github/deep", ()),
        ("", ("@global-owner1", "@global-owner2")),
        ("apps/", ("@octoapps",)),
        ("new/", ("@global-owner1", "@global-owner2")),
    ],
)
def test_the_last_rule_that_matches_decides(path: str, owners: tuple[str, ...]) -> None:
    (rule,) = parse_codeowners(GITHUB).rules_for(path)
    assert rule.owners == owners


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("docs/*", "docs/a.md", True),
        ("docs/*", "docs/sub/a.md", False),
        ("docs/*", "x/docs/a.md", False),
        ("/docs", "docs/sub/a.md", True),
        ("docs", "x/docs/sub/a.md", True),
        ("/docs", "x/docs/a.md", False),
        ("docs/", "docs", False),
        ("/*", "a", True),
        ("/*", "a/b", False),
        ("/**", "a/b", True),
        ("**", "a", True),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/z", "a/b/c/zz", False),
        ("a/**", "a/b", True),
        ("a/**", "a", False),
        ("p?.md", "p1.md", True),
        ("p?.md", "p12.md", False),
        ("*v1*.md", "x/prompt-v1-final.md", True),
        ("/prompts/*.md", "prompts/", False),
        ("*.md", "prompts/", False),
        ("/prompts/?", "prompts/", False),
        ("/prompts/*", "prompts/", True),
        ("/", "a", False),
        ("Docs", "docs/a", False),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert bool(parse_codeowners(f"{pattern} @x").rules_for(path)) is expected


def test_sections_decide_apart_and_lend_their_owners() -> None:
    owners = parse_codeowners(
        "* @all\n[Prompts][2] @prompt-lead @acme/prompts\nprompts/\nprompts/legal/ @lawyer\n^[Docs]\n*.md @writer\na\\ b @space\n"
    )
    assert [(r.section, r.owners, r.line) for r in owners.rules_for("prompts/a.md")] == [
        ("", ("@all",), 1),
        ("prompts", ("@prompt-lead", "@acme/prompts"), 3),
        ("docs", ("@writer",), 6),
    ]
    assert owners.rules_for("prompts/legal/x")[1].owners == ("@lawyer",)
    assert owners.rules_for("a b")[-1].owners == ("@space",)


PARTS = st.lists(
    st.text(alphabet="ab.*?", min_size=1, max_size=6).filter(lambda p: "**" not in p), min_size=1, max_size=3
)


@given(parts=PARTS, names=st.lists(st.text(alphabet="ab.", min_size=1, max_size=6), min_size=1, max_size=3))
def test_anchored_patterns_match_as_fnmatch_does_part_by_part(parts: list[str], names: list[str]) -> None:
    """A pattern names a file, or a folder of it; with `*` as its last part only the files right there."""
    head = len(names) >= len(parts) and all(fnmatch.fnmatchcase(n, p) for n, p in zip(names, parts, strict=False))
    expected = head and (parts[-1] != "*" or len(names) == len(parts))
    assert matches("/" + "/".join(parts), "/".join(names)) is expected


@given(st.text(alphabet="*?/[]\\ab# @!^\n", max_size=60), st.text(alphabet="ab/*", max_size=20))
def test_any_text_is_read(text: str, path: str) -> None:
    parse_codeowners(text).rules_for(path)


def test_a_folder_is_theirs_who_own_all_that_stands_in_it() -> None:
    owners = parse_codeowners("* @dev\ntools/** @gus\n/tools/orders/*.json @fay\n")
    listed = ["tools/orders/a.json", "tools/orders/b.json"]
    assert [r.owners for r in owners.rules_for_folder("tools/orders", listed)] == [("@fay",)]
    assert [r.owners for r in owners.rules_for_folder("tools/orders/", [*listed, "tools/orders/README"])] == [("@gus",)]
    assert [r.owners for r in owners.rules_for_folder("tools/orders", [])] == [("@gus",)]


def test_a_pattern_made_to_take_for_ever_does_not() -> None:
    assert not matches("a*" * 2000 + "b", "a" * 4000)
    assert not matches("/".join(["**", "a"] * 500) + "/b", "/".join(["a"] * 1000))
