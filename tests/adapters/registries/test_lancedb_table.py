"""A LanceDB table, embedded and real."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.registries.support import HOUR, PLACE, T0, opened
from triagebot.adapters.registries.lancedb_table import _bursts, _schema, _Version
from triagebot.domain.journal import changes_from_observations, merge_changes
from triagebot.domain.times import Window
from triagebot.errors import BadConfig, SourceFailed

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")

ROWS = [{"id": "a", "vector": [0.1, 0.2, 0.3], "text": "x"}, {"id": "b", "vector": [0.2, 0.2, 0.3], "text": "y"}]


async def make(root: Path, rows: list[dict[str, Any]] = ROWS) -> Any:
    database = await lancedb.connect_async(root / "db")
    return await database.create_table("docs", rows, mode="overwrite")


def table(root: Path, **options: Any):
    return opened("lancedb", root, "retrieval_corpus", "docs", path="db", **options)


def around(at: datetime) -> Window:
    return Window(at - timedelta(days=1), at + timedelta(days=1))


async def last_time(made: Any) -> datetime:
    return (await made.list_versions())[-1]["timestamp"].astimezone()


async def test_its_versions_are_observations_and_changes(tmp_path: Path) -> None:
    made = await make(tmp_path)
    first = await last_time(made)
    registry = table(tmp_path)
    (before,) = await registry.observe(first)
    await made.add([{"id": "c", "vector": [0.0, 0.0, 0.1], "text": "z"}])
    await made.delete("id = 'a'")
    last = await last_time(made)

    (after,) = await registry.observe(last)
    assert (before.label, before.detail["documents"], before.detail["dimension"]) == ("v1", 2, 3)
    assert (after.label, after.detail["documents"], after.detail["version"]) == ("v3", 2, 3)
    assert after.fingerprint != before.fingerprint
    (then,) = await registry.observe(first)
    assert (then.fingerprint, then.detail["documents"]) == (before.fingerprint, 2)
    assert list(await registry.observe(first - HOUR)) == []
    # Written within the hour: one change.
    (change,) = await registry.history(around(last))
    assert (change.after, change.introduced.earliest, change.introduced.latest) == ("v3", first, last)
    assert await registry.history(Window(last + HOUR, last + 2 * HOUR)) == []
    (seen,) = await registry.past(around(last))
    assert seen.fingerprint == change.fingerprints[1] == after.fingerprint
    assert "version 3" in await registry.probe()


async def test_what_two_polls_saw_and_what_it_remembers_is_one_change(tmp_path: Path) -> None:
    made = await make(tmp_path)
    registry = table(tmp_path)
    first = await last_time(made)
    seen = list(await registry.observe(first))
    await made.add(ROWS)
    last = await last_time(made)
    seen += await registry.observe(last)
    told = merge_changes([*changes_from_observations(seen), *await registry.history(around(last))])
    assert [c.after for c in told] == ["v2"]


async def test_the_embedding_function_is_read_from_the_schema() -> None:
    noted = [
        {
            "name": "openai",
            "model": {"name": "text-embedding-3-small"},
            "source_column": "text",
            "vector_column": "vector",
        }
    ]
    fields = [pa.field("id", pa.string()), pa.field("vector", pa.list_(pa.float32(), 256))]
    schema = pa.schema(fields, metadata={b"embedding_functions": json.dumps(noted).encode()})
    assert _schema(schema)["embedding_model"] == "text-embedding-3-small"
    assert _schema(schema)["dimension"] == 256
    for odd in (b"{", b"[]", b"[1]", b'{"a": 1}', b'[{"model": 3}]'):
        assert "embedding_model" not in _schema(pa.schema(fields, metadata={b"embedding_functions": odd}))


async def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="the folder is not there"):
        await table(tmp_path).probe()
    assert not (tmp_path / "db").exists()
    await make(tmp_path)
    with pytest.raises(SourceFailed, match="nowhere"):
        await table(tmp_path, table="nowhere").observe(T0)


def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as error:
        opened("lancedb", tmp_path, "retrieval_corpus")
    assert str(error.value) == f"{PLACE}.path: is missing"
    with pytest.raises(BadConfig, match="uri: must be a URL such as"):
        opened("lancedb", tmp_path, "retrieval_corpus", uri="/srv/db")


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), unique=True))
def test_bursts_cover_every_version_once(minutes: list[int]) -> None:
    versions = [_Version(n, T0 + timedelta(minutes=m), n) for n, m in enumerate(sorted(minutes), 1)]
    bursts = _bursts(versions)
    assert [n for b in bursts for n in range(b.first.number, b.last.number + 1)] == [v.number for v in versions]
    assert all(b.first.at - a.last.at > HOUR for a, b in pairwise(bursts))
