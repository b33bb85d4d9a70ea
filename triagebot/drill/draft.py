"""The draft of one incident: a world, its traffic, the changes that came in, what they did, and what an expert can say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from triagebot.drill.arrays import DAY, Floats, Ints, Mask, Rng, chance, log_uniform, one, rng_for, sigmoid
from triagebot.drill.artifacts import Artifact, Change, artifacts_of
from triagebot.drill.knobs import KNOBS, Effect, Quiet
from triagebot.drill.rollouts import KINDS, Rollout, roll_out, slice_of
from triagebot.drill.traffic import BATCH, EVAL, Traffic, build_traffic, job_runs
from triagebot.drill.world import Wants, World, build_world

# An expert needs the data to prefer the cause over a rival by this much (twice the log-likelihood difference).
ENOUGH_TO_TELL_APART = 30.0
LEAST_Z = 7.0


class Redraw(Exception):
    """The draft cannot show what its family is about; the next attempt draws another world."""


@dataclass
class Truth:
    """Something that really happened: to `mask`, compared within `ground`. `info` is what one request of `mask` tells (its
    share of the squared z). `knob` and `sign` say what moved, where one knob did.
    """

    mask: Mask
    ground: Mask
    info: float
    knob: str = ""
    sign: int = 1


def _paged_at(world: World, at: float | None) -> World:
    """The same world at another time."""
    if at is None:
        return world
    later = at - world.page_at
    return replace(world, page_at=at, start=world.start + later, end=world.end + later)


@dataclass
class Expected:
    status: str
    causes: list[dict[str, Any]]
    notes: str
    decidable: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


class Draft:
    """Families write on it in order: changes and effects, then what is expected and what the page says."""

    def __init__(
        self, family: str, seed: int, attempt: int, wants: Wants, requests: int, page_at: float | None = None
    ) -> None:
        self.rng = rng_for(family, seed, attempt, "family")
        self.world = _paged_at(build_world(rng_for(family, seed, attempt, "world"), wants), page_at)
        world_rng = rng_for(family, seed, attempt, "traffic")
        low, high = wants.requests
        count = int(np.clip(requests * wants.size * world_rng.uniform(0.6, 1.15), min(low, requests), high))
        self.traffic: Traffic = build_traffic(world_rng, self.world, count)
        if self.world.batch:
            self._add_batch(world_rng)
        self.seeds = (family, seed, attempt)
        self.wants = wants
        self.recorded = dict(self.world.recorded)
        self.effects: list[Effect] = []
        self.changes: list[Change] = []
        self.events: list[dict[str, Any]] = []
        self.observations: list[dict[str, Any]] = []
        self.owners: list[dict[str, Any]] = []
        self.truths: list[Truth] = []
        self.expected: Expected | None = None
        self.titles: Sequence[str] = ()
        self.hour_of_page: float | None = None
        self.suite_runs_until: float | None = None
        self.suite_effect: Callable[[float], float] | None = None
        self.suite_saturated = False
        self.options: dict[str, Any] = {}
        self.reset()

    def _add_batch(self, rng: Rng) -> None:
        nights = max((self.world.end - self.world.start) / DAY, 1)
        run = max(int(len(self.traffic) * rng.uniform(0.03, 0.08) / nights), 2)
        jobs = job_runs(
            rng,
            self.world,
            start_minute=float(rng.integers(5, 240)),
            minutes=float(rng.uniform(8, 30)),
            per_run=run,
            workload=BATCH,
            key=len(self.world.keys) - 1,
        )
        self.traffic = self.traffic.joined(jobs)

    def reset(self) -> None:
        """(Re)derive what hangs on the traffic: call after adding requests, before any effect."""
        family, seed, attempt = self.seeds
        rng = rng_for(family, seed, attempt, "quiet")
        t, w = self.traffic, self.world
        self.n = len(t)
        self.quiet = Quiet(rng, w, t)
        self.before_page: Mask = t.at < w.page_at
        use = {"agent": 0.9, "prose": 0.4, "code": 0.3, "json": 0.0, "label": 0.0}[w.flavour]
        by_intent = np.clip(use + rng.normal(0, 0.12, len(w.intents)), 0.05, 0.97)
        self.uses_tool: Mask = (rng.random(self.n) < by_intent[t.intent]) & bool(w.tools)
        favourite = rng.integers(0, max(len(w.tools), 1), len(w.intents))
        stray = rng.integers(0, max(len(w.tools), 1), self.n)
        self.tool: Ints = np.where(rng.random(self.n) < 0.75, favourite[t.intent], stray)
        self.retrieves: Mask = (rng.random(self.n) < 0.88) & (w.corpus is not None)
        self.artifacts = artifacts_of(rng_for(family, seed, attempt, "artifacts"), w, self)

    # -- who and when ---------------------------------------------------------------------------------------------

    def everyone(self) -> Mask:
        return np.ones(self.n, dtype=bool)

    def person(self) -> dict[str, str]:
        chosen = one(self.rng, [p for p in self.world.people if p.active])
        return {"name": chosen.name, "email": chosen.email}

    def artifact(self, surface: str) -> Artifact:
        return next(a for a in self.artifacts if a.surface == surface)

    def onset(
        self, where: Mask | None = None, *, least: int = 28, most: float = 0.55, least_before: int = 250
    ) -> float:
        """A time with a random number of requests of `where` between it and the page, from `least` to a share `most`."""
        times = self.traffic.at[(self.everyone() if where is None else where) & self.before_page]
        top = min(len(times) * most, len(times) - least_before)
        if top < least:
            raise Redraw
        behind = log_uniform(self.rng, least, top)
        edge = times[len(times) - int(behind) - 1]
        return float(edge + self.rng.uniform(0, 30))

    def slice(self, kind: str | None = None, *, least: float = 0.06, most: float = 0.6) -> tuple[Mask, dict[str, str]]:
        """Draw a slice of the traffic whose share lies between `least` and `most`, with the scope that names it."""
        drawn = slice_of(self.rng, self.world, self.traffic, kind, (least, most))
        if drawn is None:
            raise Redraw
        return drawn

    def rollout(self, at: float, kind: str | None = None, where: Mask | None = None) -> Rollout:
        """Exposure from `at`: at once, by region, by share of tenants or conversations, or by conversation birth."""
        kind = kind or one(self.rng, KINDS)
        if kind == "one_region":
            mask, scope = self.slice("region", least=0.1, most=0.8)
            base = mask if where is None else mask & where
            return Rollout(base & (self.traffic.at >= at), at, scope, kind, ((at, scope),))
        return roll_out(self.rng, self.world, self.traffic, at, kind, self.everyone() if where is None else where)

    # -- what a change does ---------------------------------------------------------------------------------------

    def predictor(self, knob: str) -> Floats:
        value = self.quiet.base[knob].copy()
        for effect in self.effects:
            if effect.knob == knob:
                value += np.where(effect.mask, effect.delta, 0.0)
        return value

    def possible(self, knob: str) -> bool:
        """Whether answers of this flavour can do it at all."""
        if knob == "rationale":
            return self.world.flavour in ("json", "label") or bool(self.options.get("rationale"))
        return not KNOBS[knob].flavours or self.world.flavour in KNOBS[knob].flavours

    def applies(self, knob: str) -> Mask:
        """Requests on which the knob can show at all, and be seen in the spans."""
        needs, w = KNOBS[knob].needs, self.world
        everyone, nobody = self.everyone(), ~self.everyone()
        if not self.possible(knob):
            return nobody
        if needs == "tools":
            seen = w.content == "full" or knob not in ("arg_invalid", "type_drift")
            return self.uses_tool if seen else nobody
        if needs == "corpus":
            return self.retrieves
        known = {
            "": True,
            "label": w.flavour == "label" and w.content != "none",
            "output": w.content != "none",
            "scores": w.scores,
            "feedback": w.feedback,
            "cache": self.recorded["cache"] > 0,
        }[needs]
        return everyone if known else nobody

    def effect(
        self,
        knob: str,
        mask: Mask,
        *,
        sign: int = 1,
        z: float | None = None,
        seen: float = 1.0,
        most: float = 0.9,
        among: Mask | None = None,
        primary: bool = True,
    ) -> float:
        """Move a knob for `mask` so far that before against after stands out by about `z` standard errors.

        `seen` is the share of requests on which the signal is recorded; `among` the slice that it is compared within.
        Raises Redraw where no size that is plausible gives enough. Returns the delta.
        """
        z = z if z is not None else log_uniform(self.rng, LEAST_Z + 1.5, 32.0)
        if knob == "json_invalid":
            z *= 1.5  # refusals and preambles do not parse either, and blur it
        ground = self.applies(knob) & self.before_page
        if among is not None:
            ground &= among
        exposed, rest = ground & mask, ground & ~mask
        n1, n0 = int(exposed.sum()) * seen, int(rest.sum()) * seen
        if n1 < 20 or n0 < 100:
            raise Redraw
        size = n1 * n0 / (n1 + n0)
        spec, predictor = KNOBS[knob], self.predictor(knob)
        if not spec.rate:
            delta = min(z * spec.sd * 1.1 / np.sqrt(size), spec.cap * spec.sd) * sign
            reached = abs(delta) / (spec.sd * 1.1) * np.sqrt(size)
        else:
            delta, reached = _logit_shift(predictor[exposed], sign, z, size, most)
        if z >= LEAST_Z and reached < LEAST_Z:
            raise Redraw
        self.effects.append(Effect(knob, mask, delta))
        if primary:
            self.truths.append(Truth(mask & self.applies(knob), ground, reached**2 / max(size, 1) * seen, knob, sign))
        return float(delta)

    def side_effect(self, knob: str, mask: Mask, delta: float | Floats) -> None:
        """A known shift that is not what the page is about."""
        self.effects.append(Effect(knob, mask, delta))

    def tells_apart(self, mask: Mask, *, least: float = ENOUGH_TO_TELL_APART) -> bool:
        """Whether the data can tell every true effect from one that follows `mask`."""
        return all(t.info * float(((mask != t.mask) & t.ground).sum()) >= least for t in self.truths)

    def know(self, mask: Mask, info: float, ground: Mask | None = None) -> None:
        """A truth that no single knob tells: `mask` against the rest of `ground` before the page."""
        self.truths.append(Truth(mask, self.before_page if ground is None else ground & self.before_page, info))

    # -- changes ---------------------------------------------------------------------------------------------------

    def introduce(
        self,
        artifact: Artifact,
        rollout: Rollout,
        *,
        edit: Callable[[Any], Any] | None = None,
        summary: str = "",
        event: bool | None = None,
        until: float | None = None,
        harmless: bool = False,
        label: str | None = None,
    ) -> Change:
        """A new version of `artifact` for those of `rollout`; `until` is when it was taken back."""
        mask = rollout.mask & artifact.uses
        if until is not None:
            mask = mask & (self.traffic.at < until)
        default_event = {
            "code": 1.0,
            "prompt_version": 0.75,
            "tool_schemas": 0.4,
            "retrieval_corpus": 0.45,
            "model_alias": 0.2,
            "eval_freshness": 0.35,
        }.get(artifact.surface, 1.0)
        change = Change(
            artifact,
            rollout.at,
            mask,
            rollout.scope,
            rollout.stages,
            edit,
            summary or artifact.chore(self.rng),
            chance(self.rng, default_event) if event is None else event,
            self.person(),
            until,
            harmless,
            label,
        )
        self.changes.append(change)
        return change

    def cause(self, surface: str, rollout: Rollout, **options: Any) -> Change:
        """A change that is to blame: makes sure that a registry, an event or the spans show it, not always all three."""
        artifact = options.pop("artifact", None) or self.artifact(surface)
        change = self.introduce(artifact, rollout, **options)
        attribute = artifact.attribute
        partial = rollout.kind in ("share_ramp", "birth") or (rollout.kind != "step" and not change.event)
        told = artifact.told_by(self.world.page_at - change.at)
        if attribute and (partial or not (change.event or told)):
            self.recorded[attribute] = max(self.recorded[attribute], float(self.rng.choice([0.75, 1.0, 1.0])))
        if not attribute and not change.event:
            change.event = True
        return change

    def decoys(self, count: int | None = None, *, latest: bool | None = None, avoid: Sequence[str] = ()) -> None:
        """Real but harmless changes that the data can tell from the truth, the latest before the page among them."""
        from triagebot.drill.decoys import add_decoys  # noqa: PLC0415 - decoys write on a draft

        add_decoys(self, int(self.rng.integers(2, 6)) if count is None else count, latest=latest, avoid=avoid)

    # -- what an expert says ---------------------------------------------------------------------------------------

    def expect(
        self, status: str, *causes: dict[str, Any], notes: str, decidable: bool | None = None, **extra: Any
    ) -> None:
        decided = status != "undetermined" if decidable is None else decidable
        self.expected = Expected(status, list(causes), notes, decided, extra)

    def blame(self, *changes: Change, notes: str) -> None:
        """These changes and nothing else: `implicated` where one is on the five surfaces, else `none_of_five`."""
        status = "none_of_five" if all(c.artifact.surface == "code" for c in changes) else "implicated"
        self.expect(status, *({"change": change} for change in changes), notes=notes)

    def jobs(self, workload: int = EVAL, **options: Any) -> None:
        """Add runs of an own job to the traffic; call before any effect."""
        self.traffic = self.traffic.joined(job_runs(self.rng, self.world, workload=workload, **options))
        self.reset()

    def thin(self, kept: Mask) -> None:
        """Drop requests, so that what is left seems to have grown; call before any effect."""
        self.traffic = self.traffic.where(kept)
        self.reset()


def _logit_shift(base: Floats, sign: int, z: float, size: float, most: float) -> tuple[float, float]:
    """The shift on the logit scale that gives `z`, bounded so that the mean stays within [1 - most, most]; with what it reaches."""
    quiet = float(sigmoid(base).mean())
    best, reached = 0.0, 0.0
    for delta in np.linspace(0.15, 8.0, 80):
        after = float(sigmoid(base + sign * delta).mean())
        if (sign > 0 and after > most) or (sign < 0 and after < min(0.02, quiet / 4)):
            break
        middle = (quiet + after) / 2
        best, reached = sign * float(delta), abs(after - quiet) * float(np.sqrt(size / (middle * (1 - middle))))
        if reached >= z:
            break
    return best, reached
