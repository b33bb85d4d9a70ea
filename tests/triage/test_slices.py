import numpy as np

from tests.fakes.walks import spread, table
from triagebot.domain.inputs import mark
from triagebot.domain.withheld import shown_slice
from triagebot.signals.catalogue import SIGNALS
from triagebot.triage.slices import having, input_test, needed

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
    signal, told = input_test({"input": "over 2240 tokens"})
    assert (signal.name, told.exceeds, told.value) == ("asked_tokens", True, 2240)
    assert input_test({"input": "over 5; DROP TABLE x tokens"}) is None


def test_requests_that_begin_alike_are_told_by_a_mark_and_never_by_their_words():
    kinds = table(spread(4), {}, {"input_kind": [51185, 7, 51185, np.nan]})
    assert mark(51185) == "#c7f1"
    assert having(kinds, {"input_kind": "#c7f1"}).tolist() == [True, False, True, False]
    assert having(kinds, {"input_kind": mark(7)}).tolist() == [False, True, False, False]
    assert [s.name for s in needed(SIGNAL, {"input_kind": "#c7f1"})] == ["refusal", "input_kind"]
    for unknown in ("#zzzz", "c7f1", "#c7f1 OR 1"):
        assert input_test({"input_kind": unknown}) is None
        assert not having(kinds, {"input_kind": unknown}).any()


def test_requests_in_one_language_are_told_by_its_name():
    told = table(spread(4), {}, {"input_language": [1, 3, 3, np.nan]})
    assert having(told, {"input_language": "French"}).tolist() == [False, True, True, False]
    assert having(told, {"input_language": "English"}).tolist() == [True, False, False, False]
    assert [s.name for s in needed(SIGNAL, {"input_language": "French"})] == ["refusal", "input_language"]
    assert not having(told, {"input_language": "Klingon"}).any()
    assert shown_slice({"input_language": "French"}) == "inputs in French"


def test_later_turns_are_told_by_the_conversations_that_requests_name():
    told = table(spread(5), {"conversation": ["a", "b", "a", "", ""]})
    later = {"turn": "second or later"}
    assert having(told, later).tolist() == [False, False, True, False, False]
    assert needed(SIGNAL, later) == [SIGNAL]
    assert shown_slice(later) == "turn second or later"


def test_a_request_that_called_several_tools_is_of_the_slice_of_each():
    called = table(spread(3), {"tool_names": ["find", "find\x1fsend", "finder"]})
    assert having(called, {"tool_names": "find"}).tolist() == [True, True, False]
    assert having(called, {"tool_names": "send"}).tolist() == [False, True, False]
