"""The default rubric keeps its floors whatever the other facts are, and grades on rate times volume."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.domain.evidence import Measured, Symptom
from triagebot.domain.severity import (
    FLAGS,
    HARMS,
    LEVELS,
    All,
    AnyOf,
    Compares,
    Is,
    Not,
    Rubric,
    Rule,
    SeverityFacts,
    affected_requests,
    assess_severity,
)
from triagebot.domain.times import Interval
from triagebot.settings.rubric import load_rubric

DEFAULT = load_rubric()
DIRE = ("money", "legal", "safety", "privacy")
FAMILIES = ("content", "tool", "retrieval", "latency", "error", "ratelimit", "usage", "eval", "feedback")
FACTS = st.builds(
    SeverityFacts,
    harm=st.sampled_from(HARMS),
    affected_requests=st.integers(0, 100_000),
    affected_conversations=st.integers(0, 1000),
    affected_tenants=st.integers(0, 100),
    share=st.floats(0, 1),
    momentum=st.sampled_from(["growing", "steady", "fading"]),
    families=st.frozensets(st.sampled_from(FAMILIES), max_size=3),
    cost_burn=st.none() | st.floats(0, 10),
    **{flag: st.booleans() for flag in FLAGS},
)


def level(facts: SeverityFacts) -> str:
    return assess_severity(facts, DEFAULT).level


def test_eleven_wrong_transfers_in_ninety_thousand_calls_are_the_worst() -> None:
    facts = SeverityFacts(
        harm="money", irreversible=True, affected_requests=11, share=11 / 90_000, momentum="growing", silent=True
    )
    found = assess_severity(facts, DEFAULT)
    assert found.level == "SEV1"
    assert found.rule.startswith("irreversible_harm: ")
    assert (found.affected_requests, found.momentum, found.silent) == (11, "growing", True)


@pytest.mark.parametrize(
    ("expected", "facts"),
    [
        ("SEV2", SeverityFacts(silent=True, share=0.08, affected_requests=4000, families=frozenset({"content"}))),
        (
            "SEV3",
            SeverityFacts(
                silent=True, share=0.08, affected_requests=400, families=frozenset({"content"}), confined=True
            ),
        ),
        (
            "SEV2",
            SeverityFacts(
                silent=True, share=0.001, affected_requests=9000, families=frozenset({"content"}), confined=True
            ),
        ),
        (
            "SEV4",
            SeverityFacts(
                harm="cosmetic", share=0.9, affected_requests=90_000, families=frozenset({"content"}), silent=True
            ),
        ),
        ("SEV2", SeverityFacts(harm="cosmetic", breaks=True, share=0.9, families=frozenset({"content"}))),
        ("SEV4", SeverityFacts(moved=False)),
        ("SEV3", SeverityFacts(measured=False, moved=False)),
        ("SEV2", SeverityFacts(harm="safety", irreversible=True, measured=False, moved=False)),
        ("SEV1", SeverityFacts(share=0.7, affected_requests=800, families=frozenset({"error"}))),
        ("SEV2", SeverityFacts(harm="cost", families=frozenset({"usage"}), cost_burn=4.0)),
        ("SEV3", SeverityFacts(harm="cost", families=frozenset({"usage"}), cost_burn=1.4)),
        ("SEV2", SeverityFacts(reversible=False, confined=True)),
    ],
)
def test_the_default_rubric(expected: str, facts: SeverityFacts) -> None:
    assert level(facts) == expected


@given(facts=FACTS, harm=st.sampled_from(DIRE), service_says=st.booleans())
def test_harm_that_cannot_be_taken_back_is_the_worst_at_any_rate(
    facts: SeverityFacts, harm: str, service_says: bool
) -> None:
    assert level(replace(facts, moved=True, harm=harm, irreversible=service_says, reversible=service_says)) == "SEV1"


@given(facts=FACTS)
def test_nothing_moved_is_the_least_where_something_could_be_seen(facts: SeverityFacts) -> None:
    assert level(replace(facts, moved=False, measured=True)) == "SEV4"


@given(
    facts=FACTS,
    more=st.fixed_dictionaries({}, optional={
        "affected_requests": st.integers(0, 200_000),
        "affected_tenants": st.integers(0, 200),
        "share": st.floats(0, 1),
        "cost_burn": st.floats(0, 20),
    }),
)  # fmt: skip
def test_more_of_it_is_never_less_severe(facts: SeverityFacts, more: Any) -> None:
    worse = {name: max(value, getattr(facts, name) or 0) for name, value in more.items()}
    assert level(replace(facts, **worse)) <= level(facts)


@given(facts=FACTS)
def test_reversible_and_fading_are_never_worse_than_their_opposites(facts: SeverityFacts) -> None:
    mild = replace(facts, reversible=True, irreversible=False)
    assert level(replace(facts, reversible=False)) <= level(mild)
    assert level(replace(mild, momentum="growing")) <= level(replace(mild, momentum="fading"))


@given(facts=FACTS)
def test_every_answer_names_a_rule_of_the_rubric(facts: SeverityFacts) -> None:
    found = assess_severity(facts, DEFAULT)
    assert found.level in LEVELS
    assert found.rule.split(":")[0] in {rule.name for rule in (*DEFAULT.rules, *DEFAULT.floors)}


@given(facts=FACTS, harm=st.sampled_from(DIRE))
def test_a_floor_stands_whatever_the_rules_are(facts: SeverityFacts, harm: str) -> None:
    lax = Rubric((Rule(name="all", level="SEV4", title="", when=All()),), DEFAULT.floors)
    at_least = {"money": "SEV3", "safety": "SEV2", "privacy": "SEV2", "legal": "SEV4"}[harm]
    mild = replace(facts, moved=True, harm=harm, irreversible=False, reversible=True)
    assert assess_severity(mild, lax).level == at_least
    worst = assess_severity(replace(mild, reversible=False), lax)
    assert worst.level == ("SEV1" if harm != "legal" else "SEV4")
    assert worst.floor == ("irreversible_harm" if harm != "legal" else "")


def test_what_fired_is_named_and_a_symptom_has_a_harm_of_its_own() -> None:
    leak = SeverityFacts(moved=True, confined=True, symptom_harms=frozenset({"privacy"}))
    found = assess_severity(leak, DEFAULT)
    assert (found.level, found.floor) == ("SEV2", "safety_or_privacy")
    assert found.rule == "safety_or_privacy: safety or privacy harm, at any rate"
    assert found.harm == "trust, privacy"


def test_the_levels_within_the_intervals_are_told() -> None:
    facts = SeverityFacts(
        silent=True,
        families=frozenset({"content"}),
        share=0.03,
        affected_requests=300,
        intervals={"share": (0.015, 0.045), "affected_requests": (150, 450)},
    )
    found = assess_severity(facts, DEFAULT)
    assert (found.level, found.levels) == ("SEV2", ("SEV3", "SEV2"))
    assert found.as_json()["intervals"]["share"] == [0.015, 0.045]
    sure = assess_severity(replace(facts, intervals={"share": (0.025, 0.045)}), DEFAULT)
    assert sure.levels == ()


@given(facts=FACTS)
def test_conditions_are_what_they_say(facts: SeverityFacts) -> None:
    here, there = Is("harm", frozenset({facts.harm})), Compares("share", ">", facts.share)
    assert here.holds(facts)
    assert not there.holds(facts)
    assert Compares("share", ">=", facts.share).holds(facts)
    assert Not(there).holds(facts)
    assert AnyOf((there, here)).holds(facts)
    assert not All((there, here)).holds(facts)
    assert not AnyOf(()).holds(facts)
    assert Compares("cost_burn", ">=", 0).holds(facts) == (facts.cost_burn is not None)
    assert Is("families", frozenset({"error", "content"})).holds(facts) == bool(facts.families & {"error", "content"})
    assert (
        Rubric((Rule(name="a", level="SEV1", title="", when=there), Rule(name="b", level="SEV4", title="", when=All())))
        .rule_for(facts)
        .name
        == "b"
    )


def symptom(n: int, before: float, after: float, unit: str = "rate") -> Symptom:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    measured = {"before": Measured(n=n, value=before), "after": Measured(n=n, value=after)}
    return Symptom(signal="x", slice={}, interval=(0, 0), onset=Interval(at, at), unit=unit, **measured)


def test_affected_requests_are_the_widest_symptoms() -> None:
    assert affected_requests([]) == 0
    assert affected_requests([symptom(1000, 0.02, 0.12), symptom(1000, 0.5, 0.1)]) == 400
    assert affected_requests([symptom(1000, 0.02, 0.12), symptom(700, 900, 1400, "ms")]) == 700
