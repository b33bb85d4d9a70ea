"""How the document shows times, amounts and text that came from outside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from triagebot.domain.times import Interval, parse_time
from triagebot.domain.withheld import shown_label, shown_name

NOT_RECORDED: Final = "not recorded"
LABEL: Final = 80
LINE: Final = 400

# Shapes of credentials: none has a place in a document, whoever wrote it into a page or a note.
_SECRET = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{12,}|xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}|gh[opsur]_[A-Za-z0-9]{20,}"
    r"|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{12,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
    r"|\b[Bb]earer\s+[\w.~+/-]{12,}=*"
    r"|\b(?:pass(?:word|wd)?|secret|token|api[_-]?key)\s*[=:]\s*\S+",
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def clean(text: Any, limit: int = LINE, *, people: Collection[str] = ()) -> str:
    """One line without control, bidirectional or invisible characters; credentials and strangers' e-mail addresses masked.

    `people` are the addresses that may stand: owners, authors, responders.
    """
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Zs") else c for c in str(text or ""))
    line = " ".join("".join(c for c in kept if unicodedata.category(c) not in ("Cf", "Cs", "Co", "Cn")).split())
    line = _SECRET.sub("[secret withheld]", line)
    known = {address.lower() for address in people}
    line = _EMAIL.sub(lambda found: found[0] if found[0].lower() in known else "[address withheld]", line)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def quoted(text: Any, limit: int = 160, *, people: Collection[str] = ()) -> str:
    """Text that somebody outside wrote, in quotation marks that it cannot close."""
    inner = re.sub('[“”„‟«»"]', "'", clean(text, limit, people=people))
    return f"“{inner}”"


def time(at: datetime) -> str:
    """`2026-11-03 01:58 UTC`, with seconds where there are any."""
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC" if at.second else "%Y-%m-%d %H:%M UTC")


def interval(when: Interval | None) -> str:
    if when is None:
        return NOT_RECORDED
    if when.exact:
        return time(when.latest)
    return f"between {time(when.earliest)} and {time(when.latest)}"


def span(when: Interval) -> str:
    """The same, shorter, for tables: `2026-11-03 01:55 to 01:58 UTC`."""
    if when.exact:
        return time(when.latest)
    start, end = time(when.earliest).removesuffix(" UTC"), time(when.latest)
    return f"{start} to {end.removeprefix(start[:11])}"


def sentence(text: str) -> str:
    """Text as a sentence: with a capital letter and a full stop."""
    text = text.strip()
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?", "…")) else ".")


def read_time(value: Any) -> datetime | None:
    """A time of the stored verdict; None where it has none."""
    return parse_time(value) if isinstance(value, str) and value else None


def read_interval(value: Any) -> Interval | None:
    """An interval of the stored verdict (`{"earliest": …, "latest": …}`)."""
    if not isinstance(value, Mapping):
        return None
    earliest, latest = read_time(value.get("earliest")), read_time(value.get("latest"))
    if earliest is None or latest is None:
        return None
    return Interval(earliest, latest)


def number(value: float) -> str:
    """Three significant figures, thousands separated, never in scientific notation."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    places = 1 if size >= 10 else 2
    while size < 1 and places < 9 and size * 10 ** (places - 2) < 1:
        places += 1
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    return f"{number(100 * share)} %"


def confidence(value: float) -> str:
    """Never certainty: `97 %`, `over 99 %`."""
    return "over 99 %" if value > 0.99 else percent(round(value, 2))


def amount(value: float, unit: str) -> str:
    """A value of a signal in its unit."""
    if unit in ("rate", "ratio"):
        return percent(value)
    if unit in ("score", "count", ""):
        return number(value)
    return f"{number(value)} {unit}"


def difference(moved: float, interval_: Sequence[float], unit: str) -> str:
    """How far it moved with the 95 % interval: percentage points for rates."""
    low, high = interval_
    if unit in ("rate", "ratio"):
        points = "percentage points"
        return f"{number(100 * moved)} {points} (95 % interval {number(100 * low)} to {number(100 * high)} {points})"
    return f"{amount(moved, unit)} (95 % interval {number(low)} to {amount(high, unit)})"


def slice_of(labels: Any) -> str:
    """`region eu-west-1, route /chat`; "" for all requests."""
    if not isinstance(labels, Mapping):
        return ""
    return ", ".join(
        f"{clean(shown_name(name), 40)} {clean(shown_label(name, str(value)), LABEL)}"
        for name, value in sorted(labels.items())
    )
