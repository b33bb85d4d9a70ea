"""How good verdicts are against what was expected: contract.md's `expected.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

MEMBERS = ("artifact", "before", "after")
BINS: Final = 10
WALK: Final = "walk"
# What a case asks for: a cause that the evidence shows, that nothing is blamed because nothing changed, or silence because the
# cause cannot be observed.
Kind = Literal["decidable", "nothing", "hidden"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One case by one method. `nodes`: the status and the set of nodes are right. `changes`: every cause's members agree as well.

    `owners`: right person or right gap for every cause found (None where no cause was expected and found). `false_blame`: some
    cause that is not in the list. `missed`: undetermined where the case could be decided. `brier` is averaged over the causes
    given (None without any).
    """

    case: str
    method: str
    capability: str
    family: str
    pairs: tuple[str, ...]
    kind: Kind
    expected: str
    got: str
    nodes: bool
    changes: bool
    owners: bool | None
    false_blame: bool
    abstained: bool | None
    missed: bool
    confidences: tuple[tuple[float, bool], ...]
    seconds: float
    notes: str = ""

    @property
    def brier(self) -> float | None:
        if not self.confidences:
            return None
        return sum((c - hit) ** 2 for c, hit in self.confidences) / len(self.confidences)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "brier": self.brier}


def score(
    case: str, verdict: Mapping[str, Any], expected: Mapping[str, Any], seconds: float, *, method: str = WALK
) -> Scored:
    """Compares a verdict (its `status` and `causes`) with what was expected. Each wanted cause is found at most once."""
    wanted = list(expected.get("causes", ()))
    given = list(verdict["causes"])
    pairs = list(zip(given, matches(given, wanted), strict=True))
    right_nodes = verdict["status"] == expected["status"] and sorted(c["node"] for c in given) == sorted(
        w["node"] for w in wanted
    )
    right_changes = right_nodes and all(match is not None for _, match in pairs)
    owners = [_owner_right(cause, match) for cause, match in pairs if match is not None and "owner" in match]
    kind: Kind = "hidden" if expected["status"] == "undetermined" else "decidable" if wanted else "nothing"
    return Scored(
        case=case,
        method=method,
        capability=str(expected.get("capability", "")),
        family=str(expected.get("family", "")),
        pairs=tuple(str(pair) for pair in expected.get("pairs") or ()),
        kind=kind,
        expected=_short(expected["status"], wanted),
        got=_short(verdict["status"], given),
        nodes=right_nodes,
        changes=right_changes,
        owners=all(owners) if owners else None,
        false_blame=any(match is None for _, match in pairs),
        abstained=verdict["status"] == "undetermined" if kind == "hidden" else None,
        missed=verdict["status"] == "undetermined" and kind != "hidden",
        confidences=tuple((float(cause["confidence"]), match is not None) for cause, match in pairs),
        seconds=seconds,
        notes=str(expected.get("notes") or ""),
    )


def matches(given: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | None]:
    """For each given cause the wanted one that it is; each wanted one is used once, and as many as can be are."""
    fits = [[k for k, want in enumerate(wanted) if _same(cause, want)] for cause in given]
    taken: dict[int, int] = {}

    def place(cause: int, tried: set[int]) -> bool:
        for want in fits[cause]:
            if want not in tried:
                tried.add(want)
                if want not in taken or place(taken[want], tried):
                    taken[want] = cause
                    return True
        return False

    for number in range(len(given)):
        place(number, set())
    found = {cause: wanted[want] for want, cause in taken.items()}
    return [found.get(number) for number in range(len(given))]


def _same(cause: Mapping[str, Any], want: Mapping[str, Any]) -> bool:
    return cause["node"] == want["node"] and all(cause.get(m) == want[m] for m in MEMBERS if want.get(m) is not None)


