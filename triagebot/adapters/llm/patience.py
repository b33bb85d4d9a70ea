"""Calling a Messages API with bounded patience: how often, how long, and what its errors mean here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import anthropic
import pydantic

from triagebot.errors import SourceFailed, SourceTimeout

T = TypeVar("T")
_AGAIN: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`total` seconds for everything, waits included. A server that asks for more than `longest_wait` is not waited for.

    The SDK's own retries obey any `retry-after` up to weeks, so they are off and this is instead.
    """

    attempts: int = 3
    per_call: float = 60.0
    total: float = 120.0
    longest_wait: float = 20.0
    first_wait: float = 1.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def patiently(call: Callable[[], Awaitable[T]], patience: Patience) -> T:
    """The call's result. Raises SourceFailed or SourceTimeout, with a line that names no prompt text and no key."""
    try:
        async with asyncio.timeout(patience.total):
            return await _attempts(call, patience)
    except TimeoutError as error:
        raise SourceTimeout(f"the language model did not answer within {patience.total:g} s") from error


async def _attempts(call: Callable[[], Awaitable[T]], patience: Patience) -> T:
    for attempt in range(1, patience.attempts + 1):
        try:
            return await call()
        except pydantic.ValidationError as error:
            # messages.parse validates after the answer came: a refusal in words, a cut-off answer and bad JSON all end here.
            raise SourceFailed(
                f"the language model's answer was not the JSON asked for ({error.error_count()} errors)"
            ) from error
        except anthropic.APIStatusError as error:
            wait = retry_after(error)
            hopeless = error.status_code not in _AGAIN
            if hopeless or attempt == patience.attempts or (wait or 0) > patience.longest_wait:
                raise SourceFailed(_said(error), permanent=hopeless, retry_after=wait) from error
        except anthropic.APITimeoutError as error:
            if attempt == patience.attempts:
                raise SourceTimeout(f"the language model did not answer within {patience.per_call:g} s") from error
            wait = None
        except anthropic.APIConnectionError as error:
            if attempt == patience.attempts:
                raise SourceFailed("the language model's API cannot be reached") from error
            wait = None
        except anthropic.AnthropicError as error:
            raise SourceFailed(f"the language model's SDK failed: {type(error).__name__}", permanent=True) from error
        await patience.sleep(
            min(patience.first_wait * 2 ** (attempt - 1), patience.longest_wait) if wait is None else wait
        )
    raise AssertionError("unreachable: the last attempt returns or raises")


def _said(error: anthropic.APIStatusError) -> str:
    kind = error.type or type(error).__name__
    return f"the language model's API answered {error.status_code} ({kind})"


def retry_after(error: anthropic.APIStatusError) -> float | None:
    """Seconds: `retry-after-ms` first, then `retry-after` as a number or as an HTTP date."""
    headers = error.response.headers
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(float(milliseconds) / 1000, 0.0)
        return max(float(headers["retry-after"]), 0.0)
    except KeyError:
        return None
    except ValueError:
        return _until(headers["retry-after"], headers.get("date"))


def _until(when: str, now: str | None) -> float | None:
    """From the response's own date, so that no clock of ours matters."""
    try:
        return max((parsedate_to_datetime(when) - parsedate_to_datetime(now or "")).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
