"""What stands where nothing is configured, and what is configured where it is."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from triagebot.bootstrap.options import Options
from triagebot.bootstrap.reminding import _quiet
from triagebot.domain.reminder import QuietHours
from triagebot.domain.service import Config, Directory


def options(**sections: dict[str, object]) -> Options:
    return Options(Config(root=Path(), organisation="", services={}, directory=Directory(), options=sections))


def test_what_is_not_set_is_the_default() -> None:
    assert options().text("slack", "channel") == ""
    assert options(slack={"channel": "#a"}).text("slack", "channel") == "#a"
    assert options().mapping("generic", "fields") == {}


def test_quiet_hours_and_their_zone() -> None:
    assert _quiet(options()) == QuietHours()
    berlin = _quiet(options(reminders={"zone": ZoneInfo("Europe/Berlin")}))
    assert berlin.cover(datetime(2026, 7, 1, 5, 30, tzinfo=UTC))
    assert not berlin.cover(datetime(2026, 7, 1, 6, 30, tzinfo=UTC)), "08:30 there"
    lunch = _quiet(options(reminders={"quiet": (time(12), time(13))}))
    assert lunch.cover(datetime(2026, 7, 1, 12, 30, tzinfo=UTC))
    assert not lunch.cover(datetime(2026, 7, 1, 2, 30, tzinfo=UTC))
