"""The gate: may this artifact be changed now? Publishing tools ask before they publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.freeze import ANONYMOUS, ANY, LIVE, Asked, Freeze, Pass
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import OTHER_SURFACES, SURFACES, TITLES
from triagebot.domain.people import Person
from triagebot.domain.times import format_time
from triagebot.errors import BadInput
from triagebot.triage.freeze.parts import Parts, note
from triagebot.triage.freeze.plan import artifacts_of

_LONGEST: Final = 200
_MOST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`held` are the freezes that shut it for these changes, `let` the passes that opened it."""

    service: str
    surface: str
    artifact: str
    held: tuple[Freeze, ...]
    let: tuple[Pass, ...] = ()

    @property
    def open(self) -> bool:
        return not self.held

    def line(self) -> str:
        """For a person who reads a pipeline's log."""
        what = f"{self.service} {self.surface}" + (f" {self.artifact}" if self.artifact else "")
        if self.open:
            by = f", let through by {self.let[0].by.name}" if self.let else ""
            return f"open: {what} may be changed{by}"
        one = self.held[0]
        end = format_time(one.expires_at.replace(microsecond=0)) if one.expires_at else "?"
        why = f" ({one.reason})" if one.reason else ""
        return (
            f"held: {what} is frozen by {one.by.name} until {end}{why}; {one.id}. An approver lets a change through: "
            f"/triage let {one.id} CHANGE, or triagebot freeze {one.id} --let CHANGE"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "open": self.open,
            "service": self.service,
            "surface": self.surface,
            "artifact": self.artifact or None,
            "line": self.line(),
            "held_by": [
                {
                    "id": one.id,
                    "incident": one.incident or None,
                    "by": one.by.name,
                    "reason": one.reason,
                    "until": format_time(one.expires_at) if one.expires_at else None,
                }
                for one in self.held
            ],
            "let_through_by": [{"change": one.change, "by": one.by.name} for one in self.let],
        }

    def as_check(self) -> Mapping[str, Any]:
        """The body of a check run: https://docs.github.com/rest/checks/runs#create-a-check-run (head_sha is the caller's)."""
        title = (
            f"{TITLES.get(self.surface, self.surface)} may be changed" if self.open else f"Frozen: {self.held[0].id}"
        )
        return {
            "name": f"triagebot freeze: {self.service} {self.surface}",
            "status": "completed",
            "conclusion": "success" if self.open else "failure",
            "output": {"title": title, "summary": self.line()},
        }


class Gate:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ask(
        self, service: str, surface: str, artifact: str = "", changes: Sequence[str] = (), asker: str = ""
    ) -> Answer:
        """Raises NotFound and BadInput for names that nobody has: a misspelt question is never answered "open".

        Without `changes` no pass opens it; with several, each must be let through.
        """
        found = self._parts.service(service)
        if surface not in (*SURFACES, *OTHER_SURFACES):
            raise BadInput(
                f"{cut(clean(surface), 60)} is no surface; there is {', '.join((*SURFACES, *OTHER_SURFACES))}"
            )
        asker = cut(clean(asker), 60) or ANONYMOUS
        # An artifact that triagebot does not know may be a misspelt one: then whatever holds the surface holds it.
        artifact = artifact if artifact in artifacts_of(self._parts, found).get(surface, ()) else ""
        asked = tuple(dict.fromkeys(c for change in changes[:_MOST] if (c := cut(clean(change), _LONGEST))))
        now = self._parts.clock.now()
        shut = [
            freeze
            for freeze in await self._parts.book.listed(service=found.name, status=LIVE, limit=1_000)
            if freeze.live(now) and freeze.shuts(surface, artifact)
        ]
        passes = [[freeze.lets(change) for change in asked] for freeze in shut]
        whole = len(changes) <= _MOST and bool(asked)
        held = [freeze for freeze, its in zip(shut, passes, strict=True) if not (whole and all(its))]
        let = [(freeze, its[0]) for freeze, its in zip(shut, passes, strict=True) if its and its[0] and not held]
        through = tuple(one for _, one in let)
        answer = Answer(service=found.name, surface=surface, artifact=artifact, held=tuple(held), let=through)
        await self._record(answer, asker, asked, let)
        return answer

    async def _record(
        self, answer: Answer, asker: str, changes: Sequence[str], let: Sequence[tuple[Freeze, Pass]]
    ) -> None:
        """Who asks is what makes a gate hold. What was refused or let through is on record; an open gate is not news."""
        parts = self._parts
        before = await parts.book.askers(answer.service) if answer.held and not changes else []
        artifact, tool = answer.artifact or ANY, Person(name=asker, email="")
        await parts.book.ask(answer.service, answer.surface, artifact, asker, parts.clock.now(), open_=answer.open)
        told = {"surface": answer.surface, "artifact": artifact, "changes": list(changes[:20])}
        for freeze in answer.held:
            if not _refused_already(before, answer, asker, freeze):
                await parts.audit.enter(note(freeze, "refused", tool, "gate", **told))
        for freeze, one in let:
            await parts.audit.enter(note(freeze, "passed", tool, "gate", **told, let_by=one.by.name))


def _refused_already(before: Sequence[Asked], answer: Answer, asker: str, freeze: Freeze) -> bool:
    since = freeze.confirmed_at
    return any(
        one.asker == asker
        and one.surface == answer.surface
        and one.artifact == (answer.artifact or ANY)
        and not one.open
        and since is not None
        and one.at >= since
        for one in before
    )
