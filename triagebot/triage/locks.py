"""One lock for each thing that is worked on, for as long as somebody works on it."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Locks:
    """Of this process: what two processes must not do at once needs a lease (`worker`)."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """The same lock for everybody who asks for it while it is held or waited for."""
        lock = self._held.get(key)
        if lock is None:
            lock = self._held[key] = asyncio.Lock()
        return lock
