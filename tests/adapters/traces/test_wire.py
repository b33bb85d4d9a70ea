"""OTLP/HTTP bodies: what is taken, what is refused, and the answer."""

import gzip
import json
import zlib
from typing import Any

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.traces import wire
from triagebot.adapters.traces.anyvalue import fields, protobuf_json
from triagebot.errors import BadTrace
from triagebot.testing import otlp

LIMIT = 1 << 16
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ids = st.tuples(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8))


@given(st.binary(max_size=LIMIT), st.sampled_from(["", "gzip", "zstd"]))
def test_what_was_packed_comes_out(body: bytes, encoding: str) -> None:
    packed = {"": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[encoding](body)
    assert wire.decompressed(packed, encoding, LIMIT) == body


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_streams_of_several_members(parts: list[bytes]) -> None:
    assert wire.decompressed(b"".join(map(gzip.compress, parts)), "gzip", LIMIT) == b"".join(parts)
    assert wire.decompressed(b"".join(map(zstandard.compress, parts)), "zstd", LIMIT) == b"".join(parts)


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["gzip", "zstd"]))
def test_noise_is_refused(body: bytes, encoding: str) -> None:
    try:
        wire.decompressed(body, encoding, LIMIT)
    except BadTrace:
        return
    assert body[:2] == b"\x1f\x8b" or body[:4] == b"\x28\xb5\x2f\xfd"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_not_blown_up(encoding: str) -> None:
    bomb = {"gzip": zlib.compressobj(9, zlib.DEFLATED, 31), "zstd": zstandard.ZstdCompressor().compressobj()}[encoding]
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    with pytest.raises(BadTrace, match="larger than 65536 bytes"):
        wire.decompressed(packed, encoding, LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_half_a_stream_is_refused(encoding: str) -> None:
    whole = {"gzip": gzip.compress, "zstd": zstandard.compress}[encoding](bytes(range(256)) * 40)
    with pytest.raises(BadTrace):
        wire.decompressed(whole[: len(whole) // 2], encoding, LIMIT)


def test_other_encodings_and_sizes_are_refused() -> None:
    with pytest.raises(BadTrace, match="deflate"):
        wire.decompressed(b"x", "deflate", LIMIT)
    with pytest.raises(BadTrace, match="larger"):
        wire.decompressed(bytes(LIMIT + 1), "", LIMIT)
    with pytest.raises(BadTrace, match="text/plain"):
        wire.scan(b"", "text/plain")


def spans_of(pairs: list[tuple[bytes, bytes]]) -> list[dict]:
    return [otlp.span(trace.hex(), span.hex(), start=1, end=2, attributes={"a": "b"}) for trace, span in pairs]


@given(st.lists(ids, max_size=5), st.integers(0, 3))
def test_spans_are_counted_and_those_without_ids_rejected(pairs: list[tuple[bytes, bytes]], bad: int) -> None:
    wrong = [(b"", b"12345678"), (bytes(16), b"12345678"), (b"1" * 16, b"123")][:bad]
    request = otlp.request(spans_of(pairs + wrong))
    rejected = bad + sum(not (any(trace) and any(span)) for trace, span in pairs)
    for body, kind in ((otlp.encode(request), wire.PROTOBUF), (orjson.dumps(request), wire.JSON)):
        scanned = wire.scan(body, kind)
        assert (scanned.spans, scanned.rejected) == (len(pairs) + bad, rejected)


def test_ids_are_found_where_they_do_not_come_first() -> None:
    trace, span = otlp._field(1, b"1" * 16), otlp._field(2, b"2" * 8)
    name = otlp._field(5, b"late")
    body = otlp._field(1, otlp._field(2, otlp._field(2, name + span + trace)))
    assert wire.scan(body, wire.PROTOBUF) == wire.Scanned(body=body, json=False, spans=1, rejected=0)


def test_ids_that_a_span_is_too_short_for_are_not_read_from_what_follows() -> None:
    short = otlp._field(1, b"1" * 16) + b"\x12\x08" + b"2" * 3
    for more in (b"", otlp._field(2, otlp.span_bytes(spans_of([(b"1" * 16, b"2" * 8)])[0]))):
        body = otlp._field(1, otlp._field(2, otlp._field(2, short) + more))
        with pytest.raises(BadTrace, match="runs past"):
            wire.scan(body, wire.PROTOBUF)


@given(st.binary(max_size=200))
def test_noise_is_a_bad_trace_or_no_spans(body: bytes) -> None:
    for kind in (wire.PROTOBUF, wire.JSON):
        try:
            scanned = wire.scan(body, kind)
        except BadTrace:
            continue
        assert scanned.spans == scanned.rejected


@given(st.data())
def test_a_cut_request_is_refused(data: st.DataObject) -> None:
    body = otlp.encode(otlp.request(spans_of([(b"1" * 16, b"2" * 8)] * 3)))
    cut = data.draw(st.integers(1, len(body) - 1))
    with pytest.raises(BadTrace):
        wire.scan(body[:cut], wire.PROTOBUF)


@given(values)
def test_json_of_any_shape_never_breaks_the_check(value: object) -> None:
    for shaped in (value, {"resourceSpans": value}, {"resourceSpans": [{"scopeSpans": value}]}):
        try:
            scanned = wire.scan(orjson.dumps(shaped), wire.JSON)
        except BadTrace as error:
            assert "\n" not in str(error)
        else:
            assert scanned.json


def test_json_that_is_not_utf8_is_repaired() -> None:
    body = orjson.dumps(otlp.request(spans_of([(b"1" * 16, b"2" * 8)]))).replace(b'"b"', b'"\xff"')
    assert "\ufffd" in wire.scan(body, wire.JSON).body.decode()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"caf\u00e9 \ud83d\ude00", "café 😀"),
        (r"cut \ud83d", "cut \ufffd"),
        (r"\ude00 tail", "\ufffd tail"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ud83d\n\ude00", "\ufffd\n\ufffd"),
        (r"\\ud83d \ud83d", r"\ud83d " + "\ufffd"),
        (r"\ude00\ude00", "\ufffd\ufffd"),
    ],
)
def test_half_a_surrogate_pair_is_repaired(written: str, read: str) -> None:
    """JavaScript cuts texts in UTF-16 units, and writes what is left of an emoji as an escape."""
    text = orjson.dumps(otlp.request(spans_of([(b"1" * 16, b"2" * 8)]))).decode().replace('"b"', f'"{written}\\ud800"')
    span = orjson.loads(wire.scan(text.encode(), wire.JSON).body)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["attributes"][0]["value"] == {"stringValue": read + "\ufffd"}


@given(st.text())
def test_repairing_leaves_what_is_whole_alone(text: str) -> None:
    written = json.dumps(text.encode("utf-8", "ignore").decode())
    assert json.loads(wire._ESCAPE.sub(wire._whole_pair, written)) == json.loads(written)


@pytest.mark.parametrize(
    ("value", "mended"),
    [
        ({"intValue": "many"}, "many"),
        ({"intValue": "5.0"}, "5.0"),
        ({"intValue": 5.5}, "5.5"),
        ({"intValue": True}, "true"),
        ({"intValue": str(2**64)}, str(2**64)),
        ({"boolValue": "perhaps"}, "perhaps"),
        ({"boolValue": [1]}, "[1]"),
        ({"doubleValue": "1_0"}, "1_0"),
        ({"doubleValue": {"a": 1}}, '{"a":1}'),
        ({"intValue": "-5"}, None),
        ({"intValue": 5}, None),
        ({"boolValue": False}, None),
        ({"doubleValue": "NaN"}, None),
        ({"doubleValue": 1}, None),
        ({"doubleValue": "1e400"}, None),
    ],
)
def test_a_value_that_is_not_what_it_says_becomes_a_text(value: dict[str, Any], mended: str | None) -> None:
    request = otlp.request(spans_of([(b"1" * 16, b"2" * 8)]))
    span = request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span["attributes"] = [{"key": "k", "value": value}]
    found = orjson.loads(wire.scan(orjson.dumps(request), wire.JSON).body)
    (attribute,) = found["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    assert attribute["value"] == (value if mended is None else {"stringValue": mended})
    assert bool(wire.shape_problem(request)) == (mended is not None)


def test_json_nested_beyond_reason_is_refused() -> None:
    deep = b'{"arrayValue":{"values":[' * 150 + b"{}" + b"]}}" * 150
    body = orjson.dumps(otlp.request(spans_of([(b"1" * 16, b"2" * 8)]))).replace(b'{"stringValue":"b"}', deep)
    assert deep in body
    with pytest.raises(BadTrace, match="too deep"):
        wire.scan(body, wire.JSON)


def test_answers() -> None:
    whole, part = (wire.Scanned(body=b"", json=True, spans=3, rejected=n) for n in (0, 2))
    assert wire.answer(whole) == b"{}"
    assert orjson.loads(wire.answer(part))["partialSuccess"]["rejectedSpans"] == "2"
    assert wire.answer(wire.Scanned(body=b"", json=False, spans=3, rejected=0)) == b""
    ((number, partial),) = fields(wire.answer(wire.Scanned(body=b"", json=False, spans=300, rejected=200)))
    assert number == 1
    assert isinstance(partial, bytes)
    assert dict(fields(partial))[1] == 200


@given(values.filter(lambda value: isinstance(value, list | dict)))
def test_nested_values_come_out_as_json(value: list | dict) -> None:
    encoded = otlp._any(otlp.value(value))
    ((number, raw),) = fields(encoded)
    mark = {5: b"A", 6: b"K"}[number]

    def plain(of: object) -> object:
        if isinstance(of, dict):
            return {key: plain(item) for key, item in of.items()}
        if isinstance(of, list):
            return [plain(item) for item in of]
        return "None" if of is None else of

    assert orjson.loads(protobuf_json(mark + raw)) == plain(value)


@given(st.binary(max_size=100))
def test_nested_noise_is_empty_or_json(raw: bytes) -> None:
    for mark in (b"A", b"K"):
        found = protobuf_json(mark + raw)
        assert found == b"" or isinstance(orjson.loads(found), list | dict)


def test_nesting_without_end_is_given_up() -> None:
    deep = b""
    for _ in range(200):
        deep = otlp._field(1, otlp._field(5, deep))
    assert protobuf_json(b"A" + deep) == b""
