"""Between rows and values, and what both databases spell differently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from triagebot.domain.incident import Incident
from triagebot.domain.page import Page
from triagebot.domain.times import parse_time
from triagebot.errors import NotFound

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL stores no NUL, UTF-8 no lone surrogate


def insert_once(connection: sa.Connection, table: sa.Table) -> Any:
    """INSERT that leaves a row alone which is there already: rowcount says whether it went in."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()


def replace(
    connection: sa.Connection, table: sa.Table, key: tuple[str, ...], values: Mapping[str, Any], where: Any = None
) -> Any:
    """INSERT that takes the place of the row with the same key; with `where` only of one that is so, as rowcount says."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    others = {name: value for name, value in values.items() if name not in key}
    return insert(table).values(**values).on_conflict_do_update(index_elements=list(key), set_=others, where=where)


def storable(text: str) -> str:
    return _UNSTORABLE.sub("", text)


def number(incident: str) -> int:
    """`INC-12` is 12. Raises NotFound for what no incident can be called."""
    digits = incident.removeprefix("INC-")
    if not (incident.startswith("INC-") and digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise NotFound(f"{incident[:40]!r} is not an incident: they are called INC-1, INC-2 …")
    return int(digits)


def incident_of(row: Any) -> Incident:
    return Incident(
        id=f"INC-{row.id}",
        service=row.service,
        status=row.status,
        title=row.title,
        symptom_key=row.symptom_key,
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        acknowledged_at=row.acknowledged_at,
        drill=row.drill,
    )


def page_json(page: Page) -> str:
    """All members of a page; `page_of` gives the page back."""
    return orjson.dumps(page, default=dict, option=orjson.OPT_UTC_Z).decode()


def page_of(content: Mapping[str, Any]) -> Page:
    told = {"occurred_at": parse_time(content["occurred_at"]), "service_ids": tuple(content["service_ids"])}
    return Page(**{**content, **told})
