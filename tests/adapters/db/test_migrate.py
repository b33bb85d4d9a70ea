"""The migrations make the tables that the code expects, on both databases, wherever the package lies."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.migrate import SCRIPTS, connected, upgrade
from triagebot.adapters.db.tables import metadata
from triagebot.errors import BadConfig


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'not' / 'yet' / 'state.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


def config(connection: sa.Connection) -> Config:
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    made.attributes["connection"] = connection
    return made


async def test_an_empty_database_gets_the_tables_that_the_code_expects(empty_url: str) -> None:
    await upgrade(empty_url)
    await upgrade(empty_url)
    await connected(empty_url, lambda connection: command.check(config(connection)))


async def test_what_was_made_can_be_taken_away(empty_url: str) -> None:
    await upgrade(empty_url)
    await connected(empty_url, lambda connection: command.downgrade(config(connection), "base"))
    left: list[str] = []
    await connected(empty_url, lambda connection: left.extend(sa.inspect(connection).get_table_names()))
    assert set(left) & set(metadata.tables) == set()


@pytest.mark.slow
def test_replicas_that_start_at_once_migrate_once(empty_postgres_url: str) -> None:
    code = "import asyncio, sys; from triagebot.adapters.db.migrate import upgrade; asyncio.run(upgrade(sys.argv[1]))"
    replicas = [subprocess.Popen([sys.executable, "-c", code, empty_postgres_url]) for _ in range(3)]
    assert [replica.wait(60) for replica in replicas] == [0, 0, 0]


async def test_a_migration_does_not_wait_for_long(postgres_url: str) -> None:
    found: list[Any] = []

    def look(connection: sa.Connection) -> None:
        from triagebot.adapters.db import migrate  # noqa: PLC0415

        command.current(config(connection))
        found.append(connection.execute(sa.text("SHOW lock_timeout")).scalar())
        assert found[0] == migrate.LOCK_TIMEOUT

    await connected(postgres_url, look)
    assert found == ["5s"]


def test_versions_are_named_by_time_and_slug_and_there_is_one_head() -> None:
    names = [path.name for path in (SCRIPTS / "versions").glob("*.py")]
    assert names
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d-\d{4}_[a-z0-9_]+\.py", name) for name in names)
    assert len(ScriptDirectory(str(SCRIPTS)).get_heads()) == 1


@pytest.mark.parametrize("url", ["mysql://root:hush@host/db", "nonsense", "hush@@://"])
def test_a_url_of_something_else_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadConfig) as caught:
        open_database(url)
    assert "hush" not in str(caught.value)
