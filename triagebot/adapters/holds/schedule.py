"""A crontab line, as cron reads it, of a job that changes an artifact."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


def trigger_of(line: str) -> CronTrigger:
    """When the line fires, in UTC. Raises ValueError."""
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415  only for those who have a schedule

    return CronTrigger.from_crontab(_named_days(line), timezone=UTC)


def _named_days(line: str) -> str:
    """The line with its days of the week by their names: 1 is Monday to cron and Tuesday to APScheduler, 7 nothing."""
    fields = line.split()
    if len(fields) != 5:
        raise ValueError(f"{line!r} is no crontab line of five fields")
    if fields[4] != "*":
        days = {day for part in fields[4].lower().split(",") for day in _days(part)}
        fields[4] = ",".join(_DAYS[day] for day in sorted(days))
    return " ".join(fields)


def _days(part: str) -> range:
    span, _, step = part.partition("/")
    first, dash, last = span.partition("-")
    if span == "*":
        begin, end = 0, 6
    else:
        begin = _day(first)
        end = _day(last) if dash else 6 if step else begin
        end = 7 if dash and end == 0 < begin else end  # Friday to Sunday
    if (step and not (step.isdecimal() and int(step))) or end < begin:
        raise ValueError(f"{part!r} are no days of the week")
    return range(begin, end + 1, int(step or 1))


def _day(word: str) -> int:
    """As cron counts them: 0 is Sunday, and so is 7."""
    if word in _DAYS:
        return _DAYS.index(word)
    if word.isdecimal() and int(word) < len(_DAYS):
        return int(word)
    raise ValueError(f"{word!r} is no day of the week")
