"""`probe:` of a service in triagebot.yaml: fixed prompts for its model."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from triagebot.domain.probe import ProbePlan, ProbePrompt
from triagebot.domain.times import parse_span
from triagebot.settings.members import Members

_PARTS: Final = 200
_NAME: Final = re.compile(r"[\w.-]{1,60}")


def read_probe(service: Members) -> ProbePlan | None:
    """None where the service has none. Every mistake is noted with its place."""
    probe = service.members("probe")
    if probe is None:
        return None
    model = probe.text("model", required="`model` is missing: the name that the service asks for")
    prompts = tuple(_prompt(entry, n) for n, entry in enumerate(probe.each("prompts"), 1))
    if not 1 <= len(prompts) <= _PARTS:
        probe.problem("prompts", f"must be 1 to {_PARTS} prompts, each with `prompt`")
    if len({prompt.id for prompt in prompts}) < len(prompts):
        probe.problem("prompts", "two of them have the same `id`")
    plan = ProbePlan(
        artifact=probe.text("artifact", model),
        model=model,
        prompts=prompts,
        base_url=probe.parsed("base_url", _address, ""),
        api_key=probe.text("api_key"),
        temperature=probe.parsed("temperature", _temperature, None),
        max_tokens=_count(probe, "max_tokens", 400, most=8_000),
        repeats=_count(probe, "repeats", 10, most=50),
        reference=_count(probe, "reference", 20, most=200),
        every=probe.parsed("every", _every, timedelta(hours=6)),
        tokens_a_day=_count(probe, "tokens_a_day", 500_000, most=1_000_000_000),
    )
    probe.done()
    return plan


def _prompt(entry: Members, number: int) -> ProbePrompt:
    found = ProbePrompt(
        id=entry.parsed("id", _id, f"p{number}"),
        prompt=entry.text("prompt", required="`prompt` is missing: what is asked"),
        system=entry.text("system"),
        expect=entry.text("expect"),
        json=entry.flag("json", default=False),
    )
    entry.done()
    return found


def _count(probe: Members, key: str, default: int, *, most: int) -> int:
    found = probe.take(key, int, "a whole number")
    if found is None:
        return default
    if not 1 <= found <= most:
        probe.problem(key, f"must be a whole number from 1 to {most:,}")
        return default
    return found


def _id(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must be letters, digits, dots, dashes and underscores")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", text):
        raise ValueError("must begin with http:// or https://")
    return text


def _temperature(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise ValueError("must be a number from 0 to 2")
    return value


def _every(text: str) -> timedelta:
    span = parse_span(text)
    if not timedelta(minutes=10) <= span <= timedelta(days=7):
        raise ValueError("must be from 10m to 7d")
    return span
