"""HTTP mode: signed requests to the app's request URL. https://docs.slack.dev/authentication/verifying-requests-from-slack"""

import asyncio
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp

from triagebot.testing.slack.delivery import Delivery


def signature(secret: str, timestamp: int, body: bytes) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:%d:%s" % (timestamp, body), hashlib.sha256).hexdigest()


class HttpMode:
    """Posts to one URL, as most apps use one for events, slash commands and interactivity.

    The signature's time is the wall clock's, which is what the app checks it against.
    """

    def __init__(self, url: str, signing_secret: str, ack_timeout: float) -> None:
        self.url = url
        self.signing_secret = signing_secret
        self.ack_timeout = ack_timeout
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def deliver(self, delivery: Delivery, retry: tuple[int, str] | None = None) -> None:
        if delivery.kind == "events_api":
            body, content_type = json.dumps(delivery.payload), "application/json"
        elif delivery.kind == "slash_commands":
            body, content_type = urlencode(delivery.payload), "application/x-www-form-urlencoded"
        else:
            body, content_type = (
                urlencode({"payload": json.dumps(delivery.payload)}),
                "application/x-www-form-urlencoded",
            )
        headers = self.headers(body.encode(), content_type)
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        await self.send(delivery, body.encode(), headers)

    def headers(self, body: bytes, content_type: str, age: float = 0) -> dict[str, str]:
        """Signed; `age` in seconds makes a replayed request."""
        now = int(time.time() - age)
        return {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": signature(self.signing_secret, now, body),
        }

    async def send(self, delivery: Delivery, body: bytes, headers: dict[str, str]) -> None:
        """Post as it is: tests use it with headers of their own for replayed and forged requests."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.ack_timeout):
                async with self._session.post(self.url, data=body, headers=headers, allow_redirects=False) as response:
                    raw = await response.text()
                    delivery.status = response.status
        except TimeoutError:
            delivery.error = "operation_timeout"
        except aiohttp.ClientError as error:
            delivery.error = "dispatch_failed"
            delivery.problems.append(f"{type(error).__name__}: {error}")
        else:
            delivery.acked = delivery.status == 200
            delivery.error = None if delivery.acked else "dispatch_failed"
            delivery.body = _parsed(raw, response.headers.get("Content-Type", ""))
        finally:
            delivery.latency = time.monotonic() - started


def _parsed(raw: str, content_type: str) -> Any:
    if content_type.startswith("application/json") and raw:
        return json.loads(raw)
    return raw or None
