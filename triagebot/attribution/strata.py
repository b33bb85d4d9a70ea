"""What arrives, as columns to adjust for: who asks, where, what, at what hour. Never what is answered, nor what was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.shares import Risen, risen
from triagebot.attribution.weekdays import weekend
from triagebot.domain.inputs import CALLS, INPUT, INPUT_KIND, INPUT_LANGUAGE, LANGUAGES, LATER, SIZES, mark, over
from triagebot.ports import SEPARATOR, Dimension, RequestTable

Array = NDArray[np.float64]
HOUR, DAY = 3600.0, 86400.0
# Dimensions of the input, with the most values of each that get a level of their own.
INPUT_DIMENSIONS: Mapping[str, int] = {
    "region": 8,
    "route": 8,
    "workload": 5,
    "intent": 12,
    "environment": 3,
    "language": 4,
    "tenant": 12,
    "key": 5,
}
# Who was asked for: a fallback answers differently all along, and only a change of that is news. Versions are not adjusted for,
# since the one that a change replaces would take its effect with it.
ASKED_DIMENSIONS = ("provider", "model_requested")
INPUT_SIGNALS = ("input_chars", "input_foreign", "input_code")
KINDS = 8
BUSIEST = 6
ENDS = 0.1  # of the requests, at either end of the window
LEAST = 25
RECORDED = 0.98
MOSTLY_NAMED = 0.8  # of the requests name their conversation
LONG_AND_SHORT = (0.2, 0.8)
SIZED = 0.9  # of the requests say how long their input is
LONGEST = 0.75
SEVERAL = 2  # tool calls
GAP = 1.25  # times as many tokens, with hardly an input between
MOST_GAPS = 3
FEW = 10  # requests of a part, before and since
A_PART = 0.1  # of the requests at least: many inputs may be of the same length
PARTS = 8  # of the window, by requests
ENDINGS = (50, 100, 200, 400)  # requests
OFF = 3.0  # standard errors: of four endings that overlap hardly one in a hundred is so far off by chance
UNLIKE = 4.0  # standard errors: of some hundred groups none is so far off by chance
VERSIONS = ("prompt", "model_served", "tools", "corpus")


def hour_columns(at: Array) -> list[Array]:
    """Harmonics of the day where two days were seen, and the weekend where two were."""
    span = float(at[-1] - at[0]) if at.size else 0.0
    if span < 2 * DAY:
        return []
    phase = 2 * np.pi * (at % DAY) / DAY
    columns = [np.sin(phase), np.cos(phase), np.sin(2 * phase), np.cos(2 * phase)]
    if span >= 12 * DAY:
        columns.append(weekend(at).astype(float))
    return columns


def conversations(table: RequestTable) -> Dimension | None:
    """The conversations of requests most of which name theirs; None where too few do."""
    dimension = table.dimensions.get("conversation")
    if dimension is None or not dimension.labels:
        return None
    return dimension if dimension.named[dimension.codes].mean() >= MOSTLY_NAMED else None


def turns(table: RequestTable) -> Dimension | None:
    """The first request of a conversation against all others; None where too few name theirs, only a sample was read, or hardly
    any conversation goes on.
    """
    conversation = conversations(table)
    if conversation is None or table.at.size < table.requests:
        return None
    later = later_turns(conversation)
    return Dimension(later.astype(np.int32), ("", LATER)) if A_PART <= later.mean() <= 1 - A_PART else None


def later_turns(conversation: Dimension) -> NDArray[np.bool_]:
    """Which requests, in the order of time, are not the first that are seen of the conversation that they name."""
    later = np.ones(conversation.codes.size, dtype=np.bool_)
    later[np.unique(conversation.codes, return_index=True)[1]] = False
    return later & conversation.named[conversation.codes]


def input_columns(table: RequestTable) -> list[Array]:
    columns: list[Array] = []
    for name, most in INPUT_DIMENSIONS.items():
        columns.extend(_levels(table, name, most))
    for name in INPUT_SIGNALS:
        values = table.signals.get(name)
        if values is None:
            continue
        known = np.isfinite(values)
        if known.sum() < LEAST or np.ptp(values[known]) == 0:
            continue
        logged = np.log1p(np.where(known, values, 0.0))
        centred = np.where(known, logged - logged[known].mean(), 0.0)
        columns.append(centred)
        if name == "input_chars":
            columns.append(np.where(known, centred**2, np.square(centred[known]).mean()))
    return [*columns, *_kinds(table)]


def _kinds(table: RequestTable) -> list[Array]:
    """How requests begin, and in which language they are."""
    columns: list[Array] = []
    for name in (INPUT_KIND, INPUT_LANGUAGE):
        values = table.signals.get(name)
        if values is not None:
            # A request whose input is not recorded is as the others are: whether it is may be what a change did.
            known = np.isfinite(values)
            own = [(values == kind) for kind in _lasting(values)[:KINDS]]
            columns += [np.where(known, kind, kind[known].mean()) for kind in own]
    return columns


def _lasting(values: Array) -> list[float]:
    """What requests begin with, the commonest first. Only beginnings that were there at both ends count: one that came or went
    may be a change of ours (a prompt that is sent as part of the input), which must stay free to explain.
    """
    part = max(LEAST, int(ENDS * values.size))
    kinds, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    return [
        float(kind)
        for kind, count in sorted(zip(kinds, counts, strict=True), key=lambda pair: -pair[1])
        if count >= LEAST and (values[:part] == kind).sum() >= 8 and (values[-part:] == kind).sum() >= 8
    ]


def input_kinds(table: RequestTable) -> Dimension | None:
    """What requests begin with, as a dimension to look into; None where intents are recorded, which tell it by name."""
    values, intent = table.signals.get(INPUT_KIND), table.dimensions.get("intent")
    if values is None or (intent is not None and any(intent.labels)):
        return None
    kinds = _lasting(values)
    return _numbered(values, kinds, [mark(kind) for kind in kinds]) if kinds else None


def input_languages(table: RequestTable) -> Dimension | None:
    """In which language users write, as a dimension to look into; None where it is one, or not told."""
    values = table.signals.get(INPUT_LANGUAGE)
    told = [int(number) for number in _lasting(values)] if values is not None else []
    if values is None or len(told) < 2:
        return None
    return _numbered(values, told, [LANGUAGES[number - 1] for number in told])


def _numbered(values: Array, kinds: Sequence[float], names: Sequence[str]) -> Dimension:
    """A signal whose values are kinds as a dimension with their names; all other values are unnamed."""
    codes = np.zeros(values.size, dtype=np.int32)
    for code, kind in enumerate(kinds, 1):
        codes[values == kind] = code
    return Dimension(codes, ("", *names))


def long_inputs(table: RequestTable) -> Dimension | None:
    """The longest quarter of the inputs against all others: in characters where texts are recorded, else in tokens of the first
    call. None where it is not a part of the requests, or not the same part for every version and all along: then being long is
    something that changed.
    """
    for signal, unit in SIZES.items():
        sizes = table.signals.get(signal)
        if sizes is None or np.isfinite(sizes).sum() < SIZED * sizes.size:
            continue
        return _upper_part(sizes, unit, table)
    return None


def deep_requests(table: RequestTable) -> Dimension | None:
    """The quarter that takes most tool calls against all others; None where few take several, or it is not the same part for every
    version and all along: then somebody changed how tools are called, or calls that fail are made again.
    """
    calls = table.signals.get(CALLS)
    if calls is None or not np.isfinite(calls).any():
        return None
    calls = np.nan_to_num(calls)
    found = _upper_part(calls, "tool calls", table)
    return found if found is not None and np.quantile(calls, LONGEST) >= SEVERAL else None


def _upper_part(sizes: Array, unit: str, table: RequestTable) -> Dimension | None:
    known = np.isfinite(sizes)
    bound = int(np.nanquantile(sizes, LONGEST))
    upper = np.where(known, sizes > bound, False)
    if upper.sum() < A_PART * upper.size or not _the_same_all_along(upper, known, table):
        return None
    return Dimension(upper.astype(np.int32), ("", over(bound, unit)))


def _the_same_all_along(mask: NDArray[np.bool_], known: NDArray[np.bool_], table: RequestTable) -> bool:
    """Whether the share of `mask` is the same for every version, and at all times for everybody who asks."""
    times = np.arange(mask.size) * PARTS // mask.size
    if not _alike(mask[known], times[known]):
        return False
    overall = float(mask[known].mean()) if known.any() else 0.0
    for count in ENDINGS:  # what came in an hour ago is no eighth of the window
        last = mask[known][-count:]
        if last.size == count and abs(last.mean() - overall) > OFF * np.sqrt(overall * (1 - overall) / count):
            return False
    routes = table.dimensions["route"].codes
    for name in (*VERSIONS, *INPUT_DIMENSIONS):
        dimension = table.dimensions.get(name)
        if dimension is None:
            continue
        told = known & dimension.named[dimension.codes]
        if name in VERSIONS:
            # Routes have prompts and tools of their own; and of several calls one may not say its version.
            versions = _versions(dimension)
            told = known & (versions >= 0)
            if not all(_alike(mask[told & (routes == r)], versions[told & (routes == r)]) for r in np.unique(routes)):
                return False
            continue
        for code in np.flatnonzero(np.bincount(dimension.codes[told]) >= 2 * LEAST):
            own = told & (dimension.codes == code)
            if not _alike(mask[own], times[own]):
                return False
    return True


def _versions(dimension: Dimension) -> NDArray[np.int64]:
    """Numbers what requests had by the versions that they name, -1 for those that name none: "a" beside "a@3" is a call of the same
    that does not say its version.
    """
    parts = [label.split(SEPARATOR) if label else [] for label in dimension.labels]
    if any("@" in part for own in parts for part in own):
        parts = [[part for part in own if "@" in part] for own in parts]
    number: dict[tuple[str, ...], int] = {}
    codes = [number.setdefault(tuple(own), len(number)) if own else -1 for own in parts]
    return np.array(codes, dtype=np.int64)[dimension.codes]


def _alike(mask: NDArray[np.bool_], codes: NDArray[Any]) -> bool:
    """Whether no group of some size has a share that chance would not give it."""
    if not mask.size:
        return True
    overall, count = float(mask.mean()), np.bincount(codes)
    share = np.bincount(codes, mask) / np.maximum(count, 1)
    off = np.abs(share - overall) > UNLIKE * np.sqrt(overall * (1 - overall) / np.maximum(count, 1))
    return not off[count >= LEAST].any()


def risings(table: RequestTable) -> list[Risen]:
    """Every kind of input whose share of the requests rose, by all that is recorded of inputs, the surest first."""
    conversation = conversations(table)
    clusters = _together(conversation, table.at) if conversation is not None else None
    kinds = [(name, d.labels, d.codes) for name in INPUT_DIMENSIONS if (d := table.dimensions.get(name)) is not None]
    kinds += _busiest(table, "user")
    chars = table.signals.get("input_chars")
    texts = chars is not None and bool(np.isfinite(chars).sum() >= LEAST)
    if chars is not None and texts:
        bounds = np.nanquantile(chars, LONG_AND_SHORT)
        parts = np.where(np.isnan(chars), 0, 1 + np.digitize(chars, bounds)).astype(np.int32)
        kinds.append(("input", ("", "short", "middling", "long"), parts))
    begun = table.signals.get(INPUT_KIND)
    if begun is not None and np.isfinite(begun).any():
        values, codes = np.unique(np.where(np.isnan(begun), -1.0, begun), return_inverse=True)
        labels = tuple("" if value < 0 else f"beginning {value:.0f}" for value in values)
        kinds.append(("input", labels, codes.astype(np.int32)))
    languages = table.signals.get(INPUT_LANGUAGE)
    if languages is not None and np.isfinite(languages).any():
        kinds.append((INPUT_LANGUAGE, ("", *LANGUAGES), np.nan_to_num(languages).astype(np.int32)))
    found = [r for name, labels, codes in kinds for r in risen(name, labels, codes, table.at, table.weight, clusters)]
    return sorted([*found, *(() if texts else _by_tokens(table, clusters))], key=lambda r: -r.z)


def _together(conversation: Dimension, at: Array) -> NDArray[np.int64]:
    """Numbers requests that come together: those of one conversation in an hour. What goes on for days under one name is no
    conversation, and one that names none came by itself.
    """
    alone = np.arange(at.size) + len(conversation.labels)
    talk = np.where(conversation.named[conversation.codes], conversation.codes, alone)
    hour = ((at - at[:1]) // HOUR).astype(np.int64)
    _, together = np.unique(talk * (int(hour.max(initial=0)) + 1) + hour, return_inverse=True)
    return np.asarray(together, dtype=np.int64)


def _busiest(table: RequestTable, name: str) -> list[tuple[str, tuple[str, ...], NDArray[np.int32]]]:
    """Of a dimension of thousands the few values that most of the last day's requests carry: what one user always did, and does a
    hundred times since yesterday, is no change.
    """
    dimension = table.dimensions.get(name)
    if dimension is None or not table.at.size:
        return []
    late = dimension.codes[table.at >= table.at[-1] - DAY]
    counts = np.bincount(late, minlength=len(dimension.labels)) * dimension.named
    kept = np.zeros(len(dimension.labels), dtype=bool)
    kept[np.argsort(-counts)[:BUSIEST]] = True
    labels = tuple(label if keep else "" for label, keep in zip(dimension.labels, kept, strict=True))
    return [(name, labels, dimension.codes)]


def _by_tokens(table: RequestTable, clusters: NDArray[np.int64] | None) -> list[Risen]:
    """Short or long inputs whose share rose, for where only tokens tell how long they are.

    What is sent beside the input counts in them as well: a prompt that grew moves every request, more documents some of them.
    Among the long ones and among all others their number must be what it was: then there are only more of the ones.
    """
    tokens = table.signals.get("asked_tokens")
    if tokens is None:
        return []
    known = np.isfinite(tokens)
    if known.sum() < SIZED * known.size or not known.size:
        return []
    found = []
    for bound in _gaps(tokens[known]):
        labels = ("", f"up to {bound} tokens", over(bound, "tokens"))
        codes = np.where(known, 1 + (tokens > bound), 0).astype(np.int32)
        for rise in risen(INPUT, labels, codes, table.at, table.weight, clusters):
            parts = (rise.mask, known & ~rise.mask)
            if all(_as_ever(tokens[part], table.at[part] >= rise.since) for part in parts):
                found.append(rise)
    return sorted(found, key=lambda r: -r.z)[:1]


def _gaps(sizes: Array) -> list[int]:
    """Sizes that hardly any input has, between those of two tasks: the widest gaps first."""
    steps = np.maximum(np.quantile(sizes, np.arange(0.03, 0.975, 0.01)), 1.0)
    wide = steps[1:] / steps[:-1]
    return [int(np.sqrt(steps[i] * steps[i + 1])) for i in np.argsort(-wide)[:MOST_GAPS] if wide[i] >= GAP]


def _as_ever(values: Array, late: NDArray[np.bool_]) -> bool:
    """Whether the ranks of the late values are those of all."""
    n, m = int(late.sum()), int((~late).sum())
    if min(n, m) < FEW:
        return False
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    spread = float(ranks.std()) * np.sqrt(1 / n + 1 / m)
    return bool(abs(ranks[late].mean() - ranks[~late].mean()) <= UNLIKE * max(spread, 1e-9))


def asked_columns(table: RequestTable) -> list[Array]:
    """Contrasts among what was asked for side by side from the start; what arrives later stays free to explain."""
    columns: list[Array] = []
    first = max(LEAST, int(ENDS * table.at.size))
    for name in ASKED_DIMENSIONS:
        dimension = table.dimensions.get(name)
        if dimension is None or not dimension.labels:
            continue
        named = dimension.named
        if named[dimension.codes].mean() < RECORDED:
            continue  # whether it is recorded depends on what the request did
        counts = np.bincount(dimension.codes[:first], minlength=len(dimension.labels)) * named
        early = [int(code) for code in np.argsort(-counts) if counts[code] >= 8][:5]
        asked = _first_asked(dimension, early, table)
        columns.extend((asked == code).astype(float) for code in early[1:])
    return columns


def _first_asked(dimension: Dimension, early: Sequence[int], table: RequestTable) -> NDArray[np.int32]:
    """The codes of a dimension, where a request that asked for several, as few did before, counts as one that asked for that of
    them which others of its route ask for: another was called because the first call failed, and that is what is to be explained.
    """
    codes = dimension.codes.copy()
    route = table.dimensions["route"].codes if "route" in table.dimensions else np.zeros_like(codes)
    number = {label: code for code, label in enumerate(dimension.labels)}
    for code, label in enumerate(dimension.labels):
        parts = [number[part] for part in label.split(SEPARATOR) if part in number]
        mine = dimension.codes == code
        if code in early or len(parts) < 2 or not mine.any():
            continue
        beside = np.bincount(dimension.codes[np.isin(route, route[mine])], minlength=len(dimension.labels))
        codes[mine] = max(parts, key=lambda part: int(beside[part]))
    return codes


def stack(columns: Sequence[Array], size: int) -> Array:
    return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


def _levels(table: RequestTable, name: str, most: int) -> list[Array]:
    dimension = table.dimensions.get(name)
    if dimension is None or len(dimension.labels) < 2:
        return []
    counts = np.bincount(dimension.codes, minlength=len(dimension.labels))
    # Not recorded is no level of its own: whether something is recorded can be the outcome itself (a call that failed).
    order = [int(code) for code in np.argsort(-counts) if counts[code] >= LEAST and dimension.labels[code]]
    return [(dimension.codes == code).astype(float) for code in order[1 : most + 1]]
