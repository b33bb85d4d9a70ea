"""How much of what was freed the process keeps."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Final

_ARENAS: Final = 2
_ARENA_MAX: Final = -8  # M_ARENA_MAX of malloc.h


def few_arenas() -> None:
    """Has glibc serve all threads from two arenas instead of eight a core, each of which keeps what was freed in it: every walk
    computes on a thread of its own, and a quarter of a server's memory was arrays of walks that had ended. Other allocators
    are left as they are. Before threads are started.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)
