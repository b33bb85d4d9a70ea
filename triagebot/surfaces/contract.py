"""The node contract: `collect` asks the world through ports, `assess` is pure.

A node is a module with a `NODE` and a line in TREE (tree.py). The walk is generic: all nodes collect at once, each with a
deadline; what fails or is late stays in the snapshot as a problem, and a problem is never read as innocence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from triagebot.attribution.hypotheses import Candidate, Explanation
from triagebot.domain.change import Change, Observation
from triagebot.domain.evidence import Finding
from triagebot.domain.people import Claim
from triagebot.domain.service import RegistryEntry, Service
from triagebot.domain.times import Window
from triagebot.ports import Journal, Registry, RequestTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A declared registry and its adapter, or the reason why there is none."""

    entry: RegistryEntry
    registry: Registry | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the nodes look. `deadline` is in seconds, for each source by itself."""

    registries: Sequence[Source]
    journal: Journal
    deadline: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is walked: a service, the as-of time and the window of look-back that ends there."""

    service: Service
    as_of: datetime
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a node collected. `problems` are the sources that failed or are missing, one line each; `unwatched` those that only
    know the present and have not been looked at of late.
    """

    node: str
    changes: tuple[Change, ...] = ()
    observations: tuple[Observation, ...] = ()
    claims: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unwatched: tuple[str, ...] = ()
    registries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A change as a hypothesis: what it would have done to whom. `served`: the traces show who had it; else only its date.

    `never_served`: the traces record versions of this artifact, and this one is not among them.
    """

    key: str
    node: str
    change: Change
    served: bool
    requests: int
    never_served: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A signal of a node's own that held still, or moved: what `assess` cites."""

    signal: str
    title: str
    unit: str
    n: int
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """A node that the evidence points at without a recorded change: its own signals moved first-hand.

    `strength` is how clearly (ln Bayes factor): of several nodes the one that shows it most clearly is told. `only`: no other
    artifact of the node can be meant, since what moved is what this one serves. `whatever`: it holds whatever change lies
    behind it.
    """

    node: str
    artifact: str
    explanation: int
    reason: str
    confidence: float
    strength: float
    only: bool = False
    whatever: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The outcome of attribution, as nodes see it when they assess.

    `blamed` maps keys of suspects to the confidence with which they are named, `possible` those that the evidence leaves
    open; `steady` has the signals that were looked at, moved or not; `coverage` for each normalised column the spans that have
    it and those that should; `window` is what was looked at.
    """

    table: RequestTable
    suspects: tuple[Suspect, ...]
    explanations: tuple[Explanation, ...]
    blamed: Mapping[str, float]
    possible: Mapping[str, float] = field(default_factory=dict)
    implied: tuple[Implied, ...] = ()
    coverage: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    window: Window | None = None
    steady: Mapping[str, Cleared] = field(default_factory=dict)


class Node(Protocol):
    """One surface or exit.

    `surfaces` are the change-event surfaces it answers for; `dimensions` of a request that show its version; `families` of
    signals that a change of it can move, with how readily (1: it is what such changes do), and `moves` those of one change;
    `prior` weighs such a change beside one of another node; `columns` are the normalised span columns that it reads.
    `hypotheses` are suspects beside the changes on record and first-seen versions: what the traces alone show, or what was
    announced (`snapshots` are of all nodes, by name).
    """

    @property
    def name(self) -> str: ...

    @property
    def surfaces(self) -> tuple[str, ...]: ...

    @property
    def dimensions(self) -> tuple[str, ...]: ...

    @property
    def families(self) -> Mapping[str, float]: ...

    @property
    def prior(self) -> float: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    async def collect(self, sources: Sources, scope: Scope) -> Snapshot: ...

    def moves(self, change: Change) -> Mapping[str, float]: ...

    def weight(self, change: Change) -> float:
        """How many times as readily as a deployment this change does harm, by its kind and by what it changed."""
        ...

    def hypotheses(self, table: RequestTable, snapshots: Mapping[str, Snapshot]) -> list[tuple[Suspect, Candidate]]: ...

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        """First-hand evidence that this node moved although no change of it is on record; None where there is none."""
        ...

    def assess(self, snapshot: Snapshot, weighed: Weighed) -> Finding: ...
