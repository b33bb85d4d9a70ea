"""A Chroma collection, embedded and real."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.registries.support import HOUR, PLACE, T0, opened
from triagebot.domain.journal import changes_from_observations
from triagebot.errors import BadConfig, SourceFailed

chromadb = pytest.importorskip("chromadb", reason="chromadb is not installed")


class Database:
    def __init__(self, root: Path) -> None:
        self.client = chromadb.PersistentClient(
            str(root / "db"), settings=chromadb.config.Settings(anonymized_telemetry=False)
        )

    def make(self, metadata: dict[str, Any] | None = None) -> Any:
        made = self.client.create_collection("docs", metadata=metadata, embedding_function=None)
        made.add(ids=["a", "b"], embeddings=[[0.1, 0.2, 0.3], [0.2, 0.2, 0.3]], documents=["secret", "secret"])
        return made


@pytest.fixture
def database(tmp_path: Path):
    made = Database(tmp_path)
    yield made
    made.client.close()


def collection(root: Path, **options: Any):
    return opened("chroma", root, "retrieval_corpus", "docs", path="db", **options)


async def test_what_it_holds(tmp_path: Path, database: Database) -> None:
    database.make({"embedding_model": "e5-small", "corpus_version": "kb-7"})
    registry = collection(tmp_path)

    (seen,) = await registry.observe(T0)

    assert seen.label == "kb-7"
    assert {k: seen.detail[k] for k in ("documents", "dimension", "embedding_model", "space")} == {
        "documents": 2,
        "dimension": 3,
        "embedding_model": "e5-small",
        "space": "l2",
    }
    (again,) = await registry.observe(T0 + HOUR)
    assert again.fingerprint == seen.fingerprint
    assert "secret" not in repr(seen)
    assert await registry.probe() == "collection docs: 2 documents, dimension 3, embedded by e5-small"


@pytest.mark.parametrize("what", ["added", "replaced", "embedded again", "made again"])
async def test_what_changes_is_seen(tmp_path: Path, database: Database, what: str) -> None:
    made = database.make()
    registry = collection(tmp_path)
    (before,) = await registry.observe(T0)
    if what == "added":
        made.add(ids=["c"], embeddings=[[0.0, 0.0, 0.1]])
    elif what == "replaced":
        made.delete(ids=["b"])
        made.add(ids=["c"], embeddings=[[0.2, 0.2, 0.3]])
    elif what == "embedded again":
        made.update(ids=["a", "b"], embeddings=[[0.9, 0.2, 0.3], [0.1, 0.2, 0.3]])
    else:
        database.client.delete_collection("docs")
        database.make()
    (after,) = await registry.observe(T0 + HOUR)

    (change,) = changes_from_observations([before, after])
    assert change.after.startswith("sha256:")
    if what == "embedded again":
        assert set(change.detail["changed"]) == {"sample"}


async def test_a_stored_embedding_function_is_named_and_never_built(tmp_path: Path, database: Database) -> None:
    database.client.create_collection("docs")
    (seen,) = await collection(tmp_path).observe(T0)
    assert (seen.detail["embedding_model"], seen.detail["documents"]) == ("default", 0)
    assert "dimension" not in seen.detail


async def test_canaries_may_be_chosen(tmp_path: Path, database: Database) -> None:
    made = database.make()
    registry = collection(tmp_path, canary=["b"])
    (before,) = await registry.observe(T0)
    made.update(ids=["a"], embeddings=[[0.9, 0.2, 0.3]])
    (same,) = await registry.observe(T0)
    made.update(ids=["b"], embeddings=[[0.9, 0.2, 0.3]])
    (other,) = await registry.observe(T0)
    assert before.fingerprint == same.fingerprint != other.fingerprint


async def test_what_is_not_there_says_so(tmp_path: Path, database: Database) -> None:
    with pytest.raises(SourceFailed, match="docs"):
        await collection(tmp_path).probe()
    with pytest.raises(SourceFailed, match="holds no Chroma database"):
        await opened("chroma", tmp_path, "retrieval_corpus", "docs", path="gone").observe(T0)
    assert not (tmp_path / "gone").exists()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(SourceFailed, match="Could not connect"):
        await opened("chroma", tmp_path, "retrieval_corpus", "docs", url=url).observe(T0)


def test_each_mistake_in_its_settings_is_one_line(tmp_path: Path) -> None:
    for options, said in (
        ({}, "path: is missing"),
        ({"url": "ftp://x"}, "url: must begin with http:// or https://"),
        ({"path": "x", "canary": 3}, "canary: must be a list of texts"),
    ):
        with pytest.raises(BadConfig) as error:
            opened("chroma", tmp_path, "retrieval_corpus", **options)
        assert str(error.value) == f"{PLACE}.{said}"
