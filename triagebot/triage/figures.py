"""Numbers, times and identifiers in text, in a form in which two ways of writing the same thing are equal.

`2.1 %`, `2.1 percent` and `0.021` are one share; `1,240` and `1240` one number; `2 h` and `120 minutes` one duration;
`2026-11-03T01:58:00Z` and `2026-11-03 01:58 UTC` one time; `twelve` is 12.
"""

# ruff: noqa: SIM905  # word lists are read as text, not as columns of quotation marks

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

LONGEST: Final = 2000

_DATE = r"(?P<date>\d{4}-\d{2}-\d{2})"
_CLOCK = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?)(?:\.\d+)?"
_ZONE = r"(?:\s*(?:UTC|Z|GMT)\b)?"
_STAMP = re.compile(rf"\b{_DATE}(?:(?:T|,?\s+(?:at\s+)?){_CLOCK})?{_ZONE}|\b{_CLOCK.replace('clock', 'alone')}{_ZONE}")
_MONTHS: Final = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_WRITTEN = re.compile(
    rf"\b(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m1>{_MONTH})\b"
    rf"|(?P<m2>{_MONTH})\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b)"
    r"(?:,?\s+(?P<year>\d{4}))?",
    re.IGNORECASE,
)
# A word that has a digit in it is a name (v17, gpt-4.1-mini, eu-west-1, E3); so is anything that hangs together with one.
_NAME = re.compile(r"(?<![\w@])(?=[\w@/.:+-]*\d)(?=[\w@/.:+-]*[^\W\d_])[^\W_][\w@/.:+-]*[\w]")
_ORDINAL = re.compile(r"\b\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_SIZE = r"(?P<sign>(?<![\w.])[-\u2212\u2013])?(?P<size>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_UNIT = (
    r"(?P<unit>%|per\s?cent(?:age\s+points?)?|percentage\s+points?|pct|points?|milliseconds?|msec|ms|seconds?|"
    r"secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|s|h|d|w|requests?|tokens?|spans?|tenants?|conversations?|characters?|calls?|nodes?)(?![\w])"
)
_NUMBER = re.compile(rf"{_SIZE}(?:[\s\u00a0\u202f-]?{_UNIT})?", re.IGNORECASE)
# "from 2.1 to 11.8 %", "between 8 and 11.5 percentage points", "2.1–11.8 %": the unit is said once.
_RANGE = re.compile(r"^\s*(?:to|and|or|–|-|\u2192|->)\s*$")
_TIME_UNITS: Final = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_UNITS: Final = (
    (r"%|per ?cent|pct", "%"),
    (r"per ?centage points?|points?|percent(age)? points?", "points"),
    (r"milliseconds?|msec|ms", "ms"),
    (r"minutes?|mins?", "min"),
    (r"seconds?|secs?|s", "s"),
    (r"hours?|hrs?|h", "h"),
    (r"days?|d", "d"),
    (r"weeks?|w", "w"),
)
_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES: Final = (
    {w: n for n, w in enumerate(_SMALL)} | {w: 10 * n for n, w in enumerate(_TENS, 2)} | {"dozen": 12, "hundred": 100}
)
_SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_WORDED = re.compile(
    rf"\b(?:{'|'.join([*_VALUES, *_SCALES])})(?:[\s-]+(?:and\s+)?(?:{'|'.join([*_VALUES, *_SCALES])}))*\b",
    re.IGNORECASE,
)
# Sizes without digits: nothing in the facts can prove them unless it says the same word.
PROPORTIONS: Final = re.compile(
    r"\b(?:half|halved|thirds?|quarters?|fifths?|tenths?|twice|thrice|doubl(?:e|ed|ing)|tripl(?:e|ed|ing)|quadrupled?|"
    r"\w+fold|majority|most|nearly all|almost all|all|every|everyone|everybody|dozens|hundreds|thousands|millions|billions)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """`unit` is "" where none was written; durations are in milliseconds with the unit `time`, shares are percent."""

    value: Decimal
    unit: str
    text: str

    def same(self, other: Number) -> bool:
        if self.unit == other.unit:
            return self.value == other.value
        shares = {self.unit, other.unit}
        if shares == {"%", "points"}:
            return False
        if shares == {"%", ""}:
            share, plain = (self, other) if self.unit == "%" else (other, self)
            return share.value == plain.value * 100
        return "" in shares and "time" not in shares and self.value == other.value


@dataclass(slots=True)
class Figures:
    """What a text claims. `stamps` are (date or "", clock or ""); clocks are HH:MM, with seconds where they are not zero."""

    numbers: list[Number] = field(default_factory=list)
    stamps: list[tuple[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    proportions: list[str] = field(default_factory=list)


def figures(text: str) -> Figures:
    """Reads the first LONGEST characters: a sentence has fewer, and a fact that has more proves less."""
    found = Figures()
    text = text[:LONGEST]
    text = _take(_STAMP, text, lambda m: found.stamps.append((m["date"] or "", _clock(m["clock"] or m["alone"] or ""))))
    text = _take(_WRITTEN, text, lambda m: found.stamps.append((_date(m), "")))
    text = _ORDINAL.sub(" ", text)
    text = _take(_NAME, text, lambda m: found.names.append(m[0].casefold()), keep=_measured)
    text = _WORDED.sub(lambda m: _worded(m[0]), text)
    found.proportions = [m[0].casefold() for m in PROPORTIONS.finditer(text)]
    found.numbers = list(_numbers(text))
    return found


def _take(
    pattern: re.Pattern[str],
    text: str,
    note: Callable[[re.Match[str]], None],
    keep: Callable[[str], bool] = lambda _: False,
) -> str:
    """Notes every match and blanks it out, so that no part of it is read a second time."""

    def one(match: re.Match[str]) -> str:
        if keep(match[0]):
            return match[0]
        note(match)
        return " \x00 "

    return pattern.sub(one, text)


def _measured(word: str) -> bool:
    """`412ms`, `9min`: a number with its unit, not a name."""
    return _NUMBER.fullmatch(word) is not None


def _clock(text: str) -> str:
    if not text:
        return ""
    hour, minute, *second = text.split(":")
    return f"{int(hour):02d}:{minute}" + (f":{second[0]}" if second and second[0] != "00" else "")


def _date(match: re.Match[str]) -> str:
    """A written date; without a year it starts with `-` and matches the end of a full one."""
    month = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith((match["m1"] or match["m2"]).casefold()[:3]))
    day = int(match["d1"] or match["d2"])
    return f"{match['year'] or ''}-{month:02d}-{day:02d}"


def _worded(text: str) -> str:
    """`twenty-one` as digits. A lone "one" is mostly a pronoun and stays a word."""
    words = [word for word in re.split(r"[\s-]+", text.casefold()) if word != "and"]
    if words == ["one"]:
        return text
    total = part = 0
    for word in words:
        if word in _SCALES:
            part = (part or 1) * _SCALES[word]
            if word != "hundred":
                total, part = total + part, 0
        else:
            part += _VALUES[word]
    return str(total + part)


def _unit(text: str) -> str:
    lowered = " ".join(text.casefold().split())
    return next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, lowered)), lowered.rstrip("s"))


def _numbers(text: str) -> Iterator[Number]:
    """Numbers with their units; neighbouring time quantities are one duration, the ends of a range share its unit."""
    read: list[tuple[re.Match[str], Decimal, str]] = []
    for match in _NUMBER.finditer(text):
        value = Decimal(match["size"].replace(",", "")) * (-1 if match["sign"] else 1)
        read.append((match, value, _unit(match["unit"]) if match["unit"] else ""))
    for n in range(len(read) - 2, -1, -1):
        (match, value, unit), (later, _, later_unit) = read[n], read[n + 1]
        if not unit and later_unit and _RANGE.match(text[match.end() : later.start()]):
            read[n] = (match, value, later_unit)
    spent: Number | None = None
    end, last = -1, ""
    for match, value, unit in read:
        if unit not in _TIME_UNITS:
            yield Number(value, unit, match[0].strip())
            continue
        length = value * _TIME_UNITS[unit]
        joined = spent is not None and re.fullmatch(r",?\s*(?:and\s+)?", text[end : match.start()])
        if spent is not None and joined and _TIME_UNITS[unit] < _TIME_UNITS[last]:
            spent = Number(spent.value + length, "time", f"{spent.text} {match[0].strip()}")
        else:
            if spent is not None:
                yield spent
            spent = Number(length, "time", match[0].strip())
        end, last = match.end(), unit
    if spent is not None:
        yield spent
