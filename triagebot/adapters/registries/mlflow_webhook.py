"""MLflow's registry webhooks: the only place where it says that an alias moved.
https://mlflow.org/docs/latest/ml/webhooks/ (signed as https://www.standardwebhooks.com has it)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from triagebot.domain.times import parse_time
from triagebot.errors import BadInput, Refused

_REPLAY: Final = timedelta(minutes=5)
_LONGEST: Final = 300
_ENTITIES: Final = (
    "prompt",
    "prompt_version",
    "prompt_alias",
    "registered_model",
    "model_version",
    "model_version_alias",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowEvent:
    """`entity` and `action` as MLflow names them (`prompt_alias`, `created`); `alias` and `version` where it has them."""

    entity: str
    action: str
    at: datetime
    name: str
    alias: str = ""
    version: str = ""
    delivery: str = ""


def verify_mlflow(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now: datetime) -> None:
    """Raises Refused unless one of the secrets signed this body within the last five minutes. Header names in any case."""
    if not secrets:
        raise Refused("no secret is configured for MLflow webhooks (mlflow.secrets)")
    given = {name.lower(): value for name, value in headers.items()}
    delivery, sent = given.get("x-mlflow-delivery-id", ""), given.get("x-mlflow-timestamp", "")
    if not sent.isascii() or not sent.isdigit() or abs(now.timestamp() - int(sent[:12])) > _REPLAY.total_seconds():
        raise Refused("MLflow webhook: its timestamp is missing or more than five minutes off")
    signed = f"{delivery}.{sent}.".encode() + body
    told = [part.partition(",") for part in given.get("x-mlflow-signature", "").split()]
    signatures = [signature.encode() for version, _, signature in told if version == "v1"]
    right = False
    for secret in secrets:
        expected = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))
        for signature in signatures:
            right |= hmac.compare_digest(expected, signature)
    if not right:
        raise Refused("MLflow webhook: the signature is missing or wrong")


def parse_mlflow(headers: Mapping[str, str], body: bytes) -> MlflowEvent | None:
    """The event, None for kinds that concern no artifact (budgets). Raises BadInput."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadInput("MLflow webhook: is not JSON") from error
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise BadInput("MLflow webhook: has no `data`")
    if event.get("entity") not in _ENTITIES:
        return None
    data, stamp = event["data"], event.get("timestamp")
    try:
        at = parse_time(stamp if isinstance(stamp, str) else "")
    except (ValueError, OverflowError) as error:
        raise BadInput(f"MLflow webhook: timestamp: {str(error)[:100]}") from error
    name = _text(data, "name")
    if not name:
        raise BadInput("MLflow webhook: data.name is missing")
    given = {key.lower(): value for key, value in headers.items()}
    return MlflowEvent(
        entity=event["entity"],
        action=_text(event, "action"),
        at=at,
        name=name,
        alias=_text(data, "alias"),
        version=_text(data, "version"),
        delivery=given.get("x-mlflow-delivery-id", "")[:_LONGEST],
    )


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    return text[:_LONGEST] if isinstance(text, str) else ""
