"""The tables. Alembic's versions in migrations/ make them; `alembic check` compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Aware datetimes in, aware datetimes in UTC out. SQLite keeps no zone, so a naive one would come back as a guess."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows of INTEGER PRIMARY KEY columns only, and that is 64 bits there.
_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _Id, primary_key=True)


def _incident(*, nullable: bool = False) -> sa.Column[int]:
    return sa.Column("incident", _Id, sa.ForeignKey("incident.id"), nullable=nullable)


incident = sa.Table(
    "incident",
    metadata,
    _id(),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("status_at", UtcDateTime, nullable=False),  # of the newest event that the status has taken in
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("symptom_key", sa.Text, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),  # the page that did, as source:event_id
    sa.Column("acknowledged_at", UtcDateTime),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("drill", sa.Boolean, nullable=False),
    sa.CheckConstraint("status IN ('open', 'resolved')", name="status"),
    sa.Index(None, "service", "symptom_key"),
    sqlite_autoincrement=True,  # a number, once told to people, is never given to another incident
)

page = sa.Table(
    "page",
    metadata,
    _id(),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("incident_key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    _incident(nullable=True),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.UniqueConstraint("source", "event_id"),
    sa.Index(None, "source", "incident_key"),
    sa.Index(None, "incident"),
    sa.Index(None, "received_at"),
)

incident_key = sa.Table(
    "incident_key",
    metadata,
    _id(),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    _incident(),
    sa.UniqueConstraint("source", "key", "incident"),
)

timeline = sa.Table(
    "timeline",
    metadata,
    _id(),
    _incident(),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("dedupe", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.UniqueConstraint("incident", "dedupe"),
)

work = sa.Table(
    "work",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    sa.Column("dedupe", sa.Text, nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="ready"),
    sa.Column("due", UtcDateTime, nullable=False),  # of ready work: when to do it; of leased work: when the lease ends
    sa.Column("worker", sa.Text, nullable=False, server_default=""),
    sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error", sa.Text, nullable=False, server_default=""),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("state IN ('ready', 'leased', 'done', 'failed')", name="state"),
    sa.UniqueConstraint("dedupe"),
    sa.Index(None, "state", "due"),
)

step = sa.Table(
    "step",
    metadata,
    _id(),
    sa.Column("work", _Id, sa.ForeignKey("work.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("result", sa.JSON, nullable=False),
    sa.UniqueConstraint("work", "name"),
)

verdict = sa.Table(
    "verdict",
    metadata,
    _id(),
    _incident(),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.UniqueConstraint("incident", "revision"),
)

told = sa.Table(
    "told",
    metadata,
    _id(),
    _incident(),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("ts", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.UniqueConstraint("incident", "purpose"),
    sa.Index(None, "channel", "ts"),
)

document = sa.Table(
    "document",
    metadata,
    _id(),
    _incident(),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.UniqueConstraint("incident"),
)

slot = sa.Table(
    "slot",
    metadata,
    _id(),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("slot", UtcDateTime, nullable=False),
    sa.UniqueConstraint("job", "slot"),
)

# Somebody is to be asked until something is done. `held_until` is the lease of the process that is at it, `version` its fence.
reminder = sa.Table(
    "reminder",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    _incident(nullable=True),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    sa.Column("due", UtcDateTime, nullable=False),
    sa.Column("held_until", UtcDateTime),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sent", sa.Integer, nullable=False, server_default="0"),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'done')", name="state"),
    sa.UniqueConstraint("kind", "ref"),
    sa.Index(None, "state", "due"),
    sa.Index(None, "incident"),
)

nudge = sa.Table(
    "nudge",
    metadata,
    _id(),
    sa.Column("reminder", _Id, sa.ForeignKey("reminder.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("ts", sa.Text, nullable=False),
    sa.UniqueConstraint("reminder", "number"),
)

# Whose nudge a person had last, and when: only who moves `at` on may write to them, so that two replicas never do at once.
turn = sa.Table(
    "turn",
    metadata,
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
)

# A run: the same fingerprint at every look from `first_at` to `last_at`. `gap` is the longest time between two looks, in
# seconds, so that a reader who may not know what came after a moment still knows a look before it.
observation = sa.Table(
    "observation",
    metadata,
    _id(),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("surface", sa.Text, nullable=False),
    sa.Column("artifact", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("first_at", UtcDateTime, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
    sa.Column("gap", sa.Float, nullable=False),
    sa.Column("looks", sa.Integer, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("author", sa.JSON, nullable=False),
    sa.Index(None, "service", "surface", "artifact", "source", "first_at"),
)

# Answers are features and hashes, never texts.
probe_run = sa.Table(
    "probe_run",
    metadata,
    _id(),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("artifact", sa.Text, nullable=False),
    sa.Column("prompts", sa.Text, nullable=False),  # identity of the set
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("answers", sa.JSON, nullable=False),
    sa.CheckConstraint("kind IN ('reference', 'look')", name="kind"),
    sa.Index(None, "service", "at"),
)

change = sa.Table(
    "change",
    metadata,
    _id(),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("earliest", UtcDateTime, nullable=False),
    sa.Column("latest", UtcDateTime, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "service", "latest"),
)

# The trail of who did what (domain/audit.py). `number` is counted by whoever writes, under a lock: a gap means tampering.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", _Id, primary_key=True, autoincrement=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index(None, "subject"),
)

# The database itself refuses to change the trail. Whoever owns the database can take that away, and then the hashes show it.
APPEND_ONLY = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        (
            "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END$$"
        ),
        (
            "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        ),
    ),
}
for _dialect, _statements in APPEND_ONLY.items():
    for _statement in _statements:
        _ddl = sa.DDL(_statement)  # type: ignore[no-untyped-call]
        sa.event.listen(audit, "after_create", _ddl.execute_if(dialect=_dialect))

freeze = sa.Table(
    "freeze",
    metadata,
    _id(),
    sa.Column("service", sa.Text, nullable=False),
    _incident(nullable=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("made_by", sa.JSON, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("span", sa.Integer, nullable=False),  # seconds
    sa.Column("confirmed_at", UtcDateTime),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("warned_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_by", sa.JSON),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("snapshot", sa.JSON, nullable=False),
    sa.Column("place", sa.JSON, nullable=False),
    sa.CheckConstraint(
        "status IN ('draft', 'applying', 'in_force', 'ending', 'lifted', 'expired', 'dropped')", name="status"
    ),
    sa.Index(None, "service", "status"),
    sa.Index(None, "incident"),
    sqlite_autoincrement=True,  # as with incidents: a number, once told to people, is never given again
)

hold = sa.Table(
    "hold",
    metadata,
    _id(),
    sa.Column("freeze", _Id, sa.ForeignKey("freeze.id"), nullable=False),
    sa.Column("surface", sa.Text, nullable=False),
    sa.Column("artifact", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("restore", sa.Boolean, nullable=False),
    sa.Column("seconds", sa.Float),
    sa.Column("said", sa.Text, nullable=False),
    sa.UniqueConstraint("freeze", "surface", "artifact", "kind"),
)

# A change that an approver lets through. `passage`, since PASS means something else to whoever reads Python.
passage = sa.Table(
    "passage",
    metadata,
    _id(),
    sa.Column("freeze", _Id, sa.ForeignKey("freeze.id"), nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("by", sa.JSON, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("freeze", "change"),
)

# Who asked the gate last: a gate that nobody asks holds nothing.
asked = sa.Table(
    "asked",
    metadata,
    _id(),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("surface", sa.Text, nullable=False),
    sa.Column("artifact", sa.Text, nullable=False),
    sa.Column("asker", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.UniqueConstraint("service", "surface", "artifact", "asker"),
)
