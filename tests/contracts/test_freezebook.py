"""What every FreezeBook keeps, on SQLite and on PostgreSQL alike, and with two processes at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from triagebot.adapters.db.engine import Database, open_database
from triagebot.adapters.db.freezebook import SqlFreezeBook
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.trail import SqlAudit
from triagebot.domain.audit import Note
from triagebot.domain.freeze import GATE, LIVE, Freeze, Hold, Pass
from triagebot.domain.people import Person
from triagebot.errors import NotFound, Refused

ADA = Person(name="Ada \x00", email="ada@acme.example", slack_id="U1")
BEN = Person(name="Ben", email="ben@acme.example")


@pytest.fixture
def book(database: Database, clock: Any) -> SqlFreezeBook:
    return SqlFreezeBook(database, clock)


def note(action: str = "x", subject: str = "FRZ-1") -> Note:
    return Note(action=f"freeze.{action}", subject=subject, by=ADA, via="api", service="desk")


def hold(surface: str = "prompt_version", artifact: str = "system", kind: str = GATE, **more: Any) -> Hold:
    return Hold(surface=surface, artifact=artifact, kind=kind, **more)


def wanted(clock: Any, *holds: Hold, service: str = "desk", **more: Any) -> Freeze:
    values: dict[str, Any] = {"id": "", "incident": "", "status": "draft", "reason": "wrong \ud800 answers", "by": ADA}
    values |= {"made_at": clock.now(), "span": timedelta(hours=4), "warnings": ("a model retires",)}
    return Freeze(service=service, holds=holds or (hold(),), **(values | more))


async def confirmed(book: SqlFreezeBook, clock: Any, *holds: Hold, **more: Any) -> Freeze:
    made = await book.draft(wanted(clock, *holds, **more), note("previewed", ""))
    freeze, mine = await book.confirm(made.id, clock.now(), note("confirmed", made.id))
    assert mine
    return freeze


async def actions(database: Database, clock: Any) -> list[str]:
    return [str(e.read()["action"]) for e in reversed(await SqlAudit(database, clock).entries(limit=1000))]


async def test_a_draft_comes_back_whole_and_holds_nothing(book: SqlFreezeBook, clock: Any) -> None:
    pin = hold(kind="mlflow", before="3", target="2", restore=True, said="alias production")
    made = await book.draft(wanted(clock, hold(), pin), note("previewed", ""))
    found = await book.find(made.id)
    assert found is not None
    assert found.holds == (hold(), pin)
    assert found.by.email == ADA.email
    assert (found.status, found.span, found.warnings, found.holds[1].restore) == (
        "draft",
        timedelta(hours=4),
        ("a model retires",),
        True,
    )
    assert not found.live(clock.now())


async def test_confirming_shuts_the_gate_queues_the_work_and_is_on_record(
    book: SqlFreezeBook, database: Database, clock: Any
) -> None:
    freeze = await confirmed(book, clock)
    assert (freeze.status, freeze.expires_at) == ("applying", clock.now() + timedelta(hours=4))
    assert freeze.live(clock.now())
    assert not freeze.live(clock.now() + timedelta(hours=4))
    assert freeze.shuts("prompt_version", "system")
    work = await SqlLedger(database, clock).claim(["freeze"], worker="w", lease_seconds=10)
    assert work is not None
    assert work.ref == freeze.id
    again, mine = await book.confirm(freeze.id, clock.now(), note("confirmed", freeze.id))
    assert (again.status, mine) == ("applying", False)
    assert await actions(database, clock) == ["freeze.previewed", "freeze.confirmed"]


async def test_what_is_held_already_is_left_to_whoever_holds_it(book: SqlFreezeBook, clock: Any) -> None:
    first = await confirmed(book, clock)
    pin = hold("tool_schemas", kind="mlflow")
    second = await confirmed(book, clock, hold(), hold("tool_schemas", "*"), pin)
    assert [one.state for one in second.holds] == ["planned"] * 3
    third = await confirmed(book, clock, hold(), pin, hold("eval_freshness"))
    assert [one.state for one in third.holds] == ["planned", "elsewhere", "planned"]
    assert third.holds[1].said == f"pinned by {second.id} already, and kept when that one ends"
    made = await book.draft(wanted(clock, hold("tool_schemas", "orders")), note("previewed", ""))
    with pytest.raises(Refused, match=rf"Tool_schemas orders is held by {second.id} already\. Extend that one"):
        await book.confirm(made.id, clock.now(), note("confirmed", made.id))
    assert await confirmed(book, clock, service="other")
    clock.move(5 * 3600)  # expired: nobody has worked on it yet, and it holds nothing
    assert (await confirmed(book, clock)).holds[0].state == "planned"
    assert first.id == "FRZ-1"


async def test_of_many_who_confirm_at_once_one_does(database_url: str, clock: Any) -> None:
    databases = [open_database(database_url) for _ in range(3)]
    books = [SqlFreezeBook(one, clock) for one in databases]
    made = await books[0].draft(wanted(clock), note("previewed", ""))
    answers = await asyncio.gather(
        *(book.confirm(made.id, clock.now(), note("confirmed", made.id)) for book in books for _ in range(4))
    )
    assert [mine for _, mine in answers].count(True) == 1
    drafts = [await books[0].draft(wanted(clock, service="two"), note("previewed", "")) for _ in range(6)]
    results = await asyncio.gather(
        *(books[n % 3].confirm(d.id, clock.now(), note("confirmed", d.id)) for n, d in enumerate(drafts)),
        return_exceptions=True,
    )
    assert [isinstance(result, Refused) for result in results].count(True) == 5
    trail = SqlAudit(databases[0], clock)
    assert (await trail.verify()).problems == ()
    told = [e.read()["action"] for e in await trail.entries(limit=1000)]
    assert told.count("freeze.confirmed") == 2
    for one in databases:
        await one.close()


async def test_a_change_needs_the_status_that_it_expects(book: SqlFreezeBook, database: Database, clock: Any) -> None:
    freeze = await confirmed(book, clock)
    ended = await book.change(
        freeze.id, LIVE, note("lifted"), queue="unfreeze", status="ending", ended_at=clock.now(), ended_by=BEN
    )
    assert ended is not None
    assert (ended.status, ended.ended_by, ended.ended_at) == ("ending", BEN, clock.now())
    assert await book.change(freeze.id, LIVE, note("lifted"), queue="unfreeze", status="ending") is None
    assert await book.change("FRZ-99", LIVE, note(), status="ending") is None
    assert await book.change("nonsense", LIVE, note(), status="ending") is None
    ledger = SqlLedger(database, clock)
    claimed = [await ledger.claim(["unfreeze"], worker="w", lease_seconds=10) for _ in range(2)]
    assert [work and work.ref for work in claimed] == [freeze.id, None]
    assert (await actions(database, clock)).count("freeze.lifted") == 1


async def test_of_two_who_warn_at_once_one_notes_it(book: SqlFreezeBook, database: Database, clock: Any) -> None:
    freeze = await confirmed(book, clock)
    warned = [await book.change(freeze.id, LIVE, note("warned", freeze.id), warned_at=clock.now()) for _ in range(2)]
    assert [one is not None for one in warned] == [True, False]
    assert (await actions(database, clock)).count("freeze.warned") == 1
    assert await book.change(freeze.id, LIVE, note("extended", freeze.id), warned_at=None)
    assert await book.change(freeze.id, LIVE, note("warned", freeze.id), warned_at=clock.now())


async def test_a_hold_is_settled_by_who_saw_it_last(book: SqlFreezeBook, database: Database, clock: Any) -> None:
    freeze = await confirmed(book, clock)
    (planned,) = freeze.holds
    held = replace(planned, state="held", seconds=0.4, said="ci asks it")
    assert await book.settle(freeze.id, held, note("hold"))
    moved = replace(held, state="moved", said="somebody moved it")
    answers = await asyncio.gather(*(book.settle(freeze.id, moved, note("moved"), was=held) for _ in range(4)))
    assert sorted(answers) == [False, False, False, True]
    found = await book.find(freeze.id)
    assert found is not None
    assert found.holds == (moved,)
    assert (await actions(database, clock)).count("freeze.moved") == 1


async def test_a_change_is_let_through_once_and_only_while_it_is_held(book: SqlFreezeBook, clock: Any) -> None:
    freeze = await confirmed(book, clock)
    granted = Pass(change="9f3a1c2e", by=BEN, reason="the revert", at=clock.now())
    assert await book.grant(freeze.id, granted, note("let_through"))
    assert not await book.grant(freeze.id, granted, note("let_through"))
    found = await book.find(freeze.id)
    assert found is not None
    assert found.lets("9f3a1c2e" * 5) == granted
    assert found.lets("9f3a1c") is None
    assert found.lets("") is None
    await book.change(freeze.id, LIVE, None, status="ending")
    with pytest.raises(Refused, match="is not in force any more"):
        await book.grant(freeze.id, replace(granted, change="other"), note())
    with pytest.raises(NotFound):
        await book.grant("FRZ-99", granted, note())


async def test_who_asked_is_kept_once_with_the_last_time(book: SqlFreezeBook, clock: Any) -> None:
    await book.ask("desk", "prompt_version", "*", "ci", clock.now(), open_=True)
    clock.move(60)
    await book.ask("desk", "prompt_version", "*", "ci", clock.now(), open_=False)
    (one,) = await book.askers("desk")
    assert (one.asker, one.at, one.open) == ("ci", clock.now(), False)
    assert await book.askers("other") == []


async def test_freezes_are_listed_newest_first(book: SqlFreezeBook, clock: Any) -> None:
    for service in ("desk", "other", "third"):
        await confirmed(book, clock, service=service)
    assert [freeze.id for freeze in await book.listed(status=LIVE)] == ["FRZ-3", "FRZ-2", "FRZ-1"]
    assert [freeze.id for freeze in await book.listed(service="other")] == ["FRZ-2"]
    assert await book.listed(status=("draft",)) == []
    assert len(await book.listed(limit=2)) == 2
    for nonsense in ("FRZ-", "FRZ-x", "INC-1", "", "FRZ-²", "FRZ-9999999999999999"):
        assert await book.find(nonsense) is None
