"""Where OTLP/HTTP goes: onto the spool before it is acknowledged, from there into the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from triagebot.adapters.traces import wire
from triagebot.adapters.traces.spool import JSON_SUFFIX, SEGMENT, Spool, requests_of
from triagebot.adapters.traces.store import ChdbStore
from triagebot.errors import BadTrace, SourceFailed

logger = logging.getLogger(__name__)

BODY_LIMIT: Final = 32 << 20  # bytes of one request, decompressed
SPOOL_LIMIT: Final = 2 << 30  # bytes that may wait for the store
# Seconds that requests are gathered before they are loaded: a load costs some tenths of a second however little it loads, so
# after one that took t the next waits 5 t, unless a segment is full or someone waits.
_PAUSE: Final = (0.1, 2.0)
_BACKOFF: Final = 60.0


class SpoolSink:
    """A SpanSink. `start` takes up what an earlier process left; `close` leaves nothing half done."""

    def __init__(
        self,
        store: ChdbStore,
        folder: Path,
        *,
        body_limit: int = BODY_LIMIT,
        spool_limit: int = SPOOL_LIMIT,
    ) -> None:
        self._store = store
        self._spool = Spool(folder)
        self._body_limit = body_limit
        self._spool_limit = spool_limit
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._unpack = ThreadPoolExecutor(2, thread_name_prefix="unpack")
        self._waiting: list[tuple[bytes, bool, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._loaded = asyncio.Condition()
        self._pending = sum(segment.stat().st_size for segment in self._spool.segments())
        self._accepted = self._done = 0
        self._fresh = 0
        self._hurry = asyncio.Event()
        self.spans = 0
        self.rejected = 0

    def start(self) -> None:
        """Begins to load, first what is on the spool already."""
        if self._pending:
            self._accepted += 1
            self._arrived.set()
        self._loading = asyncio.create_task(self._load_always())

    async def accept(self, body: bytes, *, content_type: str, encoding: str) -> bytes:
        if self._pending > self._spool_limit:
            raise SourceFailed(f"spool: {self._pending >> 20} MiB wait to be loaded", retry_after=5.0)
        scanned = await asyncio.get_running_loop().run_in_executor(
            self._unpack, _unpacked, body, content_type, encoding, self._body_limit
        )
        if scanned.spans:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((scanned.body, scanned.json, done))
            if self._committing is None or self._committing.done():
                self._committing = asyncio.create_task(self._commit())
            await done
            self.spans += scanned.spans - scanned.rejected
            self.rejected += scanned.rejected
        return wire.answer(scanned)

    async def flush(self) -> None:
        target = self._accepted
        self._hurry.set()
        async with self._loaded:
            await self._loaded.wait_for(lambda: self._done >= target)

    async def close(self) -> None:
        """Waits for what is being written; what is not loaded yet stays on the spool."""
        if self._committing:
            await self._committing
        if self._loading:
            self._loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loading
        await asyncio.get_running_loop().run_in_executor(self._disk, self._spool.cut)
        self._disk.shutdown()
        self._unpack.shutdown()

    async def _commit(self) -> None:
        """Writes everything that waits, one sync for all of it, until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(self._disk, self._spool.append, [(body, json) for body, json, _ in group])
            except SourceFailed as error:
                for _, _, done in group:
                    if not done.done():
                        done.set_exception(SourceFailed(str(error), retry_after=error.retry_after))
                continue
            size = sum(len(body) for body, _, _ in group)
            self._pending += size
            self._fresh += size
            self._accepted += 1
            self._arrived.set()
            if self._fresh >= SEGMENT:
                self._hurry.set()
            for _, _, done in group:
                if not done.done():
                    done.set_result(None)

    async def _load_always(self) -> None:
        failures, pause = 0, _PAUSE[0]
        while True:
            await self._arrived.wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)
            self._arrived.clear()
            self._hurry.clear()
            self._fresh = 0
            target = self._accepted
            started = time.monotonic()
            segments = await asyncio.get_running_loop().run_in_executor(self._disk, self._spool.cut)
            try:
                await self._load_all(segments, patient=failures < 3)
            except SourceFailed as error:
                failures += 1
                logger.warning("%s; trying again", error)
                self._arrived.set()
                await asyncio.sleep(min(_BACKOFF, 2.0**failures / 10))
                continue
            failures = 0
            pause = min(_PAUSE[1], max(_PAUSE[0], 5 * (time.monotonic() - started)))
            async with self._loaded:
                self._done = target
                self._loaded.notify_all()
            if not self._arrived.is_set():
                await self._store.give_back()

    async def _load_all(self, segments: Sequence[Path], *, patient: bool) -> None:
        """Two at a time, as the store takes them. Raises SourceFailed once all have been tried."""
        waiting = iter(segments)

        async def work() -> None:
            for segment in waiting:
                await self._load(segment, patient=patient)

        done = await asyncio.gather(work(), work(), return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _load(self, segment: Path, *, patient: bool) -> None:
        """Loads one segment and removes it; a request in it that cannot be read is set aside.

        An error that is not about a request's form is tried again as a whole, and after a while (not `patient`) as if it were.
        """
        size = segment.stat().st_size
        try:
            await self._store.load(segment, json=segment.suffix == JSON_SUFFIX, token=segment.name)
        except BadTrace:
            await self._salvage(list(requests_of(segment)), segment)
        except SourceFailed:
            if patient or not await self._store.works():
                raise
            await self._salvage(list(requests_of(segment)), segment)
        self._spool.remove(segment)
        self._pending -= size

    async def _salvage(self, bodies: list[bytes], segment: Path) -> None:
        """Loads halves, and halves of halves, until the requests that cannot be loaded stand alone."""
        part = self._spool.part(bodies, segment)
        try:
            await self._store.load(part, json=segment.suffix == JSON_SUFFIX)
        except (BadTrace, SourceFailed) as error:
            if not await self._store.works():
                raise
            if len(bodies) == 1:
                logger.warning("spool: set aside a request that cannot be loaded: %s", error)
                self._spool.reject(bodies[0], segment)
                return
            await self._salvage(bodies[: len(bodies) // 2], segment)
            await self._salvage(bodies[len(bodies) // 2 :], segment)
        finally:
            part.unlink(missing_ok=True)


def _unpacked(body: bytes, content_type: str, encoding: str, limit: int) -> wire.Scanned:
    return wire.scan(wire.decompressed(body, encoding, limit), content_type)
