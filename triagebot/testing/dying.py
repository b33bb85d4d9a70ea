"""A server that kills itself: `python -m triagebot.testing.dying serve …`, for tests of what a restart finds.

TRIAGEBOT_TESTING_DIE_AT is `method:n`: right after the n-th call of that method of the ledger or the chat came back, the process
gets SIGKILL. What the method did stays done; nobody hears of it.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from triagebot.adapters.chat.slack import SlackChat
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.entrypoints.cli import main

VARIABLE = "TRIAGEBOT_TESTING_DIE_AT"


def die_after(owner: type, method: str, nth: int) -> None:
    """Replaces the method by one that kills the process."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, method)
    calls = 0

    @functools.wraps(original)
    async def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        result = await original(*arguments, **named)
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, dying)


if __name__ == "__main__":
    wanted, _, number = os.environ.get(VARIABLE, "").partition(":")
    if wanted:
        die_after(SqlLedger if hasattr(SqlLedger, wanted) else SlackChat, wanted, int(number or 1))
    sys.exit(main())
