"""Case folders: every packing, deterministic, nothing left behind, and the line that is wrong is named."""

import gzip
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import zstandard

from triagebot.adapters.traces.casefolder import load_case_traces
from triagebot.domain.times import Window
from triagebot.errors import BadTrace
from triagebot.testing import otlp

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))


def line(number: int) -> bytes:
    at = int(START.timestamp() * 1e9) + number * 10**9
    attributes = {"gen_ai.request.model": "m", "gen_ai.response.finish_reasons": ["stop"]}
    return orjson.dumps(
        otlp.request(
            [otlp.span(f"{number + 1:032x}", "1" * 16, start=at, end=at + 5, attributes=attributes)], service="s"
        )
    )


def fill(folder: Path) -> None:
    (folder / "a.otlp.jsonl").write_bytes(line(0) + b"\n\n" + line(1) + b"\n")
    (folder / "b.otlp.jsonl.gz").write_bytes(gzip.compress(line(2)))
    (folder / "c.otlp.jsonl.zst").write_bytes(zstandard.compress(line(3) + b"\n" + line(4)))
    (folder / "notes.txt").write_text("not traces")


async def test_every_packing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tmp_path / "traces"
    case.mkdir()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    fill(case)
    tables = []
    for _ in range(2):
        store = await load_case_traces(case)
        tables.append(await store.requests(["s"], WINDOW, []))
        query, _ = store.evidence_query(["s"], WINDOW, None, {}, "model_requested")
        tables.append(query)
        await store.close()
    first, text, second, again = tables
    assert first.trace_id == second.trace_id == tuple(f"{number + 1:032x}" for number in range(5))
    assert first.dimensions["finish_reason"].labels == ("stop",)
    assert text == again
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"{", "a.otlp.jsonl.gz line 3: is not JSON"),
        (b"[]", "a.otlp.jsonl.gz line 3: the request is not an object"),
        (b'{"resourceSpans": 7}', "a.otlp.jsonl.gz line 3: resourceSpans"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [7]}]}]}', "a.otlp.jsonl.gz line 3: a member of spans"),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [1]}]}]}]}',
            "a.otlp.jsonl.gz line 3: a member of attributes",
        ),
    ],
)
async def test_the_line_that_is_wrong_is_named(tmp_path: Path, wrong: bytes, says: str) -> None:
    (tmp_path / "a.otlp.jsonl.gz").write_bytes(
        gzip.compress(line(0) + b"\n" + line(1) + b"\n" + wrong + b"\n" + line(2))
    )
    with pytest.raises(BadTrace) as caught:
        await load_case_traces(tmp_path)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("name", ["a.otlp.jsonl.gz", "a.otlp.jsonl.zst"])
async def test_a_file_that_cannot_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b not really")
    with pytest.raises(BadTrace, match=f"{name}: cannot be read"):
        await load_case_traces(tmp_path)


async def test_a_folder_without_traces(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadTrace, match="holds no"):
            await load_case_traces(folder)


def test_pandas_stays_out(tmp_path: Path) -> None:
    """chDB brings pandas along, and Arrow imports it where it is let: a fifth of a second that a verdict does not have."""
    fill(tmp_path)
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from tests.adapters.traces.test_casefolder import WINDOW, load_case_traces\n"
        "async def main():\n"
        "    store = await load_case_traces(Path(sys.argv[1]))\n"
        "    assert len((await store.requests(['s'], WINDOW, [])).at) == 5\n"
        "    await store.close()\n"
        "asyncio.run(main()); sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[3])
