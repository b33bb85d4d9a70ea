"""Failures to order: what the next calls of a method meet instead of, or after, being processed."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

ANY: Final = "*"


@dataclass(frozen=True)
class Fault:
    """One of: the service's own error code, a bare HTTP status, no answer at all, a connection that breaks.

    With `processed` the call takes effect first: the answer is what gets lost.
    """

    error: str | None = None
    http_status: int | None = None
    timeout: bool = False
    disconnect: bool = False
    processed: bool = False
    retry_after: int = 30


class Faults:
    def __init__(self) -> None:
        self._next: dict[str, deque[Fault]] = defaultdict(deque)

    def add(self, method: str, fault: Fault, times: int = 1) -> None:
        chosen = [bool(fault.error), bool(fault.http_status), fault.timeout, fault.disconnect]
        if sum(chosen) != 1:
            raise ValueError("choose one of error, http_status, timeout and disconnect")
        self._next[method].extend([fault] * times)

    def take(self, method: str) -> Fault | None:
        """The fault ordered for this method, for a prefix of it that ends in a slash, or for any."""
        for name, waiting in self._next.items():
            if waiting and (name in (method, ANY) or (name.endswith("/") and method.startswith(name))):
                return waiting.popleft()
        return None

    def clear(self) -> None:
        self._next.clear()
