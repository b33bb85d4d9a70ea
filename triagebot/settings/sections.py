"""The sections of triagebot.yaml that a server reads, each member with what it must be. A new one is a line in SECTIONS.

`Config.options[section][key]` has the value as its reader gives it; what is not set is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from triagebot.domain.severity import LEVELS
from triagebot.domain.times import parse_span
from triagebot.settings.members import Members, unknown
from triagebot.settings.yamlfile import kind, shown

_SIZE: Final = re.compile(r"\s*(\d{1,9})\s*([KMGT])i?B?\s*", re.IGNORECASE)
_POWERS: Final = {"K": 1, "M": 2, "G": 3, "T": 4}
_HOUR: Final = r"([01]?\d|2[0-3]):([0-5]\d)"
_QUIET: Final = re.compile(rf"\s*{_HOUR}\s*[-–]\s*{_HOUR}\s*", re.ASCII)
# Every one of them divides an hour, so that the polls of all replicas fall on the same minutes.
POLLS: Final = ("1m", "2m", "5m", "10m", "15m", "20m", "30m", "1h")
# What a page of triagebot's own JSON form has: `generic.fields` says where another sender's has them.
PAGE_FIELDS: Final = (
    "id", "incident_key", "status", "service", "title", "at", "url", "text", "labels", "actor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Around:
    """What a member may refer to elsewhere in the file."""

    services: Iterable[str] = ()


Reader = Callable[[Members, str, Around], Any]


def _text(section: Members, key: str, around: Around) -> str | None:
    return section.text(key) or None


def _texts(section: Members, key: str, around: Around) -> tuple[str, ...] | None:
    return section.texts(key) or None


def _secret(section: Members, key: str, around: Around) -> str | None:
    """A secret, or where it is: `env:NAME`, `file:PATH`."""
    return _as_secret(section, key, section.text(key)) or None


def _secrets(section: Members, key: str, around: Around) -> tuple[str, ...] | None:
    return tuple(_as_secret(section, key, text) for text in section.texts(key)) or None


def _as_secret(section: Members, key: str, text: str) -> str:
    if re.fullmatch(r"\$\{?\w+\}?", text):
        name = text.strip("${}")
        section.problem(key, f'{shown(text)} stands for itself here; for the environment\'s write "env:{name}"')
    return text


def _state_url(section: Members, key: str, around: Around) -> str | None:
    url = _secret(section, key, around)
    if url and not re.match(r"(env|file):|(sqlite|postgres(ql)?)(\+\w+)?://", url):
        section.problem(key, "must begin with sqlite:// or postgresql://, or say where it is (env:NAME, file:PATH)")
    return url


def _parsed(parse: Callable[[str], Any]) -> Reader:
    def read(section: Members, key: str, around: Around) -> Any:
        return section.parsed(key, parse, None)

    return read


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        right = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"{shown(text)} is not an address that begins with http:// or https://")
    return text


def _between(least: str, most: str) -> Callable[[str], timedelta]:
    def parse(text: str) -> timedelta:
        span = parse_span(text)
        if not parse_span(least) <= span <= parse_span(most):
            raise ValueError(f"{shown(text)} is not between {least} and {most}")
        return span

    return parse


def _size(text: str) -> int:
    """Bytes, from `20GB` and the like."""
    match = _SIZE.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f"{shown(text)} is not a size such as 500MB or 20GB")
    return int(match[1]) << 10 * _POWERS[match[2].upper()]


def _poll(text: str) -> timedelta:
    if text not in POLLS:
        raise ValueError(f"{shown(text)} is not one of {', '.join(POLLS)}")
    return parse_span(text)


def _quiet(text: str) -> tuple[time, time]:
    match = _QUIET.fullmatch(text)
    if match is None:
        raise ValueError(f'{shown(text)} is not hours such as "20:00-08:00"')
    return time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:  # OSError: the name of a folder of zones
        raise ValueError(f"{shown(text)} is not a time zone such as Europe/Berlin") from error


def channel_name(section: Members, key: str, given: str) -> str:
    if given and not re.fullmatch(r"#[^\s#@,]{1,80}|[CG][A-Z0-9]{6,}", given):
        section.problem(key, f'must be "#name" or a channel id such as C0123456789, not {shown(given)}')
    return given


def _channel(section: Members, key: str, around: Around) -> str | None:
    return channel_name(section, key, section.text(key)) or None


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError(f"{shown(text)} is not an e-mail address")
    return text


def _named(names: Callable[[Around], Iterable[str]]) -> Reader:
    """Texts by name, the names being of those that there are."""

    def read(section: Members, key: str, around: Around) -> dict[str, str] | None:
        inner = section.members(key)
        if inner is None:
            return None
        for name, value in inner.value.items():
            if name not in names(around):
                inner.problem(name, unknown(name, names(around)))
            if not isinstance(value, str) or not value.strip():
                inner.problem(name, f"must be text, not {kind(value)} ({shown(value)})")
        return {name: str(value).strip() for name, value in inner.value.items()}

    return read


def _whole(least: int, most: int) -> Reader:
    def read(section: Members, key: str, around: Around) -> int | None:
        found = section.take(key, int, f"a whole number from {least:,} to {most:,}")
        if found is not None and not least <= found <= most:
            section.problem(key, f"must be from {least:,} to {most:,}, not {shown(found)}")
        return found

    return read


def _amount(section: Members, key: str, around: Around) -> float | None:
    found = section.take(key, (int, float), "an amount of money")
    if found is not None and not 0 <= found <= 1e9:
        section.problem(key, f"must be an amount from 0 on, not {shown(found)}")
    return None if found is None else float(found)


def _one_of(*names: str) -> Reader:
    def read(section: Members, key: str, around: Around) -> str | None:
        return section.choice(key, names) or None

    return read


def _prices(section: Members, key: str, around: Around) -> dict[str, dict[str, float]] | None:
    """Of a million tokens, by model; a name that ends with `*` stands for all that begin so."""
    if section.members(key) is None:
        return None
    prices = {}
    for name, one in section.named(key).items():
        given = {part: _amount(one, part, around) for part in ("input", "output", "cached")}
        for part in ("input", "output"):
            if given[part] is None:
                one.problem(part if part in one.value else "", f"`{part}` is missing: the price of a million tokens")
        one.done()
        prices[name] = {part: value for part, value in given.items() if value is not None}
    return prices


def _texts_by_name(section: Members, key: str, around: Around) -> dict[str, str] | None:
    inner = section.members(key)
    return None if inner is None else {name: inner.text(name) for name in inner.value}


def _spans(section: Members, key: str, around: Around) -> dict[str, timedelta] | None:
    """Lengths of time by severity."""
    texts = _named(lambda _: LEVELS)(section, key, around)
    if texts is None:
        return None
    found = {}
    for level, text in texts.items():
        try:
            found[level] = _between("1m", "30d")(text)
        except ValueError as error:
            inner = section.members(key)
            (inner or section).problem(level, str(error))
    return found


SECTIONS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "slack": {
        "bot_token": _secret,
        "app_token": _secret,
        "signing_secret": _secret,
        "channel": _channel,
        "channels": _named(lambda around: LEVELS),
        "api_url": _parsed(_url),
    },
    "pagerduty": {
        "secrets": _secrets,
        "api_token": _secret,
        "from": _parsed(_email),
        "api_url": _parsed(_url),
        "services": _named(lambda around: around.services),
        "priorities": _named(lambda around: LEVELS),
    },
    "alertmanager": {"token": _secrets, "secret": _secrets},
    "grafana": {"token": _secrets, "secret": _secrets},
    "generic": {"token": _secrets, "secret": _secrets, "fields": _named(lambda around: PAGE_FIELDS)},
    "mlflow": {"secrets": _secrets},
    "api": {"token": _secrets, "gate_token": _texts, "public_url": _parsed(_url)},
    "otlp": {"token": _secrets},
    "state": {"url": _state_url},
    "store": {
        "path": _text,
        "url": _parsed(_url),
        "user": _text,
        "password": _secret,
        "database": _text,
        "table": _text,
    },
    "narrator": {"model": _text, "api_key": _secret, "base_url": _parsed(_url)},
    "replay": {
        "kind": _one_of("anthropic", "openai"),
        "base_url": _parsed(_url),
        "api_key": _secret,
        "times": _whole(1, 100),
        "requests": _whole(1, 1_000),
        "max_tokens": _whole(1, 200_000),
        "parallel": _whole(1, 64),
        "deadline": _parsed(_between("1s", "1h")),
        "most_calls": _whole(1, 1_000_000),
        "most_tokens": _whole(1, 10_000_000_000),
        "most_money": _amount,
        "currency": _text,
        "prices": _prices,
        "models": _texts_by_name,
    },
    "retention": {
        "traces": _parsed(_between("1d", "4000d")),
        "size": _parsed(_size),
        "pages": _parsed(_between("1d", "4000d")),
    },
    "probes": {"every": _parsed(_poll), "deadline": _parsed(_between("1s", "10m"))},
    "reminders": {
        "quiet": _parsed(_quiet),
        "zone": _parsed(_zone),
        "acknowledge": _spans,
        "accept": _spans,
        "stale": _spans,
    },
}


def read_sections(top: Members, services: Iterable[str]) -> dict[str, Any]:
    """Notes every mistake in the document."""
    around, read = Around(tuple(services)), {}
    for name, readers in SECTIONS.items():
        section = top.members(name)
        if section is not None:
            values = {key: reader(section, key, around) for key, reader in readers.items()}
            section.done()
            read[name] = {key: value for key, value in values.items() if value is not None}
    return read
