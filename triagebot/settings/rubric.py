"""The severity rubric as a file: `templates/severity/default.yaml` says how it is written and stands where a team gives none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, get_args

from triagebot.domain.evidence import Momentum
from triagebot.domain.service import Config
from triagebot.domain.severity import (
    COMPARISONS,
    FACTS,
    FLAGS,
    HARMS,
    LEVELS,
    NUMBERS,
    All,
    AnyOf,
    Compares,
    Condition,
    Is,
    Not,
    Rubric,
    Rule,
)
from triagebot.settings.members import Members, suggestion, unknown
from triagebot.settings.yamlfile import Document, read_yaml, shown

DEFAULT: Final = Path(__file__).parents[1] / "templates" / "severity" / "default.yaml"
_COMPARISON: Final = re.compile(r"\s*(>=|<=|>|<)\s*(-?\d{1,15}(?:\.\d{1,15})?)\s*")
_MOMENTA: Final = get_args(Momentum)
_DEEPEST: Final = 20


def load_rubric(config: Config | None = None) -> Rubric:
    """The rubric of a configuration, the default where it has none. Raises BadConfig with file, line and place."""
    given = config.options.get("severity") if config else None
    if isinstance(given, dict):
        return _whole(Document("triagebot.yaml", {"severity": given}, {}), "severity")
    return read_rubric_file(given if isinstance(given, Path) else DEFAULT)


def read_rubric_file(path: Path) -> Rubric:
    """Raises BadConfig."""
    return _whole(read_yaml(path), "")


def _whole(document: Document, key: str) -> Rubric:
    top = Members.of(document)
    rubric = read_rubric((top.members(key) if key else top) or top)
    document.finish()
    return rubric


def read_rubric(top: Members) -> Rubric:
    """Notes every mistake in the document; the rubric is whole only where there are none."""
    top.known.append("version")
    if top.value.get("version", 1) != 1:
        top.problem("version", f"must be 1, not {shown(top.value['version'])}")
    rules = [_rule(entry) for entry in top.each("rules")]
    if not rules and isinstance(top.value.get("rules"), list | None):
        top.problem("rules" if "rules" in top.value else "", "there must be at least one rule under `rules`")
    names = [rule.name for rule in rules]
    for name in {name for name in names if name and names.count(name) > 1}:
        top.problem("rules", f"two rules are named {shown(name)}")
    for rule in rules[:-1]:
        if rule.when == All():
            top.problem("rules", f"no rule after {shown(rule.name)} can ever hold: it has no `when`")
    if rules and rules[-1].when != All():
        top.problem("rules", f"the last rule, {shown(rules[-1].name)}, must hold always: it must have no `when`")
    floors = [_rule(entry) for entry in top.each("floors")]
    for floor in floors:
        if floor.when == All():
            top.problem("floors", f"{shown(floor.name)} has no `when`: it would raise everything to {floor.level}")
    top.done()
    return Rubric(tuple(rules), tuple(floors))


def _rule(entry: Members) -> Rule:
    name = entry.text("name", required="`name` is missing: it is told beside the level")
    level = entry.choice("level", LEVELS, required=f"`level` is missing: one of {', '.join(LEVELS)}")
    title = entry.text("title")
    when = entry.members("when")
    entry.done()
    return Rule(name=name, level=level, title=title, when=_all(when, 0) if when else All())


def _all(when: Members, depth: int) -> All:
    if depth > _DEEPEST:
        when.problem("", "is nested too deeply")
        return All()
    conditions: list[Condition] = []
    for key in when.value:
        if key == "any":
            parts = tuple(_all(part, depth + 1) for part in when.each(key))
            conditions.append(AnyOf(parts))
            if not parts:
                when.problem(key, "must be a list of at least one mapping")
        elif key == "not":
            part = when.members(key)
            conditions += [Not(_all(part, depth + 1))] if part else []
        else:
            conditions += _condition(when, key)
    return All(tuple(conditions))


def _condition(when: Members, fact: str) -> list[Condition]:
    value = when.value[fact]
    if fact not in FACTS:
        when.problem(fact, f"is no fact; {suggestion(fact, [*FACTS, 'any', 'not'])}")
        return []
    if fact in FLAGS:
        if not isinstance(value, bool):
            when.problem(fact, f"must be true or false, not {shown(value)}")
        return [Is(fact, frozenset([value is True]))]
    if fact in NUMBERS:
        return _comparisons(when, fact, value)
    words = value if isinstance(value, list) else [value]
    allowed = {"harm": HARMS, "momentum": _MOMENTA}.get(fact, ())
    for word in words:
        if not isinstance(word, str) or (allowed and word not in allowed):
            when.problem(fact, unknown(word, allowed) if isinstance(word, str) else f"must be words, not {shown(word)}")
    return [Is(fact, frozenset(word for word in words if isinstance(word, str)))]


def _comparisons(when: Members, fact: str, value: Any) -> list[Condition]:
    found: list[Condition] = []
    for part in value if isinstance(value, list) else [value]:
        match = _COMPARISON.fullmatch(part) if isinstance(part, str) else None
        if match is None:
            signs = ", ".join(COMPARISONS)
            when.problem(fact, f'must be a comparison such as ">= 0.05" ({signs} and a number), not {shown(part)}')
        else:
            found.append(Compares(fact, match[1], float(match[2])))
    return found
