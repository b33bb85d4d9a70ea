"""What every Ledger keeps, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.incident import TimelineEvent, Work
from triagebot.domain.page import Page
from triagebot.errors import BadInput, LeaseLost, NotFound
from triagebot.ports import Ledger, Posted, Told

AT = datetime(2026, 11, 3, 2, 40, tzinfo=UTC)
MOST = 3
_ids = itertools.count()


@pytest.fixture
def ledger(database: Database, clock: Any) -> SqlLedger:
    return SqlLedger(database, clock, most_attempts=MOST)


def page(event_id: str = "", **changed: Any) -> Page:
    values: dict[str, Any] = {
        "source": "pagerduty",
        "event_id": event_id or f"E{next(_ids)}",
        "kind": "triggered",
        "incident_key": "P1",
        "service": "support-agent",
        "title": "JSON is broken",
        "occurred_at": AT,
        "service_ids": ("PSVC",),
        "labels": {"region": "eu"},
        "detail": {"number": "7", "deep": {"list": [1, None]}},
    }
    return Page(**(values | changed))


def event(dedupe: str, kind: str = "note", **changed: Any) -> TimelineEvent:
    return TimelineEvent(**({"at": AT, "kind": kind, "actor": "maria", "text": "x", "dedupe": dedupe} | changed))


async def claim(ledger: Ledger, *kinds: str, worker: str = "w1", lease: float = 30) -> Work | None:
    return await ledger.claim(kinds or ("page",), worker=worker, lease_seconds=lease)


async def claimed(ledger: Ledger, *kinds: str, worker: str = "w1", lease: float = 30) -> Work:
    work = await claim(ledger, *kinds, worker=worker, lease=lease)
    assert work is not None
    return work


# pages


async def test_a_page_is_stored_once_with_its_work_and_comes_back_equal(ledger: Ledger) -> None:
    sent = page("E-one", occurred_at=AT + timedelta(microseconds=120))
    assert await ledger.accept(sent, b"{}") is True
    assert await ledger.accept(sent, b"{}") is False
    assert await ledger.page("pagerduty", "E-one") == sent
    assert await ledger.page("grafana", "E-one") is None
    work = await claimed(ledger)
    assert (work.kind, work.ref) == ("page", "pagerduty:E-one")
    assert work.payload == {"source": "pagerduty", "event_id": "E-one"}
    assert await claim(ledger) is None


async def test_many_deliveries_at_once_store_each_page_once(ledger: Ledger) -> None:
    pages = [page(f"same-{number}") for number in range(20)]
    answers = await asyncio.gather(*(ledger.accept(one, b"{}") for one in pages * 5))
    assert sum(answers) == 20
    assert (await ledger.queue())["ready"] == 20


async def test_a_page_that_cannot_be_stored_turns_away_no_other(ledger: Ledger) -> None:
    bad = page("bad", detail={"what": object()})
    answers = await asyncio.gather(
        ledger.accept(page("before"), b""), ledger.accept(bad, b""), ledger.accept(page("after"), b""),
        return_exceptions=True,
    )  # fmt: skip
    assert answers[0] is True
    assert isinstance(answers[1], Exception)
    assert answers[2] is True
    assert await ledger.page("pagerduty", "bad") is None


# the queue


async def test_work_is_claimed_by_one_and_by_due_time(ledger: Ledger, clock: Any) -> None:
    for number in range(10):
        assert await ledger.enqueue("tell", f"INC-{number}", dedupe=f"tell-{number}", payload={"n": number})
    assert not await ledger.enqueue("tell", "INC-0", dedupe="tell-0")
    assert await ledger.enqueue("tell", "INC-later", due=clock.now() + timedelta(hours=1), dedupe="later")
    workers = [claim(ledger, "tell", "page", worker=f"w{number}") for number in range(15)]
    got = [work for work in await asyncio.gather(*workers) if work]
    assert sorted(work.payload["n"] for work in got) == list(range(10))
    assert await claim(ledger, "postmortem") is None
    clock.move(3600)
    assert (await claimed(ledger, "tell")).ref in {"INC-later", *(work.ref for work in got)}


async def test_an_expired_lease_is_taken_over_and_the_old_holder_can_write_nothing(ledger: Ledger, clock: Any) -> None:
    await ledger.accept(page(), b"")
    old = await claimed(ledger, worker="dies", lease=10)
    clock.move(9)
    assert await claim(ledger) is None
    await ledger.extend(old, 10)
    clock.move(9)
    assert await claim(ledger) is None
    clock.move(2)
    new = await claimed(ledger, worker="lives")
    assert (new.id, new.attempts) == (old.id, 2)
    assert new.fence > old.fence
    for write in (
        ledger.extend(old, 10),
        ledger.finish(old),
        ledger.retry(old, "late", at=clock.now()),
        ledger.fail(old, "late"),
        ledger.release(old),
        ledger.record_step(old, "post", {}),
    ):
        with pytest.raises(LeaseLost):
            await write
    await ledger.finish(new)
    with pytest.raises(LeaseLost):
        await ledger.finish(new)


async def test_steps_outlive_the_worker_that_did_them(ledger: Ledger, clock: Any) -> None:
    await ledger.accept(page(), b"")
    old = await claimed(ledger, lease=1)
    assert await ledger.step(old, "post") is None
    await ledger.record_step(old, "post", {"ts": "1.2"})
    clock.move(2)
    new = await claimed(ledger)
    assert await ledger.step(new, "post") == {"ts": "1.2"}
    await ledger.record_step(new, "post", {"ts": "other"})
    assert await ledger.step(new, "post") == {"ts": "1.2"}
    await ledger.record_step(new, "posted", {"ts": "1.3"}, instead_of="post")
    assert (await ledger.step(new, "post"), await ledger.step(new, "posted")) == (None, {"ts": "1.3"})


async def test_failing_work_is_retried_and_at_last_shown_with_its_error(ledger: Ledger, clock: Any) -> None:
    await ledger.accept(page(), b"")
    for attempt in range(1, MOST + 1):
        work = await claimed(ledger)
        assert work.attempts == attempt
        await ledger.retry(work, f"ClickHouse is away ({attempt})", at=clock.now() + timedelta(seconds=5))
        assert await claim(ledger) is None
        clock.move(6)
    assert await claim(ledger) is None
    (failed,) = await ledger.failed()
    assert failed.error == "ClickHouse is away (3)"
    assert (await ledger.queue())["failed"] == 1


async def test_work_that_takes_down_every_worker_is_given_up(ledger: Ledger, clock: Any) -> None:
    await ledger.accept(page("poison"), b"")
    for _ in range(MOST):
        assert (await claimed(ledger, lease=1)).ref == "pagerduty:poison"
        clock.move(2)
    await ledger.accept(page("fine"), b"")
    assert (await claimed(ledger)).ref == "pagerduty:fine"
    assert await claim(ledger) is None
    (failed,) = await ledger.failed()
    assert "3 times" in failed.error


async def test_work_can_fail_at_once_or_be_given_back(ledger: Ledger) -> None:
    await ledger.accept(page(), b"")
    await ledger.release(await claimed(ledger))
    again = await claimed(ledger)
    assert again.attempts == 1
    await ledger.fail(again, "the token was revoked")
    assert [work.error for work in await ledger.failed()] == ["the token was revoked"]


# incidents


async def test_the_same_page_finds_the_same_incident_again(ledger: Ledger) -> None:
    first = page()
    await ledger.accept(first, b"")
    opened, new = await ledger.join_or_open(first, "support-agent", "json")
    assert (opened.id, new, opened.status, opened.opened_at) == ("INC-1", True, "open", AT)
    assert await ledger.join_or_open(first, "support-agent", "json") == (opened, True)
    assert await ledger.pages_of("INC-1") == [first]
    assert await ledger.incident("INC-1") == opened
    assert await ledger.incident_of("pagerduty", "P1") == opened


async def test_a_storm_of_one_symptom_is_one_incident(ledger: Ledger) -> None:
    storm = [page(incident_key=f"P{number}") for number in range(40)]
    joined = await asyncio.gather(*(ledger.join_or_open(one, "support-agent", "json") for one in storm))
    assert {incident.id for incident, _ in joined} == {"INC-1"}
    assert sum(new for _, new in joined) == 1
    assert len(await ledger.pages_of("INC-1")) == 40


async def test_another_service_symptom_or_drill_is_another_incident(ledger: Ledger) -> None:
    asked = [("a", "json", False), ("b", "json", False), ("a", "latency", False), ("a", "json", True)]
    incidents = [
        (await ledger.join_or_open(page(incident_key=str(number)), service, symptom, drill=drill))[0]
        for number, (service, symptom, drill) in enumerate(asked)
    ]
    assert [incident.id for incident in incidents] == ["INC-1", "INC-2", "INC-3", "INC-4"]
    assert [incident.id for incident in await ledger.incidents(service="a")] == ["INC-4", "INC-3", "INC-1"]
    assert len(await ledger.incidents(limit=2)) == 2


async def test_the_senders_key_joins_whatever_the_title_says_now(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "support-agent", "json")
    joined, new = await ledger.join_or_open(page(), "support-agent", "latency")
    assert (joined.id, new) == ("INC-1", False)


async def test_a_resolved_incident_never_takes_in_a_new_page(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "support-agent", "json")
    await ledger.set_status("INC-1", "resolved", AT + timedelta(hours=1))
    second, new = await ledger.join_or_open(page(occurred_at=AT + timedelta(hours=2)), "support-agent", "json")
    assert (second.id, new) == ("INC-2", True)
    newest = await ledger.incident_of("pagerduty", "P1")
    assert newest is not None
    assert newest.id == "INC-2"
    assert [incident.id for incident in await ledger.incidents(status="resolved")] == ["INC-1"]


async def test_an_older_event_never_undoes_a_newer_state(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "support-agent", "json")
    late, early = AT + timedelta(hours=2), AT + timedelta(hours=1)
    await ledger.set_status("INC-1", "resolved", late)
    await ledger.set_status("INC-1", "open", early)
    await ledger.set_status("INC-1", "resolved", late + timedelta(minutes=5))
    incident = await ledger.incident("INC-1")
    assert incident is not None
    assert (incident.status, incident.resolved_at) == ("resolved", late)
    await ledger.set_status("INC-1", "open", late + timedelta(hours=1))
    reopened = await ledger.incident("INC-1")
    assert reopened is not None
    assert (reopened.status, reopened.resolved_at) == ("open", None)


async def test_a_resolve_older_than_a_joined_page_does_not_close(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "support-agent", "json")
    await ledger.join_or_open(page(occurred_at=AT + timedelta(minutes=9)), "support-agent", "json")
    await ledger.set_status("INC-1", "resolved", AT + timedelta(minutes=5))
    incident = await ledger.incident("INC-1")
    assert incident is not None
    assert incident.status == "open"


async def test_the_first_acknowledgement_counts(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "support-agent", "json")
    await ledger.set_status("INC-1", "acknowledged", AT + timedelta(minutes=4))
    await ledger.append("INC-1", event("ack", "acknowledged", at=AT + timedelta(minutes=3)))
    await ledger.set_status("INC-1", "acknowledged", AT + timedelta(minutes=8))
    incident = await ledger.incident("INC-1")
    assert incident is not None
    assert (incident.acknowledged_at, incident.status) == (AT + timedelta(minutes=3), "open")


async def test_what_is_not_there_is_said(ledger: Ledger) -> None:
    for wrong in ("INC-99", "INC-x", "99", "INC-" + "9" * 40, ""):
        assert await ledger.incident(wrong) is None
        with pytest.raises(NotFound):
            await ledger.set_status(wrong, "open", AT)
        with pytest.raises(NotFound):
            await ledger.append(wrong, event("x"))
        with pytest.raises(NotFound):
            await ledger.save_verdict(wrong, {})
    await ledger.join_or_open(page(), "s", "json")
    with pytest.raises(BadInput, match="paused"):
        await ledger.set_status("INC-1", "paused", AT)
    with pytest.raises(BadInput, match="gossip"):
        await ledger.append("INC-1", event("x", "gossip"))


async def test_the_timeline_only_grows_and_each_event_is_there_once(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "s", "json")
    second = event("b", at=AT + timedelta(minutes=1), text="<!here> {{7*7}}\x00", data={"node": "provider"})
    assert await ledger.append("INC-1", second)
    answers = await asyncio.gather(*(ledger.append("INC-1", event("a", text=str(n))) for n in range(10)))
    assert sum(answers) == 1
    timeline = await ledger.timeline("INC-1")
    assert [entry.dedupe for entry in timeline] == ["a", "b"]
    assert timeline[1].text == "<!here> {{7*7}}"
    assert timeline[1].data == {"node": "provider"}
    assert timeline[0].at.tzinfo is not None


async def test_pages_join_by_hand_and_are_found_by_their_key(ledger: Ledger) -> None:
    opened, _ = await ledger.join_or_open(page(), "s", "json")
    resolve = page("R", kind="resolved", occurred_at=AT + timedelta(hours=1))
    await ledger.accept(resolve, b"")
    await ledger.attach(resolve, opened.id)
    assert [one.kind for one in await ledger.pages_of(opened.id)] == ["triggered", "resolved"]
    assert [one.kind for one in await ledger.pages_by_key("pagerduty", "P1")] == ["triggered", "resolved"]


# what was concluded and told


async def test_verdicts_are_numbered_and_the_newest_is_asked_for(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "s", "json")
    assert await ledger.verdict("INC-1") is None
    revisions = await asyncio.gather(*(ledger.save_verdict("INC-1", {"n": n, "deep": [1.5, None]}) for n in range(8)))
    assert sorted(revisions) == list(range(1, 9))
    newest = await ledger.verdict("INC-1")
    assert newest == {"n": revisions.index(8), "deep": [1.5, None]}


async def test_a_message_is_remembered_by_purpose_and_found_by_place(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "s", "json")
    for digest in ("one", "two"):
        posted = Posted(channel="C1", ts="1.000200", link="https://x")
        await ledger.save_told("INC-1", Told(purpose="incident", posted=posted, digest=digest))
    told = await ledger.told("INC-1")
    assert list(told) == ["incident"]
    assert told["incident"].digest == "two"
    found = await ledger.incident_by_message("C1", "1.000200")
    assert found is not None
    assert found.id == "INC-1"
    assert await ledger.incident_by_message("C1", "9") is None


async def test_a_document_is_replaced(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "s", "json")
    assert await ledger.document("INC-1") is None
    await ledger.save_document("INC-1", {"status": "draft"})
    await ledger.save_document("INC-1", {"status": "reviewed", "markdown": "# ü"})
    assert await ledger.document("INC-1") == {"status": "reviewed", "markdown": "# ü"}


async def test_of_several_who_change_a_document_at_once_each_sees_what_the_other_did(ledger: Ledger) -> None:
    await ledger.join_or_open(page(), "s", "json")
    first = await asyncio.gather(*(ledger.save_document("INC-1", {"by": [n]}, over={}) for n in range(3)))
    assert sorted(first) == [False, False, True]

    async def add(n: int) -> None:
        while True:
            stored = await ledger.document("INC-1") or {}
            if await ledger.save_document("INC-1", {"by": [*stored["by"], n]}, over=stored):
                return

    await asyncio.gather(*(add(n) for n in range(10, 16)))
    assert sorted((await ledger.document("INC-1") or {})["by"][1:]) == list(range(10, 16))


async def test_what_is_kept_of_several_incidents_is_what_is_kept_of_each(ledger: Ledger) -> None:
    for n in (1, 2, 3):
        await ledger.join_or_open(page(incident_key=f"P{n}"), "s", f"symptom {n}")
    for n in range(3):
        await ledger.save_verdict("INC-1", {"n": n})
    await ledger.save_verdict("INC-2", {"n": 9})
    posted = Posted(channel="C1", ts="1.000200", link="https://x")
    await ledger.save_told("INC-2", Told(purpose="incident", posted=posted, digest="d"))
    await ledger.save_document("INC-2", {"status": "DRAFT"})
    ids = ["INC-1", "INC-2", "INC-3"]
    kept = await ledger.kept(ids)
    for id_ in ids:
        one = kept[id_]
        assert one.verdict == await ledger.verdict(id_)
        assert (one.events, one.told) == (await ledger.timeline(id_), await ledger.told(id_))
    assert kept["INC-1"].verdict == {"n": 2}
    assert await ledger.documents(ids) == {"INC-2": {"status": "DRAFT"}}
    assert (await ledger.kept([]), await ledger.documents([])) == ({}, {})


async def test_a_slot_belongs_to_one(ledger: Ledger) -> None:
    answers = await asyncio.gather(*(ledger.claim_slot("poll", AT) for _ in range(10)))
    assert sum(answers) == 1
    assert await ledger.claim_slot("poll", AT + timedelta(minutes=5))
    assert await ledger.claim_slot("remind", AT)


async def test_retention_drops_bodies_and_done_work_and_nothing_else(ledger: Ledger, clock: Any) -> None:
    await ledger.accept(page("old"), b"secret body")
    done = await claimed(ledger)
    await ledger.record_step(done, "post", {})
    await ledger.finish(done)
    await ledger.accept(page("waiting"), b"")
    await ledger.claim_slot("poll", clock.now())
    clock.move(10)
    await ledger.accept(page("new"), b"new body")
    assert await ledger.forget_before(clock.now()) == 4
    assert await ledger.forget_before(clock.now()) == 0
    assert await ledger.page("pagerduty", "old") is not None
    assert await ledger.accept(page("old"), b"") is False
    assert await ledger.queue() == {"ready": 2, "leased": 0, "done": 0, "failed": 0}


async def test_what_was_given_up_as_hopeless_is_tried_again_and_nothing_else(ledger: Ledger, clock: Any) -> None:
    await ledger.accept(page("hopeless"), b"")
    await ledger.fail(await claimed(ledger), "the token was revoked")
    await ledger.accept(page("poison"), b"")
    while await claim(ledger, lease=1) is not None:
        clock.move(2)  # each of them dies
    assert len(await ledger.failed()) == 2

    assert await ledger.revive(clock.now() + timedelta(seconds=1)) == 0
    assert await ledger.revive(clock.now() - timedelta(days=1)) == 1
    assert (await claimed(ledger)).ref == "pagerduty:hopeless"
    assert [work.ref for work in await ledger.failed()] == ["pagerduty:poison"]


async def test_reopened_means_that_nobody_has_it(ledger: Ledger) -> None:
    incident, _ = await ledger.join_or_open(page(), "support-agent", "json")
    await ledger.set_status(incident.id, "acknowledged", AT + timedelta(minutes=1))
    await ledger.set_status(incident.id, "resolved", AT + timedelta(minutes=5))
    await ledger.append(incident.id, event("r", "reopened", at=AT + timedelta(minutes=9)))
    await ledger.set_status(incident.id, "open", AT + timedelta(minutes=9))

    async def acknowledged_at() -> datetime | None:
        found = await ledger.incident(incident.id)
        assert found is not None
        return found.acknowledged_at

    assert await acknowledged_at() is None
    await ledger.append(incident.id, event("late", "acknowledged", at=AT + timedelta(minutes=2)))
    assert await acknowledged_at() is None
    await ledger.set_status(incident.id, "acknowledged", AT + timedelta(minutes=11))
    assert await acknowledged_at() == AT + timedelta(minutes=11)
