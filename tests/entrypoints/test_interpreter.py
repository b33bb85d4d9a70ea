"""What a process that serves does to Python."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from triagebot.entrypoints import interpreter


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    switch, threshold = sys.getswitchinterval(), gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(switch)


def test_what_is_loaded_is_left_alone_and_a_storm_starts_no_collection() -> None:
    rest = gc.get_threshold()[1:]
    interpreter.settle()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold() == (interpreter.YOUNG, *rest)
    before = gc.get_stats()[0]["collections"]
    storm: list[list[int]] = [[] for _ in range(interpreter.YOUNG // 2)]
    assert len(storm) == interpreter.YOUNG // 2
    assert gc.get_stats()[0]["collections"] == before
    assert sys.getswitchinterval() == pytest.approx(interpreter.SWITCH)
