"""The Ledger port on SQLAlchemy. One call is one transaction; the operations themselves stand in the modules beside this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from triagebot.adapters.db import incidents, pages, records, workqueue
from triagebot.adapters.db.engine import Database
from triagebot.domain.incident import Incident, TimelineEvent, Work
from triagebot.domain.page import Page
from triagebot.ports import Clock, Kept, Told

MOST_ATTEMPTS = 8


class SqlLedger:
    """Implements triagebot.ports.Ledger. Work is given up after `most_attempts`, and then shown by `failed`."""

    def __init__(self, database: Database, clock: Clock, *, most_attempts: int = MOST_ATTEMPTS) -> None:
        self._database = database
        self._clock = clock
        self._most_attempts = most_attempts

    # pages and the queue

    async def accept(self, page: Page, body: bytes) -> bool:
        return await self._database.write_row(pages.accept, (page, body, self._clock.now()))

    async def page(self, source: str, event_id: str) -> Page | None:
        return await self._database.read(pages.find, source, event_id)

    async def enqueue(
        self, kind: str, ref: str, *, due: datetime | None = None, dedupe: str, payload: Mapping[str, Any] | None = None
    ) -> bool:
        now = self._clock.now()
        new = workqueue.row(kind, ref, dedupe, payload or {}, due=due or now, now=now)
        return await self._database.write(workqueue.enqueue, new)

    async def claim(self, kinds: Sequence[str], *, worker: str, lease_seconds: float) -> Work | None:
        lease, now = timedelta(seconds=lease_seconds), self._clock.now()
        return await self._database.write(workqueue.claim, list(kinds), worker, lease, now, self._most_attempts)

    async def extend(self, work: Work, lease_seconds: float) -> None:
        lease = timedelta(seconds=lease_seconds)
        await self._database.write(workqueue.extend, work, lease, self._clock.now())

    async def finish(self, work: Work) -> None:
        await self._database.write(workqueue.finish, work, self._clock.now())

    async def retry(self, work: Work, error: str, *, at: datetime) -> None:
        await self._database.write(workqueue.retry, work, error, at, self._clock.now(), self._most_attempts)

    async def fail(self, work: Work, error: str) -> None:
        await self._database.write(workqueue.fail, work, error, self._clock.now())

    async def release(self, work: Work) -> None:
        await self._database.write(workqueue.release, work, self._clock.now())

    async def revive(self, since: datetime) -> int:
        return await self._database.write(workqueue.revive, since, self._clock.now(), self._most_attempts)

    async def failed(self, limit: int = 50) -> list[Work]:
        return await self._database.read(workqueue.failed, limit)

    async def queue(self, kinds: Sequence[str] = ()) -> Mapping[str, int]:
        return await self._database.read(workqueue.counts, list(kinds))

    async def step(self, work: Work, name: str) -> Mapping[str, Any] | None:
        return await self._database.read(workqueue.find_step, work, name)

    async def record_step(self, work: Work, name: str, result: Mapping[str, Any], *, instead_of: str = "") -> None:
        now = self._clock.now()
        await self._database.write(workqueue.record_step, work, name, result, now, instead_of=instead_of)

    # incidents

    async def join_or_open(
        self, page: Page, service: str, symptom_key: str, *, drill: bool = False
    ) -> tuple[Incident, bool]:
        now = self._clock.now()
        return await self._database.write(incidents.join_or_open, page, service, symptom_key, now, drill=drill)

    async def attach(self, page: Page, incident: str) -> None:
        def operation(connection: sa.Connection) -> None:
            pages.attach(connection, page, incidents.locked(connection, incident).id, self._clock.now())

        await self._database.write(operation)

    async def incident(self, id_: str) -> Incident | None:
        return await self._database.read(incidents.find, id_)

    async def incident_of(self, source: str, incident_key: str, *, at: datetime | None = None) -> Incident | None:
        return await self._database.read(incidents.of_key, source, incident_key, at)

    async def incidents(
        self, *, service: str | None = None, status: str | None = None, limit: int = 50
    ) -> list[Incident]:
        return await self._database.read(incidents.listed, service, status, limit)

    async def pages_of(self, incident: str) -> list[Page]:
        return await self._database.read(pages.of_incident, incident)

    async def pages_by_key(self, source: str, incident_key: str) -> list[Page]:
        return await self._database.read(pages.of_key, source, incident_key)

    async def set_status(self, incident: str, status: str, at: datetime) -> None:
        await self._database.write(incidents.set_status, incident, status, at)

    async def append(self, incident: str, event: TimelineEvent) -> bool:
        return await self._database.write(incidents.append, incident, event)

    async def timeline(self, incident: str) -> list[TimelineEvent]:
        return await self._database.read(incidents.events, incident)

    # what was concluded and told

    async def save_verdict(self, incident: str, verdict: Mapping[str, Any]) -> int:
        return await self._database.write(records.save_verdict, incident, verdict, self._clock.now())

    async def verdict(self, incident: str) -> Mapping[str, Any] | None:
        return await self._database.read(records.find_verdict, incident)

    async def save_told(self, incident: str, told: Told) -> None:
        await self._database.write(records.save_told, incident, told)

    async def told(self, incident: str) -> Mapping[str, Told]:
        return await self._database.read(records.find_told, incident)

    async def kept(self, incidents: Sequence[str]) -> Mapping[str, Kept]:
        return await self._database.read(records.kept, incidents)

    async def incident_by_message(self, channel: str, ts: str) -> Incident | None:
        return await self._database.read(records.incident_by_message, channel, ts)

    async def save_document(
        self, incident: str, document: Mapping[str, Any], *, over: Mapping[str, Any] | None = None
    ) -> bool:
        return await self._database.write(records.save_document, incident, document, over, self._clock.now())

    async def document(self, incident: str) -> Mapping[str, Any] | None:
        return await self._database.read(records.find_document, incident)

    async def documents(self, incidents: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return await self._database.read(records.find_documents, incidents)

    async def claim_slot(self, job: str, slot: datetime) -> bool:
        return await self._database.write(records.claim_slot, job, slot)

    async def forget_before(self, at: datetime) -> int:
        def operation(connection: sa.Connection) -> int:
            forgotten = pages.forget_bodies(connection, at), workqueue.forget_done(connection, at)
            return sum(forgotten) + records.forget_slots(connection, at)

        return await self._database.write(operation)
