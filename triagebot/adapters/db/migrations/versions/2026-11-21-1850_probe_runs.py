# ruff: noqa: INP001  named by time and slug, loaded by path
"""probe runs

Revision ID: 4c1d7e52b8a0
Revises: bfa0126999a8
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4c1d7e52b8a0"
down_revision = "bfa0126999a8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "probe_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("artifact", sa.Text(), nullable=False),
        sa.Column("prompts", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind IN ('reference', 'look')", name=op.f("ck_probe_run_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe_run")),
    )
    op.create_index(op.f("ix_probe_run_service_at"), "probe_run", ["service", "at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_probe_run_service_at"), table_name="probe_run")
    op.drop_table("probe_run")
