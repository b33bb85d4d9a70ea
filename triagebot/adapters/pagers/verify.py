"""Who sent it: a bearer token, or an HMAC over the raw body, for senders that are not PagerDuty or Slack."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from triagebot.adapters.pagers.fields import header
from triagebot.errors import Refused

REPLAY_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerOrHmac:
    """`Authorization: Bearer <token>` or a hex HMAC-SHA256 in `signature_header`, by any of several tokens or secrets.

    With a timestamp (seconds since the epoch) in `timestamp_header` the signature is over `<timestamp><separator><body>`, and
    is refused when it is older or newer than `replay_seconds`. Grafana sends none unless a timestamp header is configured;
    with `timestamp_required` False a signature over the body alone is then enough, and a replay is caught by the event's id.
    """

    name: str
    tokens: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    signature_header: str = "x-triagebot-signature"
    timestamp_header: str = "x-triagebot-timestamp"
    separator: str = "."
    timestamp_required: bool = True
    replay_seconds: int = REPLAY_SECONDS

    def check(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Raises Refused with what is wrong, never with what would have been right."""
        if not self.tokens and not self.secrets:
            raise Refused(f"no token or secret is configured for {self.name} webhooks")
        signature = header(headers, self.signature_header)
        if signature and self.secrets:
            self._check_signature(signature, header(headers, self.timestamp_header), body, now)
            return
        given = header(headers, "authorization").encode()
        if not self.tokens or not given:
            raise Refused(f"{self.name}: no {self.signature_header} or Authorization header that could be checked")
        matches = False
        for token in self.tokens:
            matches |= hmac.compare_digest(b"Bearer " + token.encode(), given)
        if not matches:
            raise Refused(f"{self.name}: the bearer token is not one of those configured")

    def _check_signature(self, signature: str, timestamp: str, body: bytes, now: datetime) -> None:
        signed = body
        if timestamp:
            if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
                raise Refused(f"{self.name}: {self.timestamp_header} is not a number of seconds since the epoch")
            signed = timestamp.encode() + self.separator.encode() + body
        elif self.timestamp_required:
            raise Refused(f"{self.name}: {self.timestamp_header} is missing")
        given = signature.strip().removeprefix("v1=").removeprefix("sha256=").lower().encode()
        matches = False
        for secret in self.secrets:
            matches |= hmac.compare_digest(hmac.digest(secret.encode(), signed, "sha256").hex().encode(), given)
        if not matches:
            raise Refused(f"{self.name}: {self.signature_header} does not match the body with any configured secret")
        # Only now: a stranger learns nothing about this clock.
        if timestamp and abs(now.timestamp() - int(timestamp)) > self.replay_seconds:
            raise Refused(f"{self.name}: signed more than {self.replay_seconds} s ago or ahead, so it may be a replay")


def grafana(tokens: tuple[str, ...], secrets: tuple[str, ...]) -> BearerOrHmac:
    """Grafana's own header names: a hex HMAC over the body, or over `timestamp:body` once a timestamp header is configured."""
    return BearerOrHmac(
        name="grafana",
        tokens=tokens,
        secrets=secrets,
        signature_header="x-grafana-alerting-signature",
        timestamp_header="x-grafana-alerting-timestamp",
        separator=":",
        timestamp_required=False,
    )
