from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.triage.figures import figures


def holds(fact, said):
    known, asked = figures(fact), figures(said)
    numbers = all(any(n.same(k) for k in known.numbers) for n in asked.numbers)
    stamps = all(any(k[0].endswith(s[0]) and k[1].startswith(s[1]) for k in known.stamps) for s in asked.stamps)
    return numbers and stamps and bool(asked.numbers or asked.stamps)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("2.1 %", "2.1%"),
        ("2.1 %", "2.1 percent"),
        ("2.1 %", "2.1 per cent"),
        ("2.1 %", "0.021"),
        ("value 0.021", "2.1 %"),
        ("9,876 requests", "9876 requests"),
        ("9876", "9,876 requests"),
        ("2 h", "120 minutes"),
        ("90 s", "90-second"),
        ("21 d 9 min", "21 days and 9 minutes"),
        ("21 d 9 min", "21 days, 9 min"),
        ("412 ms", "412ms"),
        ("8 to 11.5 percentage points", "between 8 and 11.5 points"),
        ("2.1 % of 9,876", "from 2.1 to 2.1 %"),
        ("12 tenants", "twelve tenants"),
        ("21 requests", "twenty-one requests"),
        ("1,200 requests", "one thousand two hundred requests"),
        ("2026-11-03 01:58 UTC", "2026-11-03T01:58:00Z"),
        ("2026-11-03 01:58 UTC", "at 01:58"),
        ("2026-11-03 01:58 UTC", "on 3 November 2026"),
        ("2026-11-03 01:58 UTC", "on November 3rd"),
        ("2026-11-03 01:58:20 UTC", "at 01:58"),
        ("2026-11-03 09:05 UTC", "at 9:05"),
        ("fell by -9.7 points", "−9.7 points"),
    ],
)
def test_two_ways_of_saying_the_same(fact, said):
    assert holds(fact, said)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        ("2.1 %", "2.2 %"),
        ("2.1 %", "21 %"),
        ("21 requests", "21 %"),
        ("9,876 requests", "98,760 requests"),
        ("412 requests", "412 ms"),
        ("412 requests", "412 tenants"),
        ("21 d 9 min", "21 days"),
        ("21 d 9 min", "9 minutes"),
        ("2 h", "3 h"),
        ("9.7 percentage points", "9.7 %"),
        ("12 tenants", "thirteen tenants"),
        ("2026-11-03 01:58 UTC", "2026-11-04 01:58"),
        ("2026-11-03 01:58 UTC, 2026-11-05 04:00 UTC", "2026-11-05 01:58"),
        ("2026-11-03 01:58 UTC", "at 02:58"),
        ("2026-11-03 01:58 UTC", "on 4 November"),
        ("11.8 % in 2026-11-03", "11 %"),
        ("v17 at 2.1 %", "17 requests"),
    ],
)
def test_two_different_things(fact, said):
    assert not holds(fact, said)


def test_names_with_digits_are_names_and_not_numbers():
    found = figures("support/system v17 on gpt-4.1-mini in eu-west-1, INC-7, SEV2, 95 %")
    assert {"v17", "gpt-4.1-mini", "eu-west-1", "inc-7", "sev2"} == set(found.names)
    assert [n.value for n in found.numbers] == [Decimal(95)]


def test_proportions_in_words_are_found():
    assert set(figures("It doubled for most tenants, a third of them, tenfold").proportions) >= {
        "doubled",
        "most",
        "third",
        "tenfold",
    }


@given(st.integers(0, 10**9))
def test_thousands_separators_change_nothing(n):
    assert holds(f"{n} requests", f"{n:,} requests")
    assert holds(f"{n:,}", str(n))


@given(st.integers(0, 99), st.sampled_from(["%", "ms", "requests", ""]))
def test_a_number_that_is_not_there_is_never_found(n, unit):
    assert not holds(f"{n + 100} {unit}, {n + 200}", f"{n} {unit}")


@given(st.text(max_size=300))
def test_any_text_can_be_read(text):
    figures(text)


def test_long_digit_runs_do_not_hang():
    figures("1" * 20000 + "," * 20000 + "a-" * 20000)
