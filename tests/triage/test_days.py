"""Days that pages name."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.triage.days import before_traces, named_days

AS_OF = datetime(2026, 7, 27, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("a screenshot dated 14 June ~11:00 where VAT is added twice", [date(2026, 6, 14)]),
        ("since June 14th, and again on 2026-07-01T09:00", [date(2026, 6, 14), date(2026, 7, 1)]),
        ("the 3rd of Sept. 2025", [date(2025, 9, 3)]),
        ("anthropic-version: 2023-06-01, ?api-version=2024-10-21, protocolVersion 2025-06-18", []),
        ("Runbook (updated 2026-02-11): latency over 5 may indicate trouble, you may 5x it", []),
        ("since 5 May, and from march 7", [date(2026, 3, 7), date(2026, 5, 5)]),
        ("seen on Mar 24", [date(2026, 3, 24)]),
        ("due 1 August, freeze from 24 December 2026", [date(2026, 8, 1), date(2026, 12, 24)]),
        ("since 29 February", []),
        ("on 31 April it might 5 times, marching 12 order 30/31", []),
        ("v2026-13-45 and 2026-02-30", []),
        ("opal-5-2024-08-06 answers worse; report/2026-01-05.pdf", []),
        ("nothing of the kind since this morning", []),
    ],
)
def test_days_are_read_as_people_write_them(text, days):
    assert named_days(text, AS_OF) == days


@given(st.text(alphabet="0123456789 -junemarof.thTZ:,", max_size=200))
def test_no_text_breaks_it(text):
    named_days(text, AS_OF)


def test_a_page_about_a_day_before_the_traces_cannot_be_answered_from_them():
    first = datetime(2026, 7, 15, 10, tzinfo=UTC)
    assert before_traces("screenshot of 14 June", AS_OF, first) == (
        "the page speaks of 2026-06-14, and the traces begin on 2026-07-15"
    )
    assert before_traces("screenshot of 14 July, late", AS_OF, first) == ""  # somewhere it was the 15th
    assert before_traces("as on 14 June, since 20 July", AS_OF, first) == ""
    assert before_traces("since this morning", AS_OF, first) == ""
    assert before_traces("ticket of 14 June, sunset 9 Oct", AS_OF, first) == ""  # it is about what is to come
