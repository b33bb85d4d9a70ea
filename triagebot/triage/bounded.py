"""Long computing beside the event loop that ends when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Abandoned(BaseException):
    """Raised inside a computation that nobody waits for: not an Exception, so that nothing in it catches it."""


async def bounded(function: Callable[..., T], *given: Any) -> T:
    """The function's result, computed on a thread of its own.

    Where the caller is cancelled, a walk past its limit, the computation is stopped at its next line of Python: a thread that
    went on would keep a core from the walks after it, and `asyncio.to_thread` has few.
    """
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
            result = function(*given)
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
