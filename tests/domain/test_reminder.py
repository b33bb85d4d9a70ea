from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from triagebot.domain.reminder import QuietHours

BERLIN = QuietHours(start=time(20), end=time(8), zone=ZoneInfo("Europe/Berlin"))


def test_quiet_hours_over_midnight_and_within_a_day():
    night, noon = QuietHours(start=time(22), end=time(7)), QuietHours(start=time(12), end=time(13))
    at = lambda hour, minute=0: datetime(2026, 11, 3, hour, minute, tzinfo=UTC)  # noqa: E731
    assert [night.cover(at(h)) for h in (21, 22, 3, 6, 7)] == [False, True, True, True, False]
    assert [noon.cover(at(h)) for h in (11, 12, 13)] == [False, True, False]


@given(st.times(), st.times(), st.datetimes(timezones=st.just(UTC)))
def test_quiet_and_waking_hours_share_the_day(start, end, at):
    if start != end:
        assert QuietHours(start=start, end=end).cover(at) != QuietHours(start=end, end=start).cover(at)
    assert not QuietHours(start=start, end=start).cover(at)


@given(st.integers(0, 2 * 366 * 24 * 60))
def test_what_waits_for_the_morning_waits_for_the_next_one(minutes):
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    until = BERLIN.over(at)
    assert not BERLIN.cover(until)
    assert timedelta(0) <= until - at <= timedelta(hours=13)  # 12 hours, and one more when the clocks go back
    if BERLIN.cover(at):
        assert until.astimezone(BERLIN.zone).time() == time(8)
    else:
        assert until == at
