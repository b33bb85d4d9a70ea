"""What the nodes share: collecting as collecting.py does it, and the four answers in the order in which they are safe to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from triagebot.attribution.hypotheses import Candidate, Explanation
from triagebot.domain.change import Change
from triagebot.domain.evidence import Evidence, Finding, FindingStatus
from triagebot.domain.nodes import TITLES
from triagebot.domain.service import Service
from triagebot.ports import RequestTable
from triagebot.surfaces.collecting import collect_changes
from triagebot.surfaces.contract import Implied, Scope, Snapshot, Sources, Suspect, Weighed

# Below this share of spans that have an attribute, what it shows is not all of what happened.
COVERED = 0.9
BARELY = 0.2
# How often changes of these kinds are to blame beside a deployment: settings and notices come by far more often than they harm.
OFTEN: Mapping[str, float] = MappingProxyType({"config": 0.5, "flag": 0.7, "job": 0.8, "limit": 0.5, "provider": 0.5})


class Walked:
    """A node whose evidence is changes on record and versions in the traces. Subclasses say what is their own."""

    name: str
    surfaces: tuple[str, ...]
    dimensions: tuple[str, ...] = ()
    families: Mapping[str, float] = MappingProxyType({})
    prior: float = 1.0
    columns: tuple[str, ...] = ()

    async def collect(self, sources: Sources, scope: Scope) -> Snapshot:
        return await collect_changes(self.name, self.surfaces, sources, scope)

    def moves(self, change: Change) -> Mapping[str, float]:
        return self.families

    def weight(self, change: Change) -> float:
        return OFTEN.get(change.surface, 1.0)

    def hypotheses(self, table: RequestTable, snapshots: Mapping[str, Snapshot]) -> list[tuple[Suspect, Candidate]]:
        """What may have moved something beside changes on record and versions in the traces. Most nodes have none."""
        return []

    def imply(self, explanation: Explanation, number: int, weighed: Weighed, service: Service) -> Implied | None:
        return None

    def assess(self, snapshot: Snapshot, weighed: Weighed) -> Finding:
        told = {*weighed.blamed, *weighed.possible}
        # A neighbour that does no harm is no change of anything.
        own = [
            s for s in weighed.suspects if s.node == self.name and ("neighbour" not in s.change.detail or s.key in told)
        ]
        status, reason = self.answer(snapshot, weighed, own)
        return Finding(
            node=self.name,
            status=status,
            reason=reason,
            spans=weighed.table.spans,
            window=weighed.window,
            changes=tuple(s.change for s in own),
            evidence=tuple(self.lines(snapshot, weighed, own)),
        )

    def answer(self, snapshot: Snapshot, weighed: Weighed, own: Sequence[Suspect]) -> tuple[FindingStatus, str]:
        blamed = [s for s in own if s.key in weighed.blamed]
        if blamed:
            return "implicated", "; ".join(blame_line(s, weighed) for s in blamed)
        implied = [i for i in weighed.implied if i.node == self.name]
        if implied:
            return "implicated", "; ".join(i.reason for i in implied)
        possible = [s for s in own if s.key in weighed.possible]
        if possible:
            names = ", ".join(describe(s) for s in possible)
            return "unknown", f"cannot be told apart from other explanations: {names}"
        hidden = self.hidden(snapshot, weighed)
        if hidden:
            return "unknown", hidden
        if own:
            return "changed_not_implicated", "; ".join(self.spared(s, weighed) for s in own[:3])
        return "clear", self.clear(snapshot, weighed)

    def hidden(self, snapshot: Snapshot, weighed: Weighed) -> str:
        """Why this node cannot be called clear; empty where it can be seen."""
        if snapshot.problems:
            return "; ".join(snapshot.problems[:2])
        if weighed.table.at.size == 0:
            return "no spans of this service in the window"
        seen = self.seen(weighed)
        if snapshot.unwatched and seen < BARELY:
            return "; ".join(snapshot.unwatched[:2])
        if snapshot.registries == 0 and not snapshot.observations and seen < BARELY:
            return f"no registry is declared for it, and traces do not record its version ({seen:.0%})"
        return ""

    def seen(self, weighed: Weighed) -> float:
        """Share of the requests whose traces record a version of this node."""
        best = 0.0
        for name in self.dimensions:
            dimension = weighed.table.dimensions.get(name)
            if dimension is not None and weighed.table.at.size:
                recorded = [code for code, label in enumerate(dimension.labels) if label]
                best = max(best, sum(int((dimension.codes == code).sum()) for code in recorded) / weighed.table.at.size)
        return best

    def clear(self, snapshot: Snapshot, weighed: Weighed) -> str:
        return f"no change on record, none in {weighed.table.spans:,} spans"

    def spared(self, suspect: Suspect, weighed: Weighed) -> str:
        if suspect.never_served:
            return f"{describe(suspect)}: never served by as-of time"
        return (
            f"{describe(suspect)}: what moved does not follow it"
            if weighed.explanations
            else f"{describe(suspect)}: nothing moved with it"
        )

    def lines(self, snapshot: Snapshot, weighed: Weighed, own: Sequence[Suspect]) -> list[Evidence]:
        """Evidence beside what the investigator adds; ids are given later, in the order of the walk."""
        lines = []
        for suspect in own[:6]:
            change = suspect.change
            how = f"served to {suspect.requests:,} requests" if suspect.served else "known by its date only"
            author = change.author.name or change.author.email or "unknown"
            text = f"{describe(suspect)}, introduced {span_of(suspect)}, author {author}, {how} ({change.source or 'journal'})"
            lines.append(Evidence(id="", text=text, n=suspect.requests, link=change.reference))
        if not own:
            seen = self.seen(weighed)
            if self.dimensions and weighed.table.requests:
                lines.append(
                    Evidence(
                        id="",
                        text=f"{TITLES[self.name]}: version recorded on {seen:.0%} of requests",
                        n=weighed.table.requests,
                    )
                )
        return lines


def describe(suspect: Suspect) -> str:
    change = suspect.change
    if change.before and change.after:
        return f"{change.artifact} {change.before} → {change.after}"
    return f"{change.artifact} {change.after or change.summary}".strip()


def span_of(suspect: Suspect) -> str:
    interval = suspect.change.introduced
    start, end = interval.earliest, interval.latest
    if interval.exact:
        return f"{end:%Y-%m-%d %H:%M} UTC"
    return (
        f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} UTC"
        if start.date() == end.date()
        else f"{start:%Y-%m-%d %H:%M}–{end:%Y-%m-%d %H:%M} UTC"
    )


def blame_line(suspect: Suspect, weighed: Weighed) -> str:
    names = [e.seed.signal for e in weighed.explanations if e.best == suspect.key]
    moved = ", ".join(weighed.steady[n].title if n in weighed.steady else n for n in names[:3])
    return f"{describe(suspect)} explains {moved or 'what moved'}"
