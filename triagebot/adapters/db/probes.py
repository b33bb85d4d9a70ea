"""The ProbeStore port on SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from triagebot.adapters.db.engine import Database
from triagebot.adapters.db.rows import storable
from triagebot.adapters.db.tables import probe_run
from triagebot.domain.probe import Compared, ProbeAnswer, ProbeRun


class SqlProbes:
    """Implements triagebot.ports.ProbeStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, run: ProbeRun) -> int:
        return await self._database.write(_save, run)

    async def reference(self, service: str, artifact: str, set_: str) -> ProbeRun | None:
        return await self._database.read(_reference, service, artifact, set_)

    async def runs(self, service: str, *, limit: int = 20) -> list[ProbeRun]:
        return await self._database.read(_runs, service, limit)

    async def spent(self, service: str, since: datetime) -> int:
        return await self._database.read(_spent, service, since)


def _save(connection: sa.Connection, run: ProbeRun) -> int:
    content = {
        "served": list(run.served),
        "failed": run.failed,
        "reference": run.reference,
        "p_value": run.p_value,
        "compared": [
            {"feature": c.feature, "reference": c.reference, "look": c.look, "p_value": c.p_value, "q_value": c.q_value}
            for c in run.compared
        ],
    }
    values = {
        "service": storable(run.service),
        "artifact": storable(run.artifact),
        "prompts": run.set,
        "kind": run.kind,
        "at": run.at,
        "tokens": run.tokens,
        "content": content,
        "answers": [answer.as_json() for answer in run.answers],
    }
    made = connection.execute(sa.insert(probe_run).values(**values).returning(probe_run.c.id))
    return int(made.scalar_one())


def _reference(connection: sa.Connection, service: str, artifact: str, set_: str) -> ProbeRun | None:
    query = sa.select(probe_run).where(
        probe_run.c.service == service,
        probe_run.c.artifact == artifact,
        probe_run.c.prompts == set_,
        probe_run.c.kind == "reference",
    )
    row = connection.execute(query.order_by(probe_run.c.id.desc()).limit(1)).first()
    return _run(row, row.answers) if row is not None else None


def _runs(connection: sa.Connection, service: str, limit: int) -> list[ProbeRun]:
    columns = [column for column in probe_run.c if column is not probe_run.c.answers]
    counted = sa.func.json_array_length(probe_run.c.answers).label("counted")
    query = sa.select(*columns, counted).where(probe_run.c.service == service)
    rows = connection.execute(query.order_by(probe_run.c.at.desc(), probe_run.c.id.desc()).limit(limit))
    blank = {"prompt": "", "hash": "", "features": {}}
    return [_run(row, [blank] * int(row.counted)) for row in rows]


def _spent(connection: sa.Connection, service: str, since: datetime) -> int:
    total = sa.func.coalesce(sa.func.sum(probe_run.c.tokens), 0)
    query = sa.select(total).where(probe_run.c.service == service, probe_run.c.at >= since)
    return int(connection.execute(query).scalar_one())


def _run(row: Any, answers: list[Mapping[str, Any]]) -> ProbeRun:
    content = row.content
    return ProbeRun(
        id=row.id,
        service=row.service,
        artifact=row.artifact,
        set=row.prompts,
        kind=row.kind,
        at=row.at,
        served=tuple(content["served"]),
        answers=tuple(ProbeAnswer(**answer) for answer in answers),
        tokens=row.tokens,
        failed=content["failed"],
        reference=content["reference"],
        p_value=content["p_value"],
        compared=tuple(Compared(**one) for one in content["compared"]),
    )
