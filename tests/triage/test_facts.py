"""The LLM fields of a postmortem: shares of the requests since the symptom began, by weight, and never a made-up value."""

import numpy as np
import pytest

from tests.fakes.walks import spread, table
from triagebot.ports import SEPARATOR
from triagebot.signals.catalogue import SIGNALS
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import Decision
from triagebot.triage.facts import FIELDS, MOST, facts_of, shares

ALL = np.ones(4, dtype=bool)


def test_shares_count_weights_and_say_what_is_not_recorded():
    t = table(spread(4), {"region": ["eu", "eu", "us", ""]}, weight=[1, 1, 4, 2])
    assert shares(t, "region", ALL) == {"us": 0.5, "eu": 0.25, "not recorded": 0.25}
    assert next(iter(shares(t, "region", ALL))) == "us"


def test_only_the_requests_asked_for_count():
    t = table(spread(4), {"region": ["eu", "eu", "us", "us"]})
    assert shares(t, "region", np.array([False, False, True, True])) == {"us": 1.0}
    assert shares(t, "region", ~ALL) == {}


def test_a_field_that_nobody_records_is_empty_and_not_a_value():
    assert shares(table(spread(4), {"region": ["", "", "", ""]}), "region", ALL) == {}


def test_several_values_of_one_request_are_joined_for_people():
    t = table(spread(4), {"model_served": [f"a{SEPARATOR}b"] * 4})
    assert shares(t, "model_served", ALL) == {"a + b": 1.0}


def test_only_the_largest_are_kept():
    t = table(spread(40), {"tenant": [f"t{i % 20:02}" for i in range(40)]})
    assert len(shares(t, "tenant", np.ones(40, dtype=bool))) == MOST


def test_facts_of_a_walk_that_told_nothing_cover_the_whole_window():
    t = table(spread(4), {"region": ["eu", "eu", "us", "us"], "tenant": ["a", "a", "a", "b"]})
    decision = Decision(status="none_of_five", told=(), possible={}, why="nothing moved")
    coverage = {"model_served": (3, 4), "corpus_version": (0, 0)}
    facts = facts_of(t, coverage, Attribution((), (), (), (), {}, None), decision, {s.name: s for s in SIGNALS})
    assert set(FIELDS) <= set(facts)
    assert facts["region"] == {"eu": 0.5, "us": 0.5}
    assert facts["tenant_mix"] == {"a": 0.75, "b": 0.25}
    assert facts["coverage"] == {"model_served": 0.75}, "what no span could carry is not counted as missing"
    assert (facts["requests"], facts["spans"]) == (4, pytest.approx(8))
    assert facts["signals"] == {}
    assert facts["why"] == "nothing moved"
