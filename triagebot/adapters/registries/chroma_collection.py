"""A Chroma collection as a retrieval corpus. It remembers nothing: changes are seen between two polls."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from triagebot.adapters.registries.base import BaseRegistry, library, load
from triagebot.adapters.registries.options import Options
from triagebot.domain.change import Observation
from triagebot.errors import SourceFailed, SourceTimeout

_TIMEOUT: Final = 15.0
_EXTRA: Final = "chroma"
# Ids are read page by page up to this many; a larger collection is told by its count and its sample.
_MOST_IDS: Final = 200_000
_PAGE: Final = 10_000
_SAMPLE: Final = 8
_MODEL_KEYS: Final = ("embedding_model", "embedding_function", "embedder", "model")
_VERSION_KEYS: Final = ("corpus_version", "version", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChromaSettings:
    """`path` is the folder of an embedded database, or `url` where a server stands; `collection` defaults to the artifact.

    `canary` are ids whose vectors are compared from poll to poll, by default the first eight: a corpus that was embedded
    again by another model has the same ids and the same count.
    """

    path: Path | None
    url: str
    collection: str
    token: str = ""
    canary: tuple[str, ...] = ()
    timeout: float = _TIMEOUT


class ChromaRegistry(BaseRegistry):
    kind = "chroma"
    remembers = False

    def configure(self, options: Options) -> None:
        url = options.text("url", "")
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise options.wrong("url", "must begin with http:// or https://")
        path = None if url else options.path("path")
        options.text("path", "")
        self.settings = ChromaSettings(
            path=path,
            url=url,
            collection=options.text("collection", self.artifact),
            token=options.text("token", ""),
            canary=options.texts("canary"),
            timeout=options.seconds("timeout", _TIMEOUT),
        )
        self._token_place = options.at("token")

    async def observe(self, now: datetime) -> Sequence[Observation]:
        detail, mark, label = await self._look()
        return [self.observation(now, mark, label, detail)]

    async def probe(self) -> str:
        detail, _, _ = await self._look()
        model = detail.get("embedding_model", "an unknown model")
        return (
            f"collection {self.settings.collection}: {detail['documents']} documents, "
            f"dimension {detail.get('dimension', 'unknown')}, embedded by {model}"
        )

    async def _look(self) -> tuple[dict[str, Any], str, str]:
        place = f"Chroma collection {self.settings.collection}"
        # Opening a folder that is not there would make one.
        if self.settings.path is not None and not (self.settings.path / "chroma.sqlite3").is_file():
            raise SourceFailed(f"{place}: {self.settings.path} holds no Chroma database", permanent=True)
        chroma = await load("chromadb", _EXTRA)
        failures = (library("chromadb.errors", _EXTRA).ChromaError, OSError, ValueError, RuntimeError)
        http_failures = library("httpx", _EXTRA).HTTPError
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await asyncio.to_thread(self._read, chroma)
        except TimeoutError as error:
            raise SourceTimeout(f"{place}: no answer in {self.settings.timeout:g} s") from error
        except (*failures, http_failures) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise SourceFailed(f"{place}: {said}") from error

    def _read(self, chroma: Any) -> tuple[dict[str, Any], str, str]:
        client = self._client(chroma)
        try:
            # Without an embedding function: a stored one would be built, which asks for its package and its key.
            collection = client.get_collection(self.settings.collection, embedding_function=None)
            count = collection.count()
            wanted: dict[str, Any] = {"ids": list(self.settings.canary)} if self.settings.canary else {"limit": _SAMPLE}
            sample = collection.get(include=["embeddings"], **wanted)
            ids = _ids(collection, count)
            metadata, configuration = collection.metadata or {}, collection.configuration_json or {}
            identity = str(collection.id)
        finally:
            close = getattr(client, "close", None)
            if close is not None:
                close()
        vectors = dict(zip(sample["ids"], ([round(float(x), 4) for x in v] for v in sample["embeddings"]), strict=True))
        detail = _detail(count, metadata, configuration, vectors)
        mark = "sha256:" + _hash([identity, detail, ids, vectors])
        label = next((str(metadata[k])[:100] for k in _VERSION_KEYS if metadata.get(k)), f"sha256:{mark[7:15]}")
        return detail, mark, label

    def _client(self, chroma: Any) -> Any:
        settings = library("chromadb.config", _EXTRA).Settings(anonymized_telemetry=False)
        if self.settings.path is not None:
            return chroma.PersistentClient(str(self.settings.path), settings=settings)
        parts = urlsplit(self.settings.url)
        token = self.around.secret(self.settings.token, self._token_place) if self.settings.token else ""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return chroma.HttpClient(
            host=parts.hostname, port=port, ssl=parts.scheme == "https", headers=headers, settings=settings
        )


def _ids(collection: Any, count: int) -> str:
    """Hash of all ids, whatever their order; empty where there are too many to read them at every poll."""
    if count > _MOST_IDS:
        return ""
    ids: list[str] = []
    for offset in range(0, count, _PAGE):
        ids += collection.get(include=[], limit=_PAGE, offset=offset)["ids"]
    return _hash(sorted(ids))


def _detail(
    count: int, metadata: Mapping[str, Any], configuration: Mapping[str, Any], vectors: Mapping[str, list[float]]
) -> dict[str, Any]:
    function = configuration.get("embedding_function") or {}
    inner = function.get("config") or {}
    named = [inner.get("model_name"), inner.get("model"), function.get("name"), *(metadata.get(k) for k in _MODEL_KEYS)]
    index = configuration.get("hnsw") or configuration.get("spann") or {}
    detail: dict[str, Any] = {"documents": count, "sample": _hash(vectors)[:16]}
    model = next((name for name in named if isinstance(name, str) and name), "")
    if model:
        detail["embedding_model"] = model
    if vectors:
        detail["dimension"] = len(next(iter(vectors.values())))
    if index.get("space"):
        detail["space"] = index["space"]
    return detail


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
