"""OTLP/HTTP bodies before they are stored: decompressing within limits, a cheap check of their framing, and the answer."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
import zstandard

from triagebot.adapters.traces.anyvalue import fields
from triagebot.errors import BadTrace

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_PIECE: Final = 1024
_IDS: Final = "trace or span id is not valid"
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|.)", re.DOTALL)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity")


@dataclass(frozen=True, slots=True)
class Scanned:
    """A body that can be stored: `body` as the spool wants it, and its spans; `rejected` of them have no valid ids."""

    body: bytes
    json: bool
    spans: int
    rejected: int


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding. Raises BadTrace where it is broken or larger than `limit` bytes."""
    try:
        if encoding == "gzip":
            return _gunzip(body, limit)
        if encoding == "zstd":
            return _unzstd(body, limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise BadTrace(f"the body is not {encoding}: {error}") from error
    if encoding:
        raise BadTrace(f"content encoding {encoding} is not gzip or zstd")
    return _within(body, limit)


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise BadTrace(f"the body is larger than {limit} bytes")
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """Every member of a gzip stream."""
    out = bytearray()
    while body:
        member = zlib.decompressobj(wbits=31)
        out += member.decompress(body, limit + 1 - len(out))
        if len(out) > limit:
            raise BadTrace(f"the body is larger than {limit} bytes")
        if not member.eof:
            raise BadTrace("the body is not whole gzip")
        body = member.unused_data
    return bytes(out)


def _unzstd(body: bytes, limit: int) -> bytes:
    """Every frame of a zstd stream, fed in small pieces: a kilobyte can unfold into 32 megabytes, not into everything."""
    out = bytearray()
    while body:
        frame = zstandard.ZstdDecompressor().decompressobj()
        for start in range(0, len(body), _PIECE):
            out += frame.decompress(body[start : start + _PIECE])
            if len(out) > limit:
                raise BadTrace(f"the body is larger than {limit} bytes")
            if frame.eof:
                body = frame.unused_data + body[start + _PIECE :]
                break
        else:
            raise BadTrace("the body is not whole zstd")
    return bytes(out)


def scan(body: bytes, content_type: str) -> Scanned:
    """Checks that a body is an ExportTraceServiceRequest and counts its spans. Raises BadTrace where it is not one."""
    if content_type == JSON:
        return _scan_json(body)
    if content_type != PROTOBUF:
        raise BadTrace(f"content type {content_type[:60]} is not {PROTOBUF} or {JSON}")
    spans = rejected = 0
    try:
        for start, end in _spans(body):
            spans += 1
            # Every exporter writes the ids first: 16 bytes as field 1, 8 bytes as field 2.
            if (
                body[start : start + 2] == b"\x0a\x10"
                and body[start + 18 : start + 20] == b"\x12\x08"
                and end >= start + 28
            ):
                rejected += body[start + 2 : start + 18] == _NO_TRACE or body[start + 20 : start + 28] == _NO_SPAN
            else:
                trace, span = _ids(body[start:end])
                rejected += not (len(trace) == 16 and len(span) == 8 and any(trace) and any(span))
    except (ValueError, IndexError) as error:
        raise BadTrace(f"the body is not an ExportTraceServiceRequest: {error}") from error
    return Scanned(body=body, json=False, spans=spans, rejected=rejected)


def _ids(span: bytes) -> tuple[bytes, bytes]:
    found = {number: value for number, value in fields(span) if isinstance(value, bytes)}
    return found.get(1, b""), found.get(2, b"")


def _spans(body: bytes) -> Iterator[tuple[int, int]]:
    """Where each Span message begins and ends."""
    for outer in _members(body, 0, len(body), 1):
        for scope in _members(body, *outer, 2):
            yield from _members(body, *scope, 2)


def _members(body: bytes, position: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Bounds of the length-delimited fields with a number, and a check of the framing of all the others."""
    while position < end:
        tag = body[position]
        position += 1
        if tag > 127:
            tag, position = _long(body, position, tag)
        wire = tag & 7
        if wire == 2:
            length = body[position]
            position += 1
            if length > 127:
                more = body[position]  # two bytes are the length of nearly every span: no call for that
                length, position = (
                    (length & 127 | more << 7, position + 1) if more < 128 else _long(body, position, length)
                )
        elif wire == 0:
            while body[position] > 127:
                position += 1
            position, length = position + 1, 0
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if position + length > end:
            raise ValueError("a field runs past its message")
        if tag >> 3 == wanted:
            if wire != 2:
                raise ValueError(f"field {wanted} is not a message")
            yield position, position + length
        position += length


def _long(body: bytes, position: int, first: int) -> tuple[int, int]:
    """The rest of a varint whose first byte has been read."""
    number, shift = first & 127, 7
    while True:
        byte = body[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")


def _scan_json(body: bytes) -> Scanned:
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        # orjson wants UTF-8 and whole surrogate pairs; JavaScript writes half a pair where a text was cut in an emoji. What is
        # not is repaired rather than refused.
        try:
            found = orjson.loads(_ESCAPE.sub(_whole_pair, body.decode("utf-8", "replace")))
        except orjson.JSONDecodeError as error:
            raise BadTrace(f"the body is not JSON: {error}") from error
    if problem := shape_problem(found, mend=True):
        raise BadTrace(f"the body is not an ExportTraceServiceRequest: {problem}")
    spans = rejected = 0
    for resource in found.get("resourceSpans") or ():
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                spans += 1
                rejected += not (_hex(span.get("traceId"), 32) and _hex(span.get("spanId"), 16))
    try:
        return Scanned(body=orjson.dumps(found), json=True, spans=spans, rejected=rejected)
    except orjson.JSONEncodeError as error:
        raise BadTrace(f"the body is nested too deep: {error}") from error


def _whole_pair(escape: re.Match[str]) -> str:
    """A JSON escape as it stands, or the replacement character for half of a surrogate pair."""
    first, second = (int(unit, 16) if unit else 0 for unit in escape.groups())
    if 0xD800 <= first < 0xDC00 and 0xDC00 <= second < 0xE000:
        return escape[0]
    return "".join(
        "\\ufffd" if 0xD800 <= unit < 0xE000 else text
        for unit, text in ((first, escape[0][:6]), (second, escape[0][6:]))
    )


def _hex(value: Any, length: int) -> bool:
    if not isinstance(value, str) or len(value) != length:
        return False
    try:
        return int(value, 16) != 0
    except ValueError:
        return False


def shape_problem(found: Any, *, mend: bool = False) -> str:
    """What keeps a JSON value from being an export request; '' where it is one.

    `mend` makes a text of an attribute's value that is not what it says it is: the engine would refuse all the file for it.
    """
    try:
        for resource in _listed(_object(found, "the request"), "resourceSpans"):
            _attributes(_object(resource.get("resource") or {}, "resource"), "resource", mend=mend)
            for scope in _listed(resource, "scopeSpans"):
                _object(scope.get("scope") or {}, "scope")
                for span in _listed(scope, "spans"):
                    _object(span.get("status") or {}, "status")
                    _attributes(span, "span", mend=mend)
                    for name in ("events", "links"):
                        for item in _listed(span, name):
                            _attributes(item, name, mend=mend)
    except _ShapeError as error:
        return str(error)
    return ""


class _ShapeError(Exception):
    """What is wrong with the shape of a JSON value."""


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _ShapeError(f"{name} is not an object")
    return value


def _listed(of: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = of.get(name) or []
    if not isinstance(value, list):
        raise _ShapeError(f"{name} is not a list")
    return [_object(item, f"a member of {name}") for item in value]


def _attributes(of: dict[str, Any], name: str, *, mend: bool) -> None:
    for attribute in _listed(of, "attributes"):
        value = _object(attribute.get("value") or {}, f"the value of an attribute of {name}")
        for kind, one in value.items():
            if kind == "stringValue" or one is None or _fits(kind, one):
                continue
            if not mend:
                raise _ShapeError(f"the {kind} of an attribute of {name} is none")
            attribute["value"] = {"stringValue": one if isinstance(one, str) else orjson.dumps(one).decode()}
            break


def _fits(kind: str, value: Any) -> bool:
    """Whether a value is what its member of AnyValue says, and the engine reads it as such. int64 may be a text in JSON."""
    if kind == "intValue":
        whole = isinstance(value, str) and _WHOLE.fullmatch(value)
        return (bool(whole) or type(value) is int) and -(1 << 63) <= int(value) < 1 << 63
    if kind == "boolValue":
        return isinstance(value, bool)
    if kind == "doubleValue":
        number = isinstance(value, str) and _NUMBER.fullmatch(value)
        return bool(number) or type(value) in (int, float)
    return True


def answer(scanned: Scanned) -> bytes:
    """ExportTraceServiceResponse, with a partial success where spans were rejected."""
    if not scanned.rejected:
        return b"{}" if scanned.json else b""
    if scanned.json:
        return orjson.dumps({"partialSuccess": {"rejectedSpans": str(scanned.rejected), "errorMessage": _IDS}})
    text = _IDS.encode()
    partial = b"\x08" + varint(scanned.rejected) + b"\x12" + varint(len(text)) + text
    return b"\x0a" + varint(len(partial)) + partial


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
