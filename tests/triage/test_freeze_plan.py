"""What people type, and what a preview says: read without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.incidents import config
from triagebot.adapters.holds.schedule import trigger_of
from triagebot.domain.audit import Head
from triagebot.domain.change import Observation
from triagebot.domain.freeze import USUAL, Pass
from triagebot.domain.nodes import OTHER_SURFACES, SURFACES
from triagebot.domain.people import Person
from triagebot.domain.service import RegistryEntry, Service
from triagebot.errors import BadInput, Refused, SourceFailed
from triagebot.surfaces.contract import Source
from triagebot.testing.clock import FakeClock
from triagebot.triage.freeze import Parts, Wanted
from triagebot.triage.freeze.plan import plan, read_span, read_words, surfaces_of

AT = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
ADA = Person(name="Ada", email="ada@acme.example")


# -- words -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "surfaces", "span", "reason"),
    [
        ("", (), USUAL, ""),
        ("prompt", ("prompt_version",), USUAL, ""),
        (
            "prompt-version, tool_schemas and evals for 90m",
            ("prompt_version", "tool_schemas", "eval_freshness"),
            90,
            "",
        ),
        ("all for 2 h because answers for you are wrong", (), 120, "answers for you are wrong"),
        ("model alias", ("model_alias",), USUAL, ""),
        ("retrieval corpus because because", ("retrieval_corpus",), USUAL, "because"),
    ],
)
def test_words_are_read(words: str, surfaces: Any, span: Any, reason: str) -> None:
    wanted = span if isinstance(span, timedelta) else timedelta(minutes=span)
    assert read_words(words) == (surfaces, wanted, reason)


@given(st.text(max_size=200))
def test_any_words_are_read_or_refused_in_one_line(words: str) -> None:
    try:
        surfaces, span, reason = read_words(words)
    except BadInput as error:
        assert "\n" not in str(error)
    else:
        assert set(surfaces) <= {*SURFACES, *OTHER_SURFACES}
        assert timedelta(minutes=5) <= span <= timedelta(days=7)
        assert len(reason) <= 300


@given(st.sampled_from([*SURFACES, *OTHER_SURFACES]))
def test_a_surface_by_its_own_name_is_itself(surface: str) -> None:
    assert surfaces_of([surface, surface.upper().replace("_", "-")]) == (surface,)


@pytest.mark.parametrize("text", ["", "4", "h4", "1s", "8d", "-4h", "999999w", "4h\n"])
def test_lengths_that_are_none_are_refused(text: str) -> None:
    if text == "4h\n":
        assert read_span(text) == timedelta(hours=4)
        return
    with pytest.raises(BadInput):
        read_span(text)


@given(st.text(alphabet="0123456789abcdef", min_size=7, max_size=40), st.integers(7, 40))
def test_a_commit_is_let_through_by_its_short_name_either_way(sha: str, length: int) -> None:
    one = Pass(change=sha[:length], by=ADA, reason="", at=AT)
    assert one.lets(sha)
    assert Pass(change=sha, by=ADA, reason="", at=AT).lets(sha[:length].upper())


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_else_is_let_through(mine: str, asked: str) -> None:
    let = Pass(change=mine, by=ADA, reason="", at=AT).lets(asked)
    hexadecimal = not set((mine + asked).lower()) - set("0123456789abcdef") and min(len(mine), len(asked)) >= 7
    assert not let or mine.lower() == asked.lower() or hexadecimal


@given(st.text(max_size=100))
def test_the_head_of_a_trail_is_read_or_refused(text: str) -> None:
    try:
        head = Head.parse(text)
    except ValueError:
        return
    assert Head.parse(str(head)) == head


# -- previews --------------------------------------------------------------------------------------------------------------


class Registry:
    kind = "anthropic"

    def __init__(self, surface: str, artifact: str, label: str = "", fails: str = "", **detail: Any) -> None:
        self.surface, self.artifact, self.label, self.fails, self.detail = surface, artifact, label, fails, detail

    async def observe(self, now: datetime) -> list[Observation]:
        if self.fails:
            raise SourceFailed(self.fails)
        one = Observation(
            observed_at=now, service="desk", surface=self.surface, artifact=self.artifact, fingerprint="x",
            label=self.label, detail=self.detail, source=self.kind,
        )  # fmt: skip
        return [one]


class Brake:
    def __init__(self, surface: str, artifact: str = "*", **more: Any) -> None:
        self.surface, self.artifact, self.kind = surface, artifact, "gate"
        self.pins, self.holds, self.puts_back, self.schedule, self.title = False, True, False, "", "ci"
        self.stands = ""
        for name, value in more.items():
            setattr(self, name, value)

    def due(self, now: datetime) -> datetime | None:
        return trigger_of(self.schedule).get_next_fire_time(None, now) if self.schedule else None

    async def look(self) -> str:
        return self.stands

    async def target(self, stands: str, resolved: str, before: str) -> str:
        return before or resolved or stands

    def pinned(self, value: str) -> str:
        return value


class Nothing:
    async def askers(self, service: str) -> list[Any]:
        return []


def parts(*registries: Registry, brakes: Any = ()) -> Parts:
    entries = tuple(RegistryEntry(surface=r.surface, artifact=r.artifact, kind=r.kind) for r in registries)
    known = config()
    services = {"desk": Service(name="desk", slack_channel="#x", registries=entries)}
    sources = [Source(entry=e, registry=r) for e, r in zip(entries, registries, strict=True)]  # type: ignore[arg-type]
    nothing: Any = Nothing()
    return Parts(
        config=type(known)(root=Path(), organisation="", services=services, directory=known.directory),
        book=nothing,
        audit=nothing,
        ledger=nothing,
        journal=nothing,
        clock=FakeClock(AT),
        brakes={"desk": list(brakes)},
        registries={"desk": sources},
    )


async def test_a_model_that_retires_inside_the_freeze_is_told() -> None:
    there = parts(Registry("model_alias", "sonnet", "sonnet-4-20260301", retires_at="2026-11-03T05:00:00Z"))
    freeze = await plan(there, Wanted(service="desk"), ADA)
    (warning,) = freeze.warnings
    assert warning.startswith("sonnet-4-20260301 retires on 2026-11-03 05:00 UTC, inside the freeze")
    assert (await plan(there, Wanted(service="desk", span=timedelta(hours=2)), ADA)).warnings == ()
    assert "the provider can still move the alias on its side" in freeze.holds[0].said


async def test_a_job_that_is_due_inside_the_freeze_is_told() -> None:
    asks = Brake("retrieval_corpus", "docs", schedule="0 3 * * *", title="refresh")
    silent = Brake("retrieval_corpus", "docs", holds=False, schedule="30 3 * * *", title="sync")
    later = Brake("retrieval_corpus", "docs", schedule="0 9 * * *", title="later")
    freeze = await plan(parts(brakes=[asks, silent, later]), Wanted(service="desk"), ADA)
    assert [warning.partition(", inside")[0] for warning in freeze.warnings] == [
        "refresh is due at 03:00 UTC on 03 November",
        "sync is due at 03:30 UTC on 03 November",
    ]
    weekly = [
        Brake("retrieval_corpus", "docs", schedule=f"0 4 * * {day}", title=day) for day in ("2", "3", "1-5", "0,7")
    ]
    weekdays = await plan(parts(brakes=weekly), Wanted(service="desk"), ADA)  # on a Tuesday
    assert [warning.partition(" is due")[0] for warning in weekdays.warnings] == ["2", "1-5"]
    assert "asks the gate and will be refused" in freeze.warnings[0]
    assert "asks nobody and will change it" in freeze.warnings[1]
    assert "sync changes it and asks nobody" in freeze.holds[0].said


async def test_an_alias_is_pinned_to_what_the_registry_resolves_it_to() -> None:
    pin = Brake(
        "model_alias", "sonnet", pins=True, holds=False, kind="model_file", stands="sonnet-latest", title="a file"
    )
    freeze = await plan(
        parts(Registry("model_alias", "sonnet", "sonnet-4-20260301"), brakes=[pin]), Wanted(service="desk"), ADA
    )
    gate, held = freeze.holds
    assert (held.before, held.target, held.restore) == ("sonnet-latest", "sonnet-4-20260301", True)
    assert held.said == "will be pinned to sonnet-4-20260301 (a file, now sonnet-latest)"
    assert gate.kind == "gate"


async def test_a_registry_that_fails_keeps_no_freeze_from_being_previewed() -> None:
    freeze = await plan(parts(Registry("prompt_version", "p", fails="the clone is gone")), Wanted(service="desk"), ADA)
    assert freeze.surfaces == ("prompt_version",)


async def test_a_surface_that_nobody_configured_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        Refused, match=r"desk has no tool_schemas in triagebot\.yaml, so there is nothing to hold; it has prompt"
    ):
        await plan(parts(Registry("prompt_version", "p")), Wanted(service="desk", surfaces=("tool_schemas",)), ADA)
    with pytest.raises(Refused, match=r"desk has no artifact in triagebot\.yaml"):
        await plan(parts(), Wanted(service="desk"), ADA)
