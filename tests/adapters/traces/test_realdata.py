"""Traces of twenty frameworks and OpenInference's fixtures, as they were really emitted, against what Langfuse made of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.adapters.traces import realdata
from triagebot.adapters.traces import normalise
from triagebot.adapters.traces.store import ChdbStore
from triagebot.testing import otlp

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not realdata.FOLDER.is_dir(), reason=f"real traces are not at {realdata.FOLDER}"),
]

LANGFUSE = sorted(realdata.FOLDER.glob("langfuse_*.json"))
OPENINFERENCE = [
    file
    for file in sorted(realdata.FOLDER.glob("openinference_*.json"))
    if "capture-results" not in file.name and "by-operation" not in file.name
]
# Langfuse calls the AI SDK's outer span a generation as well: read so, every call would count twice.
_OURS = {"GENERATION": {"llm", "chain"}, "TOOL": {"tool"}, "AGENT": {"agent"}, "EMBEDDING": {"embedding"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spans(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, list[dict[str, Any]]]]:
    """The columns of every span, by file."""
    requests = [otlp.request(realdata.langfuse(file)[0], service=file.stem) for file in LANGFUSE]
    requests += [otlp.request(realdata.openinference(file), service=file.stem) for file in OPENINFERENCE]
    path = Path(tmp_path_factory.mktemp("real")) / "all.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, requests)))
    store = await ChdbStore.in_memory()
    await store.load(path, json=True)
    names = [name for name in normalise.column_names() if name not in ("attributes", "resource", "at")]
    query = f"SELECT {', '.join(map(normalise.direct, names))} FROM otel_traces ORDER BY trace_id"
    rows: dict[str, list[dict[str, Any]]] = {file.stem: [] for file in (*LANGFUSE, *OPENINFERENCE)}
    for row in (await store.ask(query, {})).to_pylist():
        rows[row["service"]].append(row)
    yield rows
    await store.close()


@pytest.mark.parametrize("file", LANGFUSE, ids=lambda file: file.name.split("_")[1].split(".")[0])
async def test_frameworks(spans: dict[str, list[dict[str, Any]]], file: Path) -> None:
    _, observations = realdata.langfuse(file)
    assert len(spans[file.stem]) == len(observations)
    for row, seen in zip(spans[file.stem], observations, strict=True):
        if seen["type"] in _OURS:
            assert row["op"] in _OURS[seen["type"]], row["name"]
        if row["op"] == "llm":
            assert seen["model"] in (row["model_requested"], row["model_served"]) or row["model_served"].startswith(
                seen["model"]
            )
            for column, member in (("input_tokens", "input"), ("output_tokens", "output")):
                if row[column] is not None:
                    assert row[column] == seen["usageDetails"][member]
        if row["op"] == "tool":
            assert row["tool_name"]


async def test_most_of_what_models_did_is_there(spans: dict[str, list[dict[str, Any]]]) -> None:
    calls = [row for rows in spans.values() for row in rows if row["op"] == "llm"]
    assert len(calls) > 35
    for column, share in (("provider", 0.9), ("finish_reason", 0.5), ("output_recorded", 0.5), ("tools_hash", 0.3)):
        assert sum(bool(row[column]) for row in calls) / len(calls) >= share, column
    for row in calls:
        assert not row["output_text"].lstrip().startswith(('[{"role"', '{"role"', '{"choices"', '[{"parts"')), row[
            "name"
        ]


@pytest.mark.parametrize("file", OPENINFERENCE, ids=lambda file: file.stem.removeprefix("openinference_"))
async def test_fixtures(spans: dict[str, list[dict[str, Any]]], file: Path) -> None:
    for row in spans[file.stem]:
        if "tool_execution" in file.stem:
            assert (row["op"], row["tool_name"]) == ("tool", "get_weather")
            assert row["tool_arguments"].startswith("{")
        elif row["op"] == "llm" and "client_span" in file.stem:
            assert row["input_text"] == "Weather in Paris?"
            assert row["output_text"] == "The weather in Paris is currently rainy with a temperature of 57°F."
            assert (row["input_tokens"], row["output_tokens"]) == (97, 52)
        elif row["op"] == "llm":
            assert row["finish_reason"] == "stop"
            assert row["output_text"]
