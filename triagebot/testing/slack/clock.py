"""Time for the local Slack: anything callable that gives seconds since 1970."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
wall_clock: Clock = time.time


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start: float = 1_780_000_000.0) -> None:
        self._now = start

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