def _owner_right(cause: Mapping[str, Any], want: Mapping[str, Any]) -> bool:
    owner = cause.get("owner")
    if want["owner"] is None:
        return owner is None and bool(cause.get("owner_gap"))
    return owner is not None and owner["email"].lower() == str(want["owner"]).lower()


def _short(status: str, causes: Iterable[Mapping[str, Any]]) -> str:
    names = ", ".join(f"{c['node']}:{c.get('artifact') or ''}→{c.get('after') or ''}" for c in causes)
    return f"{status} [{names}]" if names else status


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Shares over a set of cases; None where no case has it.

    `nodes` and `missed` are over the cases that can be decided, `changes` over those whose nodes are right. False blame is over
    all cases, and of them: where nothing changed, where the cause cannot be observed, and elsewhere. `calibration` is the
    expected calibration error over the `causes` that were given, in bins of equal width.
    """

    name: str
    method: str
    cases: int
    decidable: int
    nodes: float | None
    changes: float | None
    owners: float | None
    false_blame: float
    blamed_nothing: float | None
    blamed_hidden: float | None
    blamed_other: float | None
    abstained: float | None
    missed: float | None
    causes: int
    brier: float | None
    calibration: float | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def summarise(name: str, scored: Sequence[Scored], method: str = WALK) -> Summary:
    decidable = [s for s in scored if s.kind != "hidden"]
    right = [s for s in scored if s.nodes and s.kind == "decidable"]
    given = [pair for s in scored for pair in s.confidences]
    return Summary(
        name=name,
        method=method,
        cases=len(scored),
        decidable=len(decidable),
        nodes=_share(s.nodes for s in decidable),
        changes=_share(s.changes for s in right),
        owners=_share(s.owners for s in scored if s.owners is not None),
        false_blame=_share(s.false_blame for s in scored) or 0.0,
        blamed_nothing=_share(s.false_blame for s in scored if s.kind == "nothing"),
        blamed_hidden=_share(s.false_blame for s in scored if s.kind == "hidden"),
        blamed_other=_share(s.false_blame for s in scored if s.kind == "decidable"),
        abstained=_share(s.abstained for s in scored if s.abstained is not None),
        missed=_share(s.missed for s in decidable),
        causes=len(given),
        brier=sum((c - hit) ** 2 for c, hit in given) / len(given) if given else None,
        calibration=calibration_error(given),
        seconds=sum(s.seconds for s in scored) / max(len(scored), 1),
    )


def grouped(scored: Sequence[Scored], by: str) -> list[Summary]:
    """A summary for each `capability`, `family` or `pair` and method, in the order of their names."""
    groups: dict[tuple[str, str], list[Scored]] = {}
    for one in scored:
        names = (one.pairs or ("–",)) if by == "pair" else (getattr(one, by) or "–",)
        for name in names:
            groups.setdefault((name, one.method), []).append(one)
    order = list(dict.fromkeys(one.method for one in scored))
    ranked = sorted(groups, key=lambda key: (key[0], order.index(key[1])))
    return [summarise(name, groups[name, method], method) for name, method in ranked]


def by_method(scored: Sequence[Scored]) -> list[Summary]:
    """A summary for each method over all cases, in the order in which they ran."""
    names = list(dict.fromkeys(one.method for one in scored))
    return [summarise("all", [s for s in scored if s.method == name], name) for name in names]


def calibration_error(given: Sequence[tuple[float, bool]], bins: int = BINS) -> float | None:
    """Expected calibration error: the mean distance of confidence from the share that was right, over equal bins."""
    if not given:
        return None
    total = 0.0
    for k in range(bins):
        inside = [(c, hit) for c, hit in given if k / bins <= c < (k + 1) / bins or (k == bins - 1 and c == 1)]
        if inside:
            total += abs(sum(c for c, _ in inside) - sum(hit for _, hit in inside))
    return total / len(given)


def _share(values: Iterable[bool | None]) -> float | None:
    listed = [bool(v) for v in values]
    return sum(listed) / len(listed) if listed else None
