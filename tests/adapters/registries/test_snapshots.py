"""A folder of dated tool lists."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.registries.support import DAY, HOUR, PLACE, T0, WINDOW, opened
from triagebot.adapters.registries.filetimes import time_in_name
from triagebot.domain.times import Window, parse_time
from triagebot.errors import BadConfig, SourceFailed

RELEASES = Path(__file__).parents[4] / "shared/realdata/mcp_tool_schemas/github_mcp_server_releases.jsonl.gz"


def tool(name: str, **parameters: dict) -> dict:
    return {"name": name, "description": name, "inputSchema": {"type": "object", "properties": parameters}}


LIST = [tool("search", q={"type": "string"}), tool("close")]


def write(folder: Path, at: datetime, tools: object) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(tools))
    return file


def snapshots(root: Path, **options: object):
    return opened("snapshots", root, "tool_schemas", "desk-mcp", path="lists", **options)


async def test_a_list_that_changed_in_meaning_is_a_change_between_two_looks(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    write(folder, T0, {"tools": LIST})
    write(folder, T0 + HOUR, {"tools": [LIST[1], {**LIST[0], "title": "Search"}]})
    write(folder, T0 + 2 * HOUR, {"tools": [tool("search", query={"type": "string"})]})

    (change,) = await snapshots(tmp_path, source="mcp tools/list").history(WINDOW)

    assert (change.introduced.earliest, change.introduced.latest) == (T0 + HOUR, T0 + 2 * HOUR)
    assert change.source == "mcp tools/list"
    assert {(d["kind"], d["tool"]) for d in change.detail["diff"]} >= {
        ("tool_removed", "close"),
        ("parameter_removed", "search"),
    }
    assert change.before.startswith("sha256:")


async def test_vanished_and_back_is_two_changes(tmp_path: Path) -> None:
    for hours, tools in enumerate((LIST, LIST[:1], LIST)):
        write(tmp_path / "lists", T0 + hours * HOUR, tools)

    gone, back = await snapshots(tmp_path).history(WINDOW)

    assert (gone.summary, back.summary) == ("close removed", "close added")
    assert back.detail["back_to"]["label"] == gone.before


async def test_the_list_before_the_window_is_where_it_starts_from(tmp_path: Path) -> None:
    write(tmp_path / "lists", T0 - 90 * DAY, LIST)
    write(tmp_path / "lists", T0, LIST[:1])
    write(tmp_path / "lists", T0 + 90 * DAY, [])
    registry = snapshots(tmp_path)

    (change,) = await registry.history(WINDOW)
    assert change.introduced.earliest == T0 - 90 * DAY
    assert [o.observed_at for o in await registry.past(WINDOW)] == [T0]
    assert await registry.history(Window(T0 + DAY, T0 + 2 * DAY)) == []


async def test_it_shows_the_newest_list_of_the_time(tmp_path: Path) -> None:
    write(tmp_path / "lists", T0, {"serverInfo": {"name": "desk", "version": "1.4.2"}, "tools": LIST})
    write(tmp_path / "lists", T0 + DAY, LIST[:1])
    registry = snapshots(tmp_path)

    (seen,) = await registry.observe(T0 + HOUR)
    assert (seen.observed_at, seen.label, seen.detail["tools"]) == (T0 + HOUR, "1.4.2", 2)
    assert seen.detail["taken_at"] == "2026-09-01T12:00:00Z"
    assert list(await registry.observe(T0 - HOUR)) == []


async def test_what_cannot_be_read_is_told_and_left_out_until_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    write(folder, T0, LIST)
    half = write(folder, T0 + HOUR, LIST[:1])
    whole = half.read_text()
    half.write_text(whole[: len(whole) // 2])
    (folder / "undated.json").write_text(json.dumps(LIST))
    write(folder, T0 + 2 * HOUR, {"tools": "none"})
    registry = snapshots(tmp_path)

    (seen,) = await registry.observe(T0 + DAY)
    assert seen.detail["tools"] == 2
    assert seen.detail["skipped"] == [
        "20260901T130000Z.json: is not JSON, perhaps half written",
        "20260901T140000Z.json: no list of tools in it",
        "undated.json: no date in its name or content",
    ]
    assert "skipped" in await registry.probe()

    half.write_text(whole)
    os.utime(half, (1, 1))
    assert [c.summary for c in await registry.history(WINDOW)] == ["close removed"]


async def test_no_folder_and_no_list_are_told_by_doctor(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="No such file"):
        await snapshots(tmp_path).probe()
    (tmp_path / "lists").mkdir()
    with pytest.raises(SourceFailed, match="holds no dated tool list"):
        await snapshots(tmp_path).probe()


def test_a_mistake_in_its_settings_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as error:
        opened("snapshots", tmp_path, folder="x", path="y")
    assert str(error.value) == f"{PLACE}.folder: is not a setting here; it can be path, source"


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("20260909T220219Z.json", "2026-09-09T22:02:19Z"),
        ("20260228T021547.json", "2026-02-28T02:15:47Z"),
        ("2026-09-13T02-54-15+00-00_regression-133_3b1f8f7b68ab.json", "2026-09-13T02:54:15Z"),
        ("2026-09-13T02-54-15+02-00_x.eval", "2026-09-13T00:54:15Z"),
        ("results_2026-02-16T02-08-51.000000.json", "2026-02-16T02:08:51Z"),
        ("results_2026-02-16T02-08-51.250000.json", "2026-02-16T02:08:51.25Z"),
        ("tools-2026-02-16.json", "2026-02-16T00:00:00Z"),
        ("20260216_0208.json", "2026-02-16T02:08:00Z"),
        ("20261399.json", None),
        ("v1.2.3.json", None),
        ("123456789012345.json", None),
    ],
)
def test_times_in_names(name: str, at: str | None) -> None:
    assert time_in_name(name) == (parse_time(at) if at else None)


@settings(deadline=None)
@given(st.integers(631152000, 3786912000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_a_time_that_was_written_into_a_name_is_read_from_it(at: datetime) -> None:
    assert time_in_name(f"x_{at:%Y%m%dT%H%M%SZ}.json") == at
    assert time_in_name(f"{at:%Y-%m-%dT%H-%M-%S}+00-00_y.json") == at


@settings(deadline=None)
@given(st.text(alphabet="0123456789-T:Z+._ ", max_size=40))
def test_no_name_breaks_the_reader(name: str) -> None:
    at = time_in_name(name)
    assert at is None or at.tzinfo is UTC


@pytest.mark.skipif(not RELEASES.exists(), reason="../shared/realdata/mcp_tool_schemas is not there")
async def test_releases_of_a_real_server(tmp_path: Path) -> None:
    """69 releases: 44 changed what tools/list means, and 31 tools vanished for one release and came back."""
    folder = tmp_path / "lists"
    folder.mkdir()
    with gzip.open(RELEASES, "rt") as lines:
        for number, line in enumerate(lines):
            (folder / f"{number:03}.json").write_text(line)
    registry = snapshots(tmp_path)
    window = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))

    told = await registry.history(window)
    back = [c for c in told if "back_to" in c.detail and c.after == "v0.24.0"]

    assert len(told) == 44
    (gone,) = [c for c in told if c.after == "v0.23.0"]
    assert sum(d["kind"] == "tool_removed" for d in gone.detail["diff"]) == 31
    assert back[0].detail["back_to"]["label"] == "v0.23.0-gosdk"
    assert (await registry.probe()).startswith("69 tool lists")


async def test_the_list_of_a_version_by_label_and_time(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    write(folder, T0, {"version": "1.0", "tools": LIST})
    write(folder, T0 + HOUR, {"version": "1.1", "tools": LIST[:1]})
    registry = snapshots(tmp_path)

    assert json.loads(await registry.content("1.0")) == LIST
    assert json.loads(await registry.content("1.1")) == LIST[:1]
    assert await registry.content("0.9") is None
    assert json.loads(await registry.content("", T0 + HOUR / 2)) == LIST
    assert await registry.content("", T0 - HOUR) is None
