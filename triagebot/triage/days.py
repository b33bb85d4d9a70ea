"""The days that a page names: a complaint about one before the traces begin is not answered by today's calm."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG = r"jan(?:uary)?|feb(?:ruary)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
_MONTH = rf"(?P<month>{_LONG}|mar(?:ch)?|may)\b\.?"
_DAY = r"(?P<day>[0-3]?[0-9])(?:st|nd|rd|th)?"
_YEAR = r"(?:,? (?P<year>20[0-9]{2}))?"
# "latency over 5 may indicate": what is a word as well is a month only after a word that dates have, or with its year.
_PLAIN = rf"(?P<month>{_LONG})\b\.?"
_OF = r"(?:on|since|from|of|dated|at|until|by) (?:the )?"
WRITTEN: Final = tuple(
    re.compile(rf"(?<![\w./:=(-]){pattern}(?!\w)", re.IGNORECASE)  # the day in a version's name is none
    for pattern in (
        r"(?<!version )(?<!version: )(?<!updated )(?P<year>20[0-9]{2})-(?P<month>[01][0-9])-(?P<day>[0-3][0-9])(?:t[0-9:.]+z?)?",
        rf"{_DAY}(?: of)? {_PLAIN}{_YEAR}",
        rf"{_PLAIN} {_DAY}{_YEAR}",
        rf"{_OF}{_DAY}(?: of)? {_MONTH}{_YEAR}",
        rf"{_OF}{_MONTH} {_DAY}{_YEAR}",
    )
)
BEGIN: Final = "and the traces begin on"
SCANNED: Final = 8_000  # characters


def named_days(text: str, as_of: datetime) -> list[date]:
    """The days that a text names by date, each once; one without a year is the nearest such day."""
    today = as_of.astimezone(UTC).date()
    found = {_day(match, today) for pattern in WRITTEN for match in pattern.finditer(text[:SCANNED])}
    return sorted(day for day in found if day is not None)


def _day(match: re.Match[str], today: date) -> date | None:
    month, year = match["month"].lower(), match["year"]
    number = int(month) if month.isdigit() else MONTHS.index(month[:3]) + 1
    years = [int(year)] if year else [today.year - 1, today.year, today.year + 1]
    days = [day for one in years if (day := _known(one, number, int(match["day"]))) is not None]
    return min(days, key=lambda day: abs(day - today), default=None)


def _known(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:  # the 31st of April, or a 29 February of another year
        return None


def before_traces(text: str, as_of: datetime, first: datetime) -> str:
    """What cannot be seen of a page that names only days before the first request on record; "" for any other."""
    days = named_days(text, as_of)
    begin = first.astimezone(UTC)
    # Whose midnight it is no page says.
    if not days or days[-1] >= (begin - timedelta(days=1)).date():
        return ""
    return f"the page speaks of {days[-1]:%Y-%m-%d}, {BEGIN} {begin:%Y-%m-%d}"
