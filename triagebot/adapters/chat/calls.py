"""Calls of Slack's Web API: one attempt after another, and Slack's answers as our errors."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from triagebot.errors import NotFound, SourceFailed, SourceTimeout

log = logging.getLogger(__name__)

TRIES: Final = 4
# https://docs.slack.dev/reference/methods/chat.postMessage#errors and the lists of the other methods
_TOKEN: Final = frozenset(
    (
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "invalid_auth",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    )
)
_PASSING: Final = frozenset(("fatal_error", "internal_error", "request_timeout", "rollup_error", "service_unavailable"))
_GONE: Final = frozenset(("message_not_found", "edit_window_closed", "cant_update_message", "thread_not_found"))
TOO_MUCH: Final = frozenset(("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"))


class AnswerLost(SourceTimeout):
    """The call went out and no answer came back: Slack may have done it or not."""


class Declined(SourceFailed):
    """Slack's own answer. `code` is its error code."""

    def __init__(self, method: str, code: str, message: str, *, permanent: bool = True) -> None:
        super().__init__(f"Slack: {method}: {message}", permanent=permanent)
        self.code = code


class Calls:
    """`once` makes one attempt; `safely` repeats calls that may be repeated. Both wait as long as Slack asks, up to `patience`.

    slack_sdk's own retries are off: they send a message again after a broken connection, which posts it twice.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        patience: float = 60.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        client.retry_handlers = []
        self.client = client
        self._patience, self._sleep = patience, sleep
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def session(self) -> aiohttp.ClientSession:
        """One pool of connections for all calls; slack_sdk opens one for each unless it is given a session."""
        if self._closed:
            raise SourceFailed("Slack: triagebot is stopping")
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.client.timeout))
            self.client.session = self._session
        return self._session

    async def safely(self, method: str, **arguments: Any) -> dict[str, Any]:
        """A call that does no harm when Slack does it twice."""
        waited, error = 0.0, SourceFailed("")
        for attempt in range(TRIES):
            try:
                return await self.once(method, **arguments)
            except SourceFailed as failed:
                wait = failed.retry_after or 0.5 * 2**attempt
                if failed.permanent or self._closed or attempt == TRIES - 1 or waited + wait > self._patience:
                    raise
                error, waited = failed, waited + wait
                log.info("%s; again in %.1f s", error, wait)
            await self._sleep(wait)
        raise error

    async def once(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Raises AnswerLost where Slack may have done it, SourceFailed with `retry_after` where it said to wait."""
        self.session()
        call = getattr(self.client, method.replace(".", "_"))
        try:
            response = await call(**arguments)
        except SlackApiError as error:
            raise _failure(method, error) from error
        except TimeoutError as error:
            raise AnswerLost(f"Slack: {method}: no answer within {self.client.timeout} s") from error
        except aiohttp.ClientConnectorError as error:
            raise SourceFailed(f"Slack: {method}: cannot connect: {error}") from error
        except (aiohttp.ClientError, OSError, SlackClientError) as error:
            raise AnswerLost(f"Slack: {method}: the connection broke: {error or type(error).__name__}") from error
        return response.data if isinstance(response.data, dict) else {}

    async def put(self, url: str, content: bytes) -> None:
        """The bytes of a file to the address that Slack gave for them."""
        try:
            # As a file: aiohttp warns of blocking when it is given more than a megabyte of bytes.
            async with self.session().post(url, data=io.BytesIO(content)) as response:
                if response.status != 200:
                    raise SourceFailed(f"Slack: file upload: HTTP {response.status}")
        except TimeoutError as error:
            raise AnswerLost(f"Slack: file upload: no answer within {self.client.timeout} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(f"Slack: file upload: the connection broke: {error}") from error


def _failure(method: str, error: SlackApiError) -> SourceFailed | NotFound:
    response = error.response
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
    data = getattr(response, "data", None)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == 429 or code == "ratelimited":
        headers = {str(k).lower(): v for k, v in getattr(response, "headers", {}).items()}
        return SourceFailed(f"Slack: {method}: rate limited", retry_after=_seconds(headers.get("retry-after")))
    if code in _TOKEN:
        return Declined(method, code, f"the bot token is refused ({code}): install the app again and set the new token")
    if code == "missing_scope":
        needed = data.get("needed", "?") if isinstance(data, dict) else "?"
        return Declined(method, code, f"the app lacks the scope {needed}: install it again from slack-manifest.yaml")
    if code in _GONE:
        return NotFound(f"Slack: {method}: {code}: the message cannot be changed any more")
    if status >= 500 or code in _PASSING or not code:
        # What failed inside of Slack may have been done before it failed.
        return AnswerLost(f"Slack: {method}: {code or f'HTTP {status}'}")
    detail = "; ".join(data.get("errors") or ()) if isinstance(data, dict) else ""
    return Declined(method, code, f"{code}: {detail}" if detail else code)


def _seconds(value: object) -> float:
    try:
        return max(0.0, float(str(value)))
    except ValueError:
        return 1.0
