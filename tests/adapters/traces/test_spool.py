"""The spool on a real disk: whole requests stay, what a crash tore off goes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.traces import spool as spool_module
from triagebot.adapters.traces.spool import Spool, requests_of
from triagebot.errors import SourceFailed

bodies = st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=6)


def kept(folder: Path) -> list[bytes]:
    return [body for segment in Spool(folder).segments() for body in requests_of(segment)]


@given(bodies, st.data())
def test_what_was_whole_is_read_again_after_a_crash(
    tmp_path_factory: pytest.TempPathFactory, requests: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    spool.append([(body, False) for body in requests])
    (segment,) = spool.cut()
    whole = segment.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    segment.write_bytes(whole[:cut])
    found = kept(folder)
    assert found == requests[: len(found)]
    ends = [
        sum(len(piece) for body in requests[: n + 1] for piece in spool_module._record(body, json=False))
        for n in range(len(requests))
    ]
    assert len(found) == sum(end <= cut for end in ends)


def test_json_and_protobuf_have_segments_of_their_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([(b"{}", True), (b"\x0a\x00", False), (b'{"a":1}', True)])
    first, second = spool.cut()
    assert {first.suffix, second.suffix} == {".pb", ".jsonl"}
    assert [list(requests_of(segment)) for segment in (first, second)] == [[b"\x0a\x00"], [b"{}", b'{"a":1}']]


def test_a_torn_json_line_goes(tmp_path: Path) -> None:
    (tmp_path / "000000000001.jsonl").write_bytes(b'{"a":1}\n{"b":')
    (tmp_path / "000000000002.jsonl").write_bytes(b'{"b":')
    assert kept(tmp_path) == [b'{"a":1}']
    assert not (tmp_path / "000000000002.jsonl").exists()


def test_a_new_process_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    Spool(tmp_path).append([(b"one", False)])
    again = Spool(tmp_path)
    again.append([(b"two", False)])
    assert [list(requests_of(segment)) for segment in again.cut()] == [[b"one"], [b"two"]]


def test_segments_grow_side_by_side_and_not_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_SECOND", 100)
    monkeypatch.setattr(spool_module, "SEGMENT", 200)
    spool = Spool(tmp_path)
    for size in (60, 60, 90, 50, 70, 90, 30, 20):
        spool.append([(bytes(size), False)])
    assert [[len(body) for body in requests_of(segment)] for segment in spool.cut()] == [
        [60, 60, 70, 30],
        [90, 50, 90],
        [20],
    ]


def test_a_full_disk_keeps_nothing_of_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    spool.append([(b"before", False)])

    def full(file: int, pieces: list[memoryview]) -> int:
        data = b"".join(pieces)
        if len(data) > 3:
            return os.write(file, data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(SourceFailed, match="No space left") as caught:
        spool.append([(b"does not fit", False)])
    assert caught.value.retry_after
    monkeypatch.undo()
    spool.append([(b"after", False)])
    assert kept(tmp_path) == [b"before", b"after"]


def test_what_the_disk_takes_piece_by_piece_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "writev", lambda file, pieces: os.write(file, b"".join(pieces)[:7]))
    monkeypatch.setattr(spool_module, "_AT_ONCE", 3)
    requests = [bytes([number]) * number for number in range(1, 30)]
    Spool(tmp_path).append([(body, False) for body in requests])
    assert kept(tmp_path) == requests


def test_only_the_newest_rejected_requests_are_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(6):
        spool.reject(str(number).encode(), tmp_path / "1.pb", keep=3)
    assert len(list((tmp_path / "rejected").iterdir())) == 3
