"""CODEOWNERS as GitHub and GitLab read it: patterns as in .gitignore, the last rule that matches decides.

https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
https://docs.gitlab.com/user/project/codeowners/reference/ (sections, whose rules decide apart from each other)
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

# A name that no rule can mean: stands for "any file in this folder".
_ANY_FILE = "\x00"
_SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>(?:\s.*)?)$")
_WORD = re.compile(r"(?:\\.|[^\s\\]|\\$)+")


@dataclass(frozen=True, slots=True)
class Rule:
    """`owners` as they are written: `@handle`, `@org/team`, an e-mail address. Empty: declared to have none."""

    line: int
    pattern: str
    owners: tuple[str, ...]
    section: str = ""


@dataclass(frozen=True, slots=True)
class Codeowners:
    rules: tuple[Rule, ...] = ()

    def rules_for(self, path: str) -> tuple[Rule, ...]:
        """The rule that decides over a file, in GitLab's sections one a section, in their order; empty where none matches.

        `path` is relative to the repository. A folder ends with "/" and means any file that may stand in it; "" means any
        file at the top, so that only rules for everything match.
        """
        asked = path + _ANY_FILE if path.endswith("/") or not path else path
        deciding: dict[str, Rule] = {}
        for rule in self.rules:
            if matches(rule.pattern, asked):
                deciding[rule.section] = rule
        return tuple(deciding.values())

    def rules_for_folder(self, path: str, files: Collection[str]) -> tuple[Rule, ...]:
        """The rules that decide over all `files` (relative to the repository) that stand in a folder, where they are the same; else
        those over any file that may stand in it.
        """
        deciding = {self.rules_for(file) for file in files}
        return deciding.pop() if len(deciding) == 1 else self.rules_for(path.rstrip("/") + "/")


def parse_codeowners(text: str) -> Codeowners:
    """Never fails: like GitHub, a line that means nothing is left out."""
    rules = []
    section = ""
    defaults: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        heading = _SECTION.match(stripped)
        if heading:
            section, defaults = heading["name"].strip().lower(), _words(heading["owners"])
            continue
        pattern, *owners = _words(stripped)
        rules.append(Rule(number, pattern.replace("\\", ""), tuple(owners) or defaults, section))
    return Codeowners(tuple(rules))


def _words(text: str) -> tuple[str, ...]:
    """Words up to a comment. A backslash keeps the white space or # after it (GitLab)."""
    words: list[str] = []
    for word in _WORD.findall(text):
        if word.startswith("#"):
            break
        words.append(word)
    return tuple(words)


def matches(pattern: str, path: str) -> bool:
    """Whether a rule's pattern matches a file. Takes at most pattern times path steps: patterns come from outside."""
    folder = pattern.endswith("/")
    anchored = "/" in pattern.strip("/") or pattern.startswith("/")
    parts = [part for part in pattern.split("/") if part]
    if not parts:
        return False
    if not anchored and parts != ["**"]:
        parts = ["**", *parts]
    # `docs` matches the folder's files too; `docs/*` the files right in it and no deeper, other than in .gitignore.
    if folder or (parts[-1] != "*" and parts[-1] != "**"):
        parts = [*parts, "/**" if folder else "/?"]
    elif parts[-1] == "*" and not anchored:
        parts = ["**"]
    return _match(parts, [part for part in path.split("/") if part])


def _match(parts: list[str], names: list[str]) -> bool:
    """`reach[i]`: the parts so far match names[:i]. `**` is any number of folders, at the end at least one name."""
    reach = [True] + [False] * len(names)
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part in {"**", "/**", "/?"}:
            first = next((i for i, reached in enumerate(reach) if reached), None)
            if first is None:
                return False
            needs_one = last and part != "/?"
            reach = [i >= first + needs_one for i in range(len(names) + 1)]
        else:
            step = [reach[i] and _glob(part, name) for i, name in enumerate(names)]
            reach = [False, *step]
    return reach[-1]


def _glob(part: str, name: str) -> bool:
    """`*` and `?` within one name, by the two-pointer method: no backtracking beyond the last star."""
    p = n = 0
    star = mark = -1
    while n < len(name):
        if p < len(part) and part[p] == "*":
            star, mark = p, n
            p += 1
        elif p < len(part) and (part[p] == name[n] or (part[p] == "?" and name[n] != _ANY_FILE)):
            p += 1
            n += 1
        elif star >= 0:
            mark += 1
            p, n = star + 1, mark
        else:
            return False
    return part[p:].strip("*") == ""
