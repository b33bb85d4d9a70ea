import numpy as np

from tests.fakes.walks import spread, table
from triagebot.signals.catalogue import SIGNALS
from triagebot.triage.slices import having, longer, needed

SIGNAL = next(s for s in SIGNALS if s.name == "refusal")
TABLE = table(spread(4), {"region": ["eu", "eu", "us", ""]}, {"input_chars": [10, 700, 800, np.nan]})


def test_requests_are_told_by_their_labels_and_by_how_long_their_inputs_are():
    assert having(TABLE, {}).all()
    assert having(TABLE, {"region": "eu"}).tolist() == [True, True, False, False]
    assert having(TABLE, {"input": "over 600 characters"}).tolist() == [False, True, True, False]
    assert having(TABLE, {"input": "over 600 characters", "region": "us"}).tolist() == [False, False, True, False]


def test_what_the_table_does_not_know_has_no_requests():
    for unknown in ({"region": "mars"}, {"planet": "mars"}, {"input": "huge"}, {"input": "over 6 tokens"}):
        assert not having(TABLE, unknown).any()


def test_a_slice_of_long_inputs_needs_their_length_read_too():
    assert needed(SIGNAL, {"region": "eu"}) == [SIGNAL]
    assert [s.name for s in needed(SIGNAL, {"input": "over 600 characters"})] == ["refusal", "input_chars"]
    signal, bound = longer({"input": "over 2240 tokens"})
    assert (signal.name, bound) == ("asked_tokens", 2240)
    assert longer({"input": "over 5; DROP TABLE x tokens"}) is None
