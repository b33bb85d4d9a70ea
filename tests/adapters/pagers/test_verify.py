"""Signatures and tokens: what is right passes, everything else is refused with a line that gives nothing away."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.pagers.pagerduty import Signature
from triagebot.adapters.pagers.verify import BearerOrHmac, grafana
from triagebot.errors import Refused

VECTOR = Path(__file__).parents[4] / "shared/realdata/payloads/pagerduty/webhook_v3_signed_test_vector.json"
NOW = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
BODY = b'{"event": {"id": "1"}}'


def sign(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.skipif(not VECTOR.exists(), reason="the real payloads are not beside this repository")
def test_the_published_vector_verifies_byte_exact() -> None:
    vector = json.loads(VECTOR.read_text())
    check = Signature((vector["test_signing_value"],))
    headers = {"X-PagerDuty-Signature": vector["X-PagerDuty-Signature"]}
    check.check(headers, vector["body"].encode(), NOW)
    with pytest.raises(Refused):
        check.check(headers, vector["body"].encode() + b" ", NOW)
    with pytest.raises(Refused):
        check.check(headers, json.dumps(json.loads(vector["body"])).encode(), NOW)


@pytest.mark.parametrize("configured", [("old", "new"), ("new", "old"), ("new",)])
def test_any_secret_and_any_signature_of_the_list_will_do(configured: tuple[str, ...]) -> None:
    header = f"v1={sign('unknown', BODY)}, v1={sign('new', BODY)}"
    Signature(configured).check({"x-pagerduty-signature": header}, BODY, NOW)


@pytest.mark.parametrize("value", ["", "v1=", "v1=zz", "v0=" + sign("s", BODY), sign("s", BODY), "v1=ünïcode", ",,,"])
def test_a_wrong_signature_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="X-PagerDuty-Signature"):
        Signature(("s",)).check({"x-pagerduty-signature": value}, BODY, NOW)


def test_without_a_secret_nothing_passes() -> None:
    with pytest.raises(Refused, match="no PagerDuty webhook secret"):
        Signature(()).check({"x-pagerduty-signature": "v1=" + sign("", BODY)}, BODY, NOW)
    with pytest.raises(Refused, match="no token or secret"):
        BearerOrHmac(name="generic").check({"authorization": "Bearer "}, BODY, NOW)


generic = BearerOrHmac(name="generic", tokens=("t1", "t2"), secrets=("s1", "s2"))


def test_either_token_or_secret_will_do() -> None:
    generic.check({"authorization": "Bearer t2"}, BODY, NOW)
    stamp = str(int(NOW.timestamp()))
    signature = sign("s2", stamp.encode() + b"." + BODY)
    generic.check({"X-Triagebot-Signature": f"v1={signature}", "X-Triagebot-Timestamp": stamp}, BODY, NOW)


@pytest.mark.parametrize("token", ["", "t1", "Bearer t3", "Bearer t1 ", "Basic t1", "bearer"])
def test_a_wrong_token_is_refused(token: str) -> None:
    with pytest.raises(Refused) as caught:
        generic.check({"authorization": token}, BODY, NOW)
    assert "t1" not in str(caught.value)


@pytest.mark.parametrize(("minutes", "passes"), [(0, True), (-4, True), (4, True), (-6, False), (6, False)])
def test_a_signature_is_good_for_five_minutes(minutes: int, *, passes: bool) -> None:
    stamp = str(int((NOW + timedelta(minutes=minutes)).timestamp()))
    headers = {"x-triagebot-signature": sign("s1", f"{stamp}.".encode() + BODY), "x-triagebot-timestamp": stamp}
    if passes:
        generic.check(headers, BODY, NOW)
    else:
        with pytest.raises(Refused, match="replay"):
            generic.check(headers, BODY, NOW)


def test_a_timestamp_cannot_be_dropped_changed_or_invented() -> None:
    stamp = str(int(NOW.timestamp()))
    signature = sign("s1", f"{stamp}.".encode() + BODY)
    for headers in (
        {"x-triagebot-signature": signature},
        {"x-triagebot-signature": signature, "x-triagebot-timestamp": str(int(stamp) + 1)},
        {"x-triagebot-signature": signature, "x-triagebot-timestamp": "soon"},
        {"x-triagebot-signature": sign("s1", BODY)},
    ):
        with pytest.raises(Refused):
            generic.check(headers, BODY, NOW)


def test_grafana_signs_the_body_or_timestamp_colon_body() -> None:
    check = grafana((), ("s",))
    check.check({"X-Grafana-Alerting-Signature": sign("s", BODY)}, BODY, NOW)
    stamp = str(int(NOW.timestamp()))
    headers = {"x-grafana-alerting-signature": sign("s", f"{stamp}:".encode() + BODY)}
    check.check(headers | {"x-grafana-alerting-timestamp": stamp}, BODY, NOW)
    with pytest.raises(Refused):
        check.check(headers, BODY, NOW)


@given(st.dictionaries(st.sampled_from(["authorization", "x-triagebot-signature", "x-triagebot-timestamp"]), st.text()))
def test_no_header_raises_anything_but_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refused):
        generic.check(headers, BODY, NOW)
