# ruff: noqa: INP001  named by time and slug, loaded by path
"""reminders

Revision ID: 4c1d0e7b52a9
Revises: 4c1d7e52b8a0
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4c1d0e7b52a9"
down_revision = "4c1d7e52b8a0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reminder",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("incident", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'done')", name=op.f("ck_reminder_state")),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name=op.f("fk_reminder_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder")),
        sa.UniqueConstraint("kind", "ref", name=op.f("uq_reminder_kind_ref")),
    )
    op.create_index(op.f("ix_reminder_state_due"), "reminder", ["state", "due"], unique=False)
    op.create_index(op.f("ix_reminder_incident"), "reminder", ["incident"], unique=False)
    op.create_table(
        "nudge",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reminder", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("ts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["reminder"], ["reminder.id"], name=op.f("fk_nudge_reminder")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nudge")),
        sa.UniqueConstraint("reminder", "number", name=op.f("uq_nudge_reminder_number")),
    )
    op.create_index(op.f("ix_nudge_who_at"), "nudge", ["who", "at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_nudge_who_at"), table_name="nudge")
    op.drop_table("nudge")
    op.drop_index(op.f("ix_reminder_incident"), table_name="reminder")
    op.drop_index(op.f("ix_reminder_state_due"), table_name="reminder")
    op.drop_table("reminder")
