"""Scheduled probes: fixed prompts through the team's own gateway, compared with a frozen reference, told to the journal.

"The alias did not move but the model did" is seen nowhere else. A look that differs is an observation of the model alias with
another fingerprint, so that the walk reads it like any other change; one that does not differ says that it was looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from triagebot.attribution.twosample import Sample, p_value, q_values, simes
from triagebot.domain.change import Observation
from triagebot.domain.incident import Work
from triagebot.domain.probe import Answered, Compared, ProbeAnswer, ProbeKind, ProbePlan, ProbePrompt, ProbeRun
from triagebot.domain.service import Config, Service
from triagebot.domain.times import format_time
from triagebot.errors import BadInput, NotFound, Refused, SourceFailed, TriagebotError
from triagebot.ports import Asker, Clock, Journal, Ledger, ProbeStore
from triagebot.signals import phrases
from triagebot.triage.offline import PROBE_LEVEL

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
# With more answers missing than this a round says too little to be kept.
MOST_FAILED: Final = 0.2
USUAL: Final = "usual_answer"
# The catalogue's phrases are written for ClickHouse, where a backslash is escaped once more.
_REFUSAL: Final = re.compile(phrases.REFUSAL.replace("\\\\", "\\"))
_CUT: Final = frozenset({"max_tokens", "length"})


def features_of(prompt: ProbePrompt, answer: Answered) -> dict[str, float]:
    """What an answer looks like, without what it says. A feature that does not apply is left out."""
    text = answer.text.strip()
    found = {
        "characters": float(len(text)),
        "output_tokens": float(answer.output_tokens),
        "refusal": float(bool(_REFUSAL.search(text[:2000]))),
        "code_fence": float("```" in text),
        "truncated": float(answer.stop in _CUT),
    }
    if prompt.expect:
        found["exact_answer"] = float(text == prompt.expect)
    if prompt.json:
        found["json_valid"] = float(_is_json(text))
    if answer.logprob is not None and math.isfinite(answer.logprob):
        found["first_token_logprob"] = answer.logprob
    return found


def compare(reference: Sequence[ProbeAnswer], look: Sequence[ProbeAnswer]) -> tuple[float | None, tuple[Compared, ...]]:
    """(p-value over all features, each feature), None where nothing could be compared."""
    both = [*reference, *look]
    is_look = np.repeat([False, True], [len(reference), len(look)])
    ids = {name: n for n, name in enumerate(dict.fromkeys(answer.prompt for answer in both))}
    prompt = np.array([ids[answer.prompt] for answer in both], dtype=np.int64)
    columns = {
        name: np.array([answer.features.get(name, math.nan) for answer in both])
        for name in sorted({name for answer in both for name in answer.features})
    }
    columns[USUAL] = _usual(both)
    samples = {
        name: usable
        for name, values in columns.items()
        if (usable := Sample(values, prompt, is_look).usable()) is not None
    }
    found = {name: p_value(sample) for name, sample in samples.items()}
    adjusted = q_values(found)
    told = [
        Compared(
            feature=name,
            reference=float(f"{samples[name].values[~samples[name].look].mean():.4g}"),
            look=float(f"{samples[name].values[samples[name].look].mean():.4g}"),
            p_value=float(f"{found[name]:.4g}"),
            q_value=float(f"{adjusted[name]:.4g}"),
        )
        for name in sorted(found, key=lambda name: found[name])
    ]
    return (float(f"{simes(list(found.values())):.4g}") if found else None), tuple(told)


def _usual(answers: Sequence[ProbeAnswer]) -> np.ndarray:
    """Whether an answer is its prompt's most common one, found over both sides alike, so that labels stay exchangeable."""
    counts: dict[str, Counter[str]] = {}
    for answer in answers:
        counts.setdefault(answer.prompt, Counter())[answer.hash] += 1
    usual = {prompt: min(c, key=lambda h: (-c[h], h)) for prompt, c in counts.items() if max(c.values()) > 1}
    return np.array([float(usual[a.prompt] == a.hash) if a.prompt in usual else math.nan for a in answers])


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """`askers` has a client for each service that has a plan."""

    config: Config
    store: ProbeStore
    journal: Journal
    ledger: Ledger
    clock: Clock
    askers: Mapping[str, Asker]

    def service(self, name: str) -> tuple[Service, ProbePlan]:
        service = self.config.service_for(name)
        if service is None:
            raise NotFound(f"{name[:60]!r} is no service of triagebot.yaml")
        if service.probe is None:
            raise NotFound(f"{service.name} has no `probe` in triagebot.yaml: what to ask of which model")
        return service, service.probe

    async def ask(self, name: str, kind: ProbeKind) -> None:
        """Puts a round into the queue."""
        service, _ = self.service(name)
        await self.enqueue(service.name, kind, format_time(self.clock.now()))

    async def enqueue(self, service: str, kind: ProbeKind, at: str) -> bool:
        return await self.ledger.enqueue(
            "probe", service, dedupe=f"probe:{service}:{kind}:{at}", payload={"kind": kind}
        )

    async def due(self) -> None:
        """Puts a look into the queue for every service whose last round is as long ago as its plan says."""
        now = self.clock.now()
        for service in self.config.services.values():
            plan = service.probe
            if plan is None or await self.store.reference(service.name, plan.artifact, plan.set) is None:
                continue
            last = await self.store.runs(service.name, limit=1)
            if not last or now - last[0].at >= plan.every:
                slot = int(now.timestamp() // plan.every.total_seconds())
                await self.enqueue(service.name, "look", f"slot {slot}")

    async def work(self, work: Work) -> None:
        """The handler of the queue. What cannot be done is told once and not tried again until it is due."""
        await self.round(work.ref, "reference" if work.payload.get("kind") == "reference" else "look")

    async def round(self, name: str, kind: ProbeKind) -> ProbeRun:
        """Asks every prompt, compares, stores and tells the journal. Raises Refused where the day's tokens are spent."""
        service, plan = self.service(name)
        now = self.clock.now()
        await self._afford(service, plan, plan.reference if kind == "reference" else plan.repeats, now)
        answers, served, tokens, failed = await self._answers(
            service, plan, plan.reference if kind == "reference" else plan.repeats
        )
        frozen = None if kind == "reference" else await self.store.reference(service.name, plan.artifact, plan.set)
        told: tuple[float | None, tuple[Compared, ...]] = (None, ())
        if frozen is not None:
            told = await asyncio.to_thread(compare, frozen.answers, answers)
        run = ProbeRun(
            service=service.name,
            artifact=plan.artifact,
            set=plan.set,
            kind=kind,
            at=now,
            served=served,
            answers=tuple(answers),
            tokens=tokens,
            failed=failed,
            reference=frozen.id if frozen else 0,
            p_value=told[0],
            compared=told[1],
        )
        run = replace(run, id=await self.store.save(run))
        if kind == "reference" or frozen is not None:
            await self.journal.record([observation(run, plan)])
        return run

    async def status(self, name: str) -> dict[str, Any]:
        service, plan = self.service(name)
        frozen = await self.store.reference(service.name, plan.artifact, plan.set)
        runs = await self.store.runs(service.name, limit=10)
        day = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return {
            "service": service.name,
            "artifact": plan.artifact,
            "model": plan.model,
            "prompts": len(plan.prompts),
            "set": plan.set,
            "every_seconds": int(plan.every.total_seconds()),
            "tokens_today": await self.store.spent(service.name, day),
            "tokens_a_day": plan.tokens_a_day,
            "most_tokens_a_look": plan.most_tokens(plan.repeats),
            "level": PROBE_LEVEL,
            "reference": frozen.as_json() if frozen else None,
            "runs": [run.as_json() for run in runs],
        }

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _afford(self, service: Service, plan: ProbePlan, repeats: int, now: datetime) -> None:
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        spent, wanted = await self.store.spent(service.name, day), plan.most_tokens(repeats)
        if spent + wanted > plan.tokens_a_day:
            raise Refused(
                f"a round of {service.name}'s probe may cost {wanted:,} tokens; {spent:,} of {plan.tokens_a_day:,} a day "
                f"are spent, and the next day begins in {_hours(day + timedelta(days=1) - now)}"
            )

    async def _answers(
        self, service: Service, plan: ProbePlan, repeats: int
    ) -> tuple[list[ProbeAnswer], tuple[str, ...], int, int]:
        asker, gate = self.askers[service.name], asyncio.Semaphore(AT_ONCE)
        asked = [prompt for _ in range(repeats) for prompt in plan.prompts]

        async def one(prompt: ProbePrompt) -> Answered | TriagebotError:
            async with gate:
                try:
                    return await asker.answer(prompt, plan)
                except SourceFailed as error:
                    return error

        got = await asyncio.gather(*(one(prompt) for prompt in asked))
        answers = [(p, a) for p, a in zip(asked, got, strict=True) if isinstance(a, Answered)]
        errors = [a for a in got if isinstance(a, TriagebotError)]
        tokens = sum(a.input_tokens + a.output_tokens for _, a in answers)
        if len(errors) > MOST_FAILED * len(asked):
            raise SourceFailed(
                f"{len(errors)} of {len(asked)} answers of {service.name}'s probe did not come: {errors[0]}",
                permanent=True,
            )
        kept = [ProbeAnswer(prompt=p.id, hash=_hash(a.text), features=features_of(p, a)) for p, a in answers]
        return kept, tuple(sorted({a.served for _, a in answers})), tokens, len(errors)


def observation(run: ProbeRun, plan: ProbePlan) -> Observation:
    """A round as the model alias's node reads it: one fingerprint while answers are those of the reference, another since.

    Each reference is a source of its own, so that freezing a new one is no change.
    """
    reference = run.id if run.kind == "reference" else run.reference
    drifted = run.p_value is not None and run.p_value < PROBE_LEVEL
    moved = [c for c in run.compared if c.q_value < 0.05]
    probe = {
        "set": plan.set,
        "n": len(run.answers),
        "p_value": run.p_value,
        "test": "permutation within prompts, exact for events, combined by Simes",
        **{c.feature: [c.reference, c.look] for c in moved[:5]},
    }
    detail = {"probe": probe, "served": list(run.served), "model": plan.model}
    told = hashlib.sha256(json.dumps([run.service, plan.set, drifted]).encode()).hexdigest()
    return Observation(
        observed_at=run.at,
        service=run.service,
        surface="model_alias",
        artifact=run.artifact,
        fingerprint=f"sha256:{told}",
        label="other answers" if drifted else "as the reference",
        detail=detail,
        source=f"probe:{reference}",
    )


def request_of(value: Any) -> ProbeKind:
    """What a request names. Raises BadInput."""
    if value == "run":
        return "look"
    if value == "freeze-reference":
        return "reference"
    raise BadInput("do is neither run nor freeze-reference")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _hash(text: str) -> str:
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()[:16]


def _hours(span: timedelta) -> str:
    return f"{max(1, round(span.total_seconds() / 3600))} h"
