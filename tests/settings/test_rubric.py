"""A rubric that a team edits, with every mistake told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.domain.severity import FACTS, LEVELS, Rubric, SeverityFacts, assess_severity
from triagebot.errors import BadConfig
from triagebot.settings import load_config
from triagebot.settings.rubric import load_rubric, read_rubric_file

CONFIG = "version: 1\nservices:\n  s: {slack_channel: '#s'}\n"
GOOD = """\
rules:
  - name: loud
    level: SEV1
    title: loud and wide
    when: {silent: false, share: [">= 0.1", "< 0.5"], any: [{harm: money}, {not: {families: [content]}}]}
  - {name: rest, level: SEV4}
"""


def written(tmp_path: Path, text: str, name: str = "severity.yaml") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_a_rubric_of_ones_own(tmp_path: Path) -> None:
    rubric = read_rubric_file(written(tmp_path, GOOD))
    assert (
        assess_severity(SeverityFacts(share=0.2, harm="money", families=frozenset({"content"})), rubric).rule
        == "loud: loud and wide"
    )
    assert assess_severity(SeverityFacts(share=0.2, families=frozenset({"content"})), rubric).rule == "rest"
    assert assess_severity(SeverityFacts(share=0.5, harm="money"), rubric).level == "SEV4"


def test_a_configuration_names_it_or_holds_it(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    named = load_config(written(tmp_path, CONFIG + "severity: severity.yaml\n", "triagebot.yaml"))
    indented = "".join(f"  {line}\n" for line in GOOD.splitlines())
    held = load_config(written(tmp_path, CONFIG + "severity:\n" + indented, "triagebot.yaml"))
    assert load_rubric(named) == load_rubric(held)
    assert load_rubric(load_config(written(tmp_path, CONFIG, "triagebot.yaml"))) == load_rubric()
    with pytest.raises(BadConfig, match=r'triagebot.yaml:5: severity.rules\[0\].level: "SEV9" is not known'):
        load_config(written(tmp_path, CONFIG + "severity:\n  rules: [{name: a, level: SEV9}]\n", "triagebot.yaml"))


MISTAKES = {
    "unknown fact": (GOOD.replace("silent:", "slient:"), ':5: rules[0].when.slient: is no fact; did you mean "silent"?'),
    "unknown level": (GOOD.replace("SEV4", "P4"), ':6: rules[1].level: "P4" is not known; it can be SEV1, SEV2, SEV3, SEV4'),
    "unknown harm": (GOOD.replace("harm: money", "harm: mony"), ':5: rules[0].when.any[0].harm: "mony" is not known; did you mean "money"?'),
    "no comparison": (GOOD.replace('">= 0.1"', "0.1"), ':5: rules[0].when.share: must be a comparison such as ">= 0.05" (>=, <=, >, < and a number), not 0.1'),
    "code": (GOOD.replace('">= 0.1"', '">= __import__(1)"'), ":5: rules[0].when.share: must be a comparison"),
    "a flag that is a word": (GOOD.replace("silent: false", "silent: nope"), ':5: rules[0].when.silent: must be true or false, not "nope"'),
    "no level": (GOOD.replace("    level: SEV1\n", ""), ":2: rules[0]: `level` is missing: one of SEV1"),
    "a condition on the last": (GOOD.replace("level: SEV4}", "level: SEV4, when: {silent: true}}"), ':1: rules: the last rule, "rest", must hold always'),
    "an unconditional rule before others": (GOOD + "  - {name: never, level: SEV4}\n", ':1: rules: no rule after "rest" can ever hold'),
    "one name twice": (GOOD.replace("name: rest", "name: loud"), ':1: rules: two rules are named "loud"'),
    "no rule": ("version: 1\n", ": there must be at least one rule"),
    "an empty any": (GOOD.replace("any: [{harm: money}, {not: {families: [content]}}]", "any: []"), ":5: rules[0].when.any: must be a list of at least one"),
    "another member": (GOOD.replace("title:", "tilte:"), ':4: rules[0].tilte: is not a setting here; did you mean "title"?'),
    "another version": ("version: 2\n" + GOOD, ":1: version: must be 1, not 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_gets_one_line_with_its_place(tmp_path: Path, name: str) -> None:
    text, expected = MISTAKES[name]
    with pytest.raises(BadConfig) as caught:
        read_rubric_file(written(tmp_path, text))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rubric_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "rubric.yaml").write_text("rules: []")
    config = load_config(written(tmp_path, CONFIG + "severity: rubric.yaml\n", "triagebot.yaml"))
    (tmp_path / "rubric.yaml").unlink()
    with pytest.raises(BadConfig, match=r"rubric.yaml: cannot be read"):
        load_rubric(config)
    with pytest.raises(BadConfig, match=r"severity: there is no file .*nowhere.yaml"):
        load_config(written(tmp_path, CONFIG + "severity: nowhere.yaml\n", "triagebot.yaml"))


KEYS = st.sampled_from([*FACTS, "any", "not", "name", "level", "when", "title", "rules", "other"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([">= 1", "< 0.5", "money", *LEVELS, "x", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
ENTRIES = st.fixed_dictionaries(
    {"name": st.sampled_from("abcd"), "level": st.sampled_from(LEVELS)}, optional={"when": VALUES}
)


@settings(max_examples=100, deadline=None)
@given(
    value=VALUES | st.lists(ENTRIES, max_size=3).map(lambda rules: {"rules": [*rules, {"name": "z", "level": "SEV4"}]})
)
def test_any_rubric_can_be_used_or_says_why(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = written(tmp_path_factory.getbasetemp(), yaml.dump(value))
    rubric: Rubric | None = None
    said = ""
    try:
        rubric = read_rubric_file(path)
    except BadConfig as error:
        said = str(error)
    assert (rubric is None) == bool(said)
    if rubric:
        assert assess_severity(SeverityFacts(), rubric).level in LEVELS
