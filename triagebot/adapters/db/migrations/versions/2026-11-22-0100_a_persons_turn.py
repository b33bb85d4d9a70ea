# ruff: noqa: INP001  named by time and slug, loaded by path
"""a person's turn

Revision ID: 7d20c5be91f4
Revises: 4c1d0e7b52a9
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7d20c5be91f4"
down_revision = "4c1d0e7b52a9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turn",
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("who", name=op.f("pk_turn")),
    )
    op.drop_index(op.f("ix_nudge_who_at"), table_name="nudge")


def downgrade() -> None:
    op.create_index(op.f("ix_nudge_who_at"), "nudge", ["who", "at"], unique=False)
    op.drop_table("turn")
