"""Spans into requests, in numpy: no Python per row, and strings only once for each distinct value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from triagebot.ports import SEPARATOR, Dimension

if TYPE_CHECKING:
    import pyarrow as pa

_DTYPES: Final = {"double": "f8", "uint8": "u1", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8"}


@dataclass(frozen=True, slots=True)
class Spans:
    """Distinct spans sorted by request: request i has key `keys[i]` and its spans begin at `starts[i]`.

    `twice` are the requests of which some span came more than once; None where none did.
    """

    keys: NDArray[np.uint64]
    starts: NDArray[np.intp]
    nanos: NDArray[np.int64]
    root: NDArray[np.bool_]
    order: NDArray[np.intp]
    twice: NDArray[np.bool_] | None


def codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], list[str]]:
    """A dictionary-encoded column as codes and labels."""
    import pyarrow as pa  # noqa: PLC0415  (as in engine.py)

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type)
    labels = [label or "" for label in whole.dictionary.to_pylist()]
    return _plain(whole.indices).astype(np.int32, copy=False), labels


def numbers(table: pa.Table, name: str) -> NDArray[Any]:
    """A column of numbers without NULLs. Read from its buffer: Arrow's own `to_numpy` imports pandas, a fifth of a second."""
    return _plain(table.column(name).combine_chunks())


def texts(table: pa.Table, name: str, rows: NDArray[np.intp]) -> list[str]:
    """Some rows of a column of strings, from its buffers too."""
    array = table.column(name).combine_chunks()
    if not len(array) or not len(rows):
        return []
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4)
    blob = data.to_pybytes() if data else b""
    return [
        blob[start:end].decode() for start, end in zip(bounds[rows].tolist(), bounds[rows + 1].tolist(), strict=True)
    ]


def _plain(array: Any) -> NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415  (as in engine.py)

    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    dtype = np.dtype(_DTYPES[str(array.type)])
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(0, dtype)
    return np.frombuffer(buffer, dtype, len(array), array.offset * dtype.itemsize)


def group(table: pa.Table) -> Spans:
    """Drops spans that came twice and sorts the rest by request."""
    requests = numbers(table, "request").astype(np.uint64)
    identity = numbers(table, "span").astype(np.uint64)
    kept, copies = np.arange(len(requests)), None
    if len(kept) and not _distinct(identity):
        _, kept, copies = np.unique(identity, return_index=True, return_counts=True)
    by_request = np.argsort(requests[kept], kind="stable")
    order = kept[by_request]
    sorted_keys = requests[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1]))) if len(order) else order
    return Spans(
        keys=sorted_keys[starts],
        starts=starts,
        nanos=numbers(table, "nanos").astype(np.int64)[order],
        root=numbers(table, "root").astype(bool)[order],
        order=order,
        twice=None if copies is None else np.maximum.reduceat(copies[by_request], starts) > 1,
    )


def _distinct(values: NDArray[np.uint64]) -> bool:
    ordered = np.sort(values)
    return not bool((ordered[1:] == ordered[:-1]).any())


def request_times(spans: Spans) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """When each request began, and which of its spans says so: its root, else its earliest span.

    The root's own clock stands: a child on a host whose clock is off does not move the request.
    """
    if not len(spans.starts):
        return np.zeros(0, np.int64), np.zeros(0, np.intp)
    rank = np.where(spans.root, spans.nanos, spans.nanos // 2 + (np.int64(1) << np.int64(62)))
    best = np.minimum.reduceat(rank, spans.starts)
    sizes = np.diff(np.append(spans.starts, len(rank)))
    hits = np.flatnonzero(rank == np.repeat(best, sizes))
    owner = np.repeat(np.arange(len(sizes)), sizes)[hits]
    first = hits[np.unique(owner, return_index=True)[1]]
    return spans.nanos[first], first


def dimension(table: pa.Table, name: str, spans: Spans) -> Dimension:
    """The label of every request: its spans' distinct values, sorted and joined."""
    ids, labels = codes(table.column(f"d_{name}"))
    count = len(spans.starts)
    if not count:
        return Dimension(codes=np.zeros(0, np.int32), labels=())
    # Codes by sorted label, '' last: then the smallest is the first value, and equal extremes mean one value.
    rank = sorted(range(len(labels)), key=lambda i: (labels[i] == "", labels[i]))
    ordered = [labels[i] for i in rank]
    if not ordered or ordered[-1] != "":
        ordered.append("")
    empty = len(ordered) - 1
    position = np.empty(len(labels), np.int32)
    position[rank] = np.arange(len(labels), dtype=np.int32)
    values = position[ids][spans.order]
    low = np.minimum.reduceat(values, spans.starts)
    high = np.maximum.reduceat(np.where(values == empty, -1, values), spans.starts)
    several = np.flatnonzero((high > low) | _joined(ordered)[low])
    result = low.astype(np.int32)
    if len(several):
        sets = _sets(values, spans.starts, several, empty, ordered)
        known = {label: code for code, label in enumerate(ordered)}
        fresh = [known.setdefault(label, len(known)) for label in sets.labels]
        result[several] = np.array(fresh, np.int32)[sets.codes]
        ordered = list(known)
    return _compact(result, ordered)


def _joined(labels: list[str]) -> NDArray[np.bool_]:
    """Labels that are several values already (two judges of one span)."""
    return np.array([SEPARATOR in label for label in labels])


def _sets(
    values: NDArray[np.int32], starts: NDArray[np.intp], several: NDArray[np.intp], empty: int, labels: list[str]
) -> Dimension:
    """Labels of the requests with several values: distinct sets of values are joined once each."""
    ends = np.append(starts[1:], len(values))
    sizes = (ends - starts)[several]
    rows = np.repeat(starts[several], sizes) + _within(sizes)
    owner = np.repeat(np.arange(len(several)), sizes)
    pairs = owner.astype(np.int64) * (empty + 1) + values[rows]
    pairs = np.unique(pairs[values[rows] != empty])
    owner, value = pairs // (empty + 1), (pairs % (empty + 1)).astype(np.int32)
    bounds = np.searchsorted(owner, np.arange(len(several) + 1))
    blob, result = value.tobytes(), np.empty(len(several), np.int32)
    seen: dict[bytes, int] = {}
    names: list[str] = []
    for index in range(len(several)):
        key = blob[bounds[index] * 4 : bounds[index + 1] * 4]
        code = seen.get(key)
        if code is None:
            parts = {part for i in np.frombuffer(key, np.int32) for part in labels[i].split(SEPARATOR)}
            code = seen[key] = len(names)
            names.append(SEPARATOR.join(sorted(parts)))
        result[index] = code
    return Dimension(codes=result, labels=tuple(names))


def _within(sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """0, 1, … within each run of the given sizes."""
    total = np.cumsum(sizes)
    return np.arange(total[-1] if len(total) else 0) - np.repeat(total - sizes, sizes)


def chosen(found: Dimension, rows: NDArray[np.intp]) -> Dimension:
    """The same for some of the requests, labels that none of them has dropped."""
    return _compact(found.codes[rows], found.labels)


def _compact(codes_: NDArray[np.int32], labels: Sequence[str]) -> Dimension:
    """The labels that occur, numbered anew. Counted, not sorted: a table has two dozen dimensions."""
    used = np.flatnonzero(np.bincount(codes_, minlength=len(labels)))
    fresh = np.zeros(len(labels), np.int32)
    fresh[used] = np.arange(len(used))
    return Dimension(codes=fresh[codes_], labels=tuple(labels[i] for i in used.tolist()))
