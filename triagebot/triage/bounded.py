"""Long computing beside the event loop that ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

# Computing holds the interpreter's lock: more at once are not done sooner, and the event loop, which answers people, would wait
# for its turn behind each of them. Two, so that one without an end does not keep the others from being computed.
AT_ONCE: Final = 2
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class Abandoned(BaseException):
    """Raised inside a computation that nobody waits for: not an Exception, so that nothing in it catches it."""


async def bounded(function: Callable[..., T], *given: Any, **named: Any) -> T:
    """The function's result, computed on a thread of its own once fewer than AT_ONCE others are.

    Where the caller is cancelled, a walk past its limit, the computation is stopped at its next line of Python: a thread that
    went on would keep a core from the walks after it, and `asyncio.to_thread` has few.
    """
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)):
        return await _computed(partial(function, *given, **named))


async def _computed(function: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]  # a result where there is no error
        else:
            done.set_exception(error)

    def run() -> None:
        result, failed = None, None
        try:
            result = function()
        except Abandoned:
            return
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    thread = threading.Thread(target=run, name="compute", daemon=True)
    thread.start()
    try:
        return await done
    except asyncio.CancelledError:
        if thread.is_alive() and thread.ident is not None:
            # https://docs.python.org/3/c-api/init.html#c.PyThreadState_SetAsyncExc
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Abandoned))
        raise
