"""A freeze: changes of a service's surfaces held for a while. It is no kill switch: what runs goes on as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from triagebot.domain.people import Person

FreezeStatus = Literal["draft", "applying", "in_force", "ending", "lifted", "expired", "dropped"]
# planned: in the preview. held: changes are refused, as was seen by looking. closed: the gate refuses, and nothing is known to
# ask it. pinned: stands at `target`, as was seen by looking. moved: stood there once. failed: tried, and it did not hold.
# cannot: there is no way. elsewhere: another freeze holds it already. released: given free. left: not put back.
HoldState = Literal["planned", "held", "closed", "pinned", "moved", "failed", "cannot", "elsewhere", "released", "left"]
GATE: Final = "gate"
LIVE: Final = ("applying", "in_force")  # while the gate is shut, until the expiry
DRAFT_LIVES: Final = timedelta(minutes=30)
SHORTEST: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(days=7)
USUAL: Final = timedelta(hours=4)
ANY: Final = "*"
ANONYMOUS: Final = "somebody"  # who asks the gate without saying who they are: no proof that a tool asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a freeze does to one artifact in one way: `kind` is `gate`, or what pins it (`mlflow`, `lancedb` …).

    `before` is what stood there, `target` what a pin keeps it at; `restore` says whether lifting puts `before` back. `seconds`
    from the confirmation until it was seen to hold; `said` is a line for people: what holds it, or why nothing does.
    """

    surface: str
    artifact: str
    kind: str
    state: HoldState = "planned"
    before: str = ""
    target: str = ""
    restore: bool = False
    seconds: float | None = None
    said: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.surface, self.artifact, self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A change that an approver lets through a freeze. `change` is a commit, a version or a build, as the gate is asked."""

    change: str
    by: Person
    reason: str
    at: datetime

    def lets(self, change: str) -> bool:
        """The same name, or one commit written short and long (seven digits at least)."""
        mine, asked = self.change.lower(), change.lower()
        if mine == asked:
            return True
        short, long = sorted((mine, asked), key=len)
        return len(short) >= 7 and not set(long) - set("0123456789abcdef") and long.startswith(short)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """`id` is `FRZ-<n>`. `warnings` are the clashes that the preview told, `snapshot` the evidence taken before it was applied,
    `place` the message that tells of it where no incident has a thread.
    """

    id: str
    service: str
    incident: str
    status: FreezeStatus
    reason: str
    by: Person
    made_at: datetime
    span: timedelta
    confirmed_at: datetime | None = None
    expires_at: datetime | None = None
    warned_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: Person | None = None
    warnings: tuple[str, ...] = ()
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)
    holds: tuple[Hold, ...] = ()
    passes: tuple[Pass, ...] = ()

    @property
    def surfaces(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(hold.surface for hold in self.holds))

    def live(self, at: datetime) -> bool:
        """Whether the gate is shut: the row's own expiry decides, whether or not anybody has worked on it since."""
        return self.status in LIVE and self.expires_at is not None and at < self.expires_at

    def shuts(self, surface: str, artifact: str = "") -> bool:
        """Whether its gate covers the artifact; asked without one, whether it covers anything of the surface."""
        return any(
            hold.kind == GATE
            and hold.state not in ("cannot", "elsewhere", "released")
            and hold.surface == surface
            and (not artifact or hold.artifact in (ANY, artifact))
            for hold in self.holds
        )

    def lets(self, change: str) -> Pass | None:
        return next((one for one in self.passes if change and one.lets(change)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A tool that asked the gate: when last, and whether it was let through then."""

    surface: str
    artifact: str
    asker: str
    at: datetime
    open: bool
