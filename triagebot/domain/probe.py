"""Probes: fixed prompts asked again and again under a model's unchanged name, and what their answers looked like.

Answers are kept as features and hashes, never as texts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from triagebot.domain.times import format_time

ProbeKind = Literal["reference", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePrompt:
    """`expect` is the exact answer, "" where none is known; `json`: the answer should be JSON."""

    id: str
    prompt: str
    system: str = ""
    expect: str = ""
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """What is asked, of which model, how often.

    `artifact` is the model alias that it watches. `repeats` answers a prompt and look, `reference` answers a prompt for the
    reference. `tokens_a_day` bounds input and output of a UTC day, counted with `max_tokens` before asking. `api_key` is as
    written in triagebot.yaml (`env:NAME`); `temperature` None: the model's own.
    """

    artifact: str
    model: str
    prompts: tuple[ProbePrompt, ...]
    base_url: str = ""
    api_key: str = ""
    temperature: float | None = None
    max_tokens: int = 400
    repeats: int = 10
    reference: int = 20
    every: timedelta = timedelta(hours=6)
    tokens_a_day: int = 500_000

    @property
    def set(self) -> str:
        """Identity of what is asked: answers to another set, or of another model, are never compared."""
        asked = [[p.id, p.prompt, p.system, p.expect, p.json] for p in self.prompts]
        told = json.dumps([self.model, self.temperature, self.max_tokens, asked])
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def most_tokens(self, answers: int) -> int:
        """At most spent on `answers` answers a prompt: four characters a token, and every answer as long as it may be."""
        asked = sum((len(p.prompt) + len(p.system)) // 3 + 20 for p in self.prompts)
        return answers * (asked + self.max_tokens * len(self.prompts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer as a client gives it. `logprob` is the first token's, where the gateway tells it."""

    text: str
    served: str
    stop: str
    input_tokens: int
    output_tokens: int
    logprob: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """One answer to one prompt: its features (those that apply) and the hash of its text."""

    prompt: str
    hash: str
    features: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {"prompt": self.prompt, "hash": self.hash, "features": dict(self.features)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A feature of a look beside the reference's: means, p-value and what is left of it among all features (q)."""

    feature: str
    reference: float
    look: float
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRun:
    """Answers of one round. Of a look `p_value` is over all features together, None where there was no reference.

    `id` is given by the store. `failed` are answers that did not come.
    """

    service: str
    artifact: str
    set: str
    kind: ProbeKind
    at: datetime
    served: tuple[str, ...]
    answers: tuple[ProbeAnswer, ...]
    tokens: int
    failed: int = 0
    reference: int = 0
    p_value: float | None = None
    compared: tuple[Compared, ...] = field(default_factory=tuple)
    id: int = 0

    def as_json(self) -> dict[str, Any]:
        """For people: without the single answers."""
        return {
            "id": self.id,
            "kind": self.kind,
            "at": format_time(self.at),
            "artifact": self.artifact,
            "set": self.set,
            "served": list(self.served),
            "answers": len(self.answers),
            "failed": self.failed,
            "tokens": self.tokens,
            "reference": self.reference or None,
            "p_value": self.p_value,
            "features": {
                c.feature: {"reference": c.reference, "look": c.look, "p": c.p_value, "q": c.q_value}
                for c in self.compared
            },
        }
