"""How good verdicts are against what was expected: contract.md's `expected.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEMBERS = ("artifact", "before", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One case. `nodes`: the status and the set of nodes are right. `changes`: every cause's members agree as well.

    `owners`: right person or right gap for every cause found (None where no cause was expected and found). `false_blame`: some
    cause that is not in the list. `brier` is averaged over the causes given (None without any).
    """

    case: str
    capability: str
    family: str
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

    @property
    def brier(self) -> float | None:
        if not self.confidences:
            return None
        return sum((c - hit) ** 2 for c, hit in self.confidences) / len(self.confidences)


def score(case: str, verdict: Mapping[str, Any], expected: Mapping[str, Any], seconds: float) -> Scored:
    wanted = list(expected.get("causes", ()))
    given = list(verdict["causes"])
    pairs = [(cause, _match(cause, wanted)) for cause in given]
    right_nodes = verdict["status"] == expected["status"] and sorted(c["node"] for c in given) == sorted(
        w["node"] for w in wanted
    )
    right_changes = right_nodes and all(match is not None for _, match in pairs)
    owners = [_owner_right(cause, match) for cause, match in pairs if match is not None and "owner" in match]
    return Scored(
        case=case,
        capability=str(expected.get("capability", "")),
        family=str(expected.get("family", "")),
        expected=_short(expected["status"], wanted),
        got=_short(verdict["status"], given),
        nodes=right_nodes,
        changes=right_changes,
        owners=all(owners) if owners else None,
        false_blame=any(match is None for _, match in pairs),
        abstained=verdict["status"] == "undetermined" if expected["status"] == "undetermined" else None,
        missed=verdict["status"] == "undetermined" and expected["status"] != "undetermined",
        confidences=tuple((float(cause["confidence"]), match is not None) for cause, match in pairs),
        seconds=seconds,
    )


def _match(cause: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    for want in wanted:
        same = all(cause.get(m) == want[m] for m in MEMBERS if want.get(m) is not None)
        if cause["node"] == want["node"] and same:
            return want
    return None


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
    """Shares over a set of cases, each with its count of cases; None where no case has it."""

    name: str
    cases: int
    nodes: float
    changes: float | None
    owners: float | None
    false_blame: float
    abstained: float | None
    missed: float | None
    brier: float | None
    calibration: float | None
    seconds: float


def summarise(name: str, scored: Sequence[Scored]) -> Summary:
    decidable = [s for s in scored if not s.expected.startswith("undetermined")]
    right = [s for s in scored if s.nodes and "[" in s.expected]
    given = [pair for s in scored for pair in s.confidences]
    return Summary(
        name=name,
        cases=len(scored),
        nodes=_share(s.nodes for s in scored) or 0.0,
        changes=_share(s.changes for s in right),
        owners=_share(s.owners for s in scored if s.owners is not None),
        false_blame=_share(s.false_blame for s in scored) or 0.0,
        abstained=_share(s.abstained for s in scored if s.abstained is not None),
        missed=_share(s.missed for s in decidable),
        brier=sum((c - hit) ** 2 for c, hit in given) / len(given) if given else None,
        calibration=calibration_error(given),
        seconds=sum(s.seconds for s in scored) / max(len(scored), 1),
    )


def calibration_error(given: Sequence[tuple[float, bool]], bins: int = 10) -> float | None:
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
