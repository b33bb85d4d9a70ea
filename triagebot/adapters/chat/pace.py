"""One message a second in each channel, the most urgent first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class _Lane:
    waiting: list[tuple[bool, int, asyncio.Future[None]]] = field(default_factory=list)
    busy: bool = False
    free_at: float = 0.0


class Pace:
    """Slack takes about one message a second in a channel (https://docs.slack.dev/apis/web-api/rate-limits).

    In a storm an incident's first message goes before the replies of other threads.
    """

    def __init__(
        self,
        interval: float = 1.05,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval, self._now, self._sleep = interval, now, sleep
        self._lanes: dict[str, _Lane] = defaultdict(_Lane)
        self._order = itertools.count()

    @asynccontextmanager
    async def turn(self, channel: str, *, urgent: bool, times: float = 1.0) -> AsyncIterator[None]:
        """Entered when it is this caller's turn to post in the channel. `times` makes the interval after it longer.

        The second counts from the end of the post: a request that was slow to arrive must not meet the next one.
        """
        lane = self._lanes[channel]
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(lane.waiting, (not urgent, next(self._order), admitted))
        self._admit(lane)
        try:
            await admitted
            await self._wait(lane)
            yield
        finally:
            if admitted.done() and not admitted.cancelled():
                lane.busy = False
                lane.free_at = max(lane.free_at, self._now() + self._interval * times)
            self._admit(lane)

    def hold(self, channel: str, seconds: float) -> None:
        """Slack asked to wait this long before the next message there."""
        lane = self._lanes[channel]
        lane.free_at = max(lane.free_at, self._now() + seconds)

    async def _wait(self, lane: _Lane) -> None:
        while (left := lane.free_at - self._now()) > 0:
            await self._sleep(left)

    @staticmethod
    def _admit(lane: _Lane) -> None:
        while lane.waiting and not lane.busy:
            admitted = heapq.heappop(lane.waiting)[2]
            if not admitted.done():
                lane.busy = True
                admitted.set_result(None)
