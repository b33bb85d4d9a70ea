"""OTLP/HTTP bodies before they are stored: decompressing within limits, a cheap check of their framing, and the answer."""

from __future__ import annotations

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
_IDS: Final = "trace or span id is not valid"


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
            with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
                plain = reader.read(limit + 1)
            if not plain and body:
                raise BadTrace("the body is not whole zstd")
            return _within(plain, limit)
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
            plain = body[start : start + 2] == b"\x0a\x10" and body[start + 18 : start + 20] == b"\x12\x08"
            ids = (body[start + 2 : start + 18], body[start + 20 : start + 28]) if plain else _ids(body[start:end])
            rejected += not (len(ids[0]) == 16 and len(ids[1]) == 8 and any(ids[0]) and any(ids[1]))
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
                length, position = _long(body, position, length)
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
        # orjson wants UTF-8; what is not is repaired rather than refused.
        try:
            found = orjson.loads(body.decode("utf-8", "replace"))
        except orjson.JSONDecodeError as error:
            raise BadTrace(f"the body is not JSON: {error}") from error
    if problem := shape_problem(found):
        raise BadTrace(f"the body is not an ExportTraceServiceRequest: {problem}")
    spans = rejected = 0
    for resource in found.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                spans += 1
                rejected += not (_hex(span.get("traceId"), 32) and _hex(span.get("spanId"), 16))
    return Scanned(body=orjson.dumps(found), json=True, spans=spans, rejected=rejected)


def _hex(value: Any, length: int) -> bool:
    if not isinstance(value, str) or len(value) != length:
        return False
    try:
        return int(value, 16) != 0
    except ValueError:
        return False


def shape_problem(found: Any) -> str:
    """What keeps a JSON value from being an export request; '' where it is one."""
    if not isinstance(found, dict):
        return "it is not an object"
    for resource in _listed(found, "resourceSpans"):
        if not isinstance(resource, dict) or not isinstance(resource.get("resource", {}), dict):
            return "resourceSpans holds something that is not ResourceSpans"
        if problem := _attributes_problem(resource.get("resource", {}), "resource"):
            return problem
        for scope in _listed(resource, "scopeSpans"):
            if not isinstance(scope, dict) or not isinstance(scope.get("scope", {}), dict):
                return "scopeSpans holds something that is not ScopeSpans"
            for span in _listed(scope, "spans"):
                if problem := _span_problem(span):
                    return problem
    return next(
        (f"{name} is not a list" for name in ("resourceSpans",) if not isinstance(found.get(name, []), list)), ""
    )


def _listed(of: dict[str, Any], name: str) -> list[Any]:
    value = of.get(name, [])
    return value if isinstance(value, list) else [value]


def _span_problem(span: Any) -> str:
    if not isinstance(span, dict):
        return "spans holds something that is not a Span"
    for name in ("events", "links"):
        for item in _listed(span, name):
            if problem := _attributes_problem(item, name):
                return problem
    if not isinstance(span.get("status", {}), dict):
        return "status is not a Status"
    return _attributes_problem(span, "span")


def _attributes_problem(of: Any, where: str) -> str:
    if not isinstance(of, dict):
        return f"{where} holds something that is not an object"
    for attribute in _listed(of, "attributes"):
        if not isinstance(attribute, dict) or not isinstance(attribute.get("value", {}), dict):
            return f"attributes of {where} holds something that is not a KeyValue"
    return ""


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
