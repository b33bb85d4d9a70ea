"""Sizes with intervals: do they cover what was put in, and is nothing told where nothing is?"""

import numpy as np
import pytest

from triagebot.attribution.panel import build_panel
from triagebot.attribution.shift import shifts
from triagebot.domain.signal import Signal

N = 3000
RATE = Signal(name="refusal", title="refusals", sql="", unit="rate")
LENGTH = Signal(name="out_chars", title="output length", sql="", unit="characters", bad="both")
SCORE = Signal(name="score", title="score", sql="", unit="score", bad="down")


def panel(values, signals=(RATE, LENGTH, SCORE), strata=None):
    codes = {"region": np.zeros(N, dtype=np.int32)}
    strata = np.zeros((N, 0)) if strata is None else strata
    return build_panel(np.arange(float(N)), np.ones(N), codes, {"region": ("eu",)}, values, signals, strata)


def world(rng, exposure, *, refusal=0.0, factor=1.0, score=0.0, confounder=None):
    extra = 0 if confounder is None else 0.15 * confounder
    return {
        "refusal": (rng.random(N) < 0.05 + refusal * exposure + extra).astype(float),
        "out_chars": np.round(np.exp(rng.normal(5, 0.5, N)) * factor**exposure),
        "score": rng.normal(0.8, 0.1, N) + score * exposure,
    }


def test_sizes_are_in_the_signals_own_units():
    rng = np.random.default_rng(1)
    exposure = (rng.random(N) < 0.4).astype(float)
    found = {
        s.signal: s for s in shifts(panel(world(rng, exposure, refusal=0.1, factor=1.5, score=-0.05)), exposure).found
    }
    assert found["refusal"].difference == pytest.approx(0.1, abs=0.03)
    assert found["out_chars"].factor
    assert found["out_chars"].difference == pytest.approx(1.5, abs=0.08)
    assert found["score"].difference == pytest.approx(-0.05, abs=0.02)
    assert found["score"].z < 0 < found["refusal"].z
    assert found["refusal"].n_having == exposure.sum()


def test_intervals_cover_the_truth():
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        exposure = (rng.random(N) < 0.3).astype(float)
        found = shifts(panel(world(rng, exposure, refusal=0.12, factor=1.3)), exposure).found
        truth = {"refusal": 0.12, "out_chars": 1.3}
        covered += [s.interval[0] <= truth[s.signal] <= s.interval[1] for s in found if s.signal in truth]
    assert len(covered) >= 110
    assert np.mean(covered) >= 0.9


def test_where_nothing_differs_hardly_anything_is_told():
    told = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        exposure = (rng.random(N) < 0.3).astype(float)
        told += bool(shifts(panel(world(rng, exposure)), exposure).found)
    assert told <= 9  # 5% of 60 are 3; more than 9 come by chance once in a thousand times


def test_what_was_adjusted_for_is_no_difference():
    rng = np.random.default_rng(3)
    confounder = (rng.random(N) < 0.5).astype(float)
    exposure = (rng.random(N) < np.where(confounder == 1, 0.8, 0.2)).astype(float)
    values = world(rng, exposure, confounder=confounder)
    assert [s.signal for s in shifts(panel(values), exposure).found] == ["refusal"]
    assert shifts(panel(values, strata=confounder[:, None]), exposure).found == ()


def test_within_a_slice_the_others_do_not_count():
    rng = np.random.default_rng(4)
    exposure, inside = (rng.random(N) < 0.5).astype(float), np.arange(N) % 3 == 0
    values = world(rng, exposure * inside, refusal=0.2)
    (found,) = (s for s in shifts(panel(values), exposure, inside).found if s.signal == "refusal")
    assert found.difference == pytest.approx(0.2, abs=0.05)
    assert found.n_having + found.n_without == inside.sum()
    assert found.n_without == (inside & (exposure < 0.5)).sum()


@pytest.mark.parametrize("exposure", [np.zeros(N), np.ones(N)])
def test_a_change_that_none_or_all_have_cannot_be_compared(exposure):
    rng = np.random.default_rng(5)
    found = shifts(panel(world(rng, exposure)), exposure)
    assert (found.found, found.compared) == ((), 0)
