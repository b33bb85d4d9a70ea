"""Small simulated panels with a known truth, for the tests of attribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triagebot.attribution.hypotheses import Candidate
from triagebot.attribution.panel import Panel, build_panel
from triagebot.domain.signal import Signal

DAY = 86400.0
RATE = Signal(name="failed", title="failures", sql="1", family="error")
SIZE = Signal(name="size", title="size", sql="1", unit="tokens", bad="both", family="content")
OTHER = Signal(name="other", title="other", sql="1", family="content")
SIGNALS = (RATE, SIZE, OTHER)


@dataclass
class World:
    at: np.ndarray
    region: np.ndarray
    rng: np.random.Generator

    def panel(self, effect: np.ndarray, *, base: float = 0.03, aware: bool = True) -> Panel:
        """`effect` is added to the failure rate of each request; `aware`: regions are taken out beforehand."""
        n = self.at.size
        values = {
            "failed": (self.rng.random(n) < base + effect).astype(float),
            "size": np.exp(self.rng.normal(5, 1, n)),
            "other": (self.rng.random(n) < 0.2).astype(float),
        }
        strata = np.stack([self.region == 1, self.region == 2], axis=1).astype(float)[:, : 2 * aware]
        conversation = (np.arange(n) // 3).astype(np.int32)
        codes = {"region": self.region, "conversation": conversation}
        labels = {"region": ("a", "b", "c"), "conversation": tuple(str(i) for i in range(conversation.max() + 1))}
        return build_panel(self.at, np.ones(n), codes, labels, values, SIGNALS, strata)


def world(seed: int, n: int = 4000, days: float = 4.0) -> World:
    rng = np.random.default_rng(seed)
    return World(np.sort(rng.uniform(0, days * DAY, n)), rng.integers(0, 3, n).astype(np.int32), rng)


def candidate(key: str, exposure: np.ndarray, *, moves: bool = True) -> Candidate:
    return Candidate(
        key=key,
        node="prompt_version",
        exposure=exposure.astype(float)[:, None],
        variants=("",),
        averaged=False,
        prior=1.0,
        moves=lambda _: 1.0 if moves else None,
    )
