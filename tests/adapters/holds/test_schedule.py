"""Days of the week, as cron counts them."""

from datetime import UTC, datetime, timedelta

import pytest

from triagebot.adapters.holds.schedule import trigger_of

SUNDAY = datetime(2026, 11, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("*", "0123456"),
        ("0", "0"),
        ("7", "0"),
        ("1", "1"),
        ("1-5", "12345"),
        ("5-7", "056"),
        ("1,3,6", "136"),
        ("*/2", "0246"),
        ("1-5/2", "135"),
        ("1/3", "14"),
        ("MON-fri", "12345"),
        ("fri-sun", "056"),
        ("sun,2", "02"),
    ],
)
def test_a_line_fires_on_the_days_that_cron_means(field: str, days: str) -> None:
    trigger = trigger_of(f"0 3 * * {field}")
    fires = [
        str(n)
        for n in range(7)
        if trigger.get_next_fire_time(None, SUNDAY + timedelta(days=n)) == SUNDAY + timedelta(days=n, hours=3)
    ]
    assert "".join(fires) == days


@pytest.mark.parametrize("field", ["8", "-1", "5-2", "1-", "mon-", "*/0", "1/x", "someday", "", "1,"])
def test_what_is_no_day_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"day|five fields"):
        trigger_of(f"0 3 * * {field}")
