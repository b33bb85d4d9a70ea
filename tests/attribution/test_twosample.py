"""Two samples of answers: exact where it is exact, quiet where nothing changed, and not blind."""

import math

import numpy as np
import pytest

from triagebot.attribution.twosample import Sample, p_value, q_values, simes

PROMPTS, REFERENCE, LOOK = 24, 20, 5


def sample(values, prompts=PROMPTS, reference=REFERENCE, look=LOOK):
    prompt = np.repeat(np.arange(prompts), reference + look)
    is_look = np.tile(np.r_[np.zeros(reference, bool), np.ones(look, bool)], prompts)
    drawn = values(prompt, is_look) if callable(values) else values
    return Sample(np.asarray(drawn, dtype=float), prompt, is_look)


def lengths(rng, factor=1.0):
    def draw(prompt, look):
        base = rng.normal(5, 1, PROMPTS)[prompt]
        return np.round(np.exp(base + rng.normal(0, 0.4, prompt.size)) * np.where(look, factor, 1.0))

    return sample(draw)


def events(rng, before, after):
    return sample(lambda prompt, look: (rng.random(prompt.size) < np.where(look, after, before)).astype(float))


def test_one_table_is_fishers():
    # 4 of 4 in the look, 0 of 4 in the reference, twice: 2 * (1 / C(8, 4))^2.
    values = np.tile(np.r_[np.zeros(4), np.ones(4)], 2)
    assert p_value(sample(values, prompts=2, reference=4, look=4)) == pytest.approx(2 / math.comb(8, 4) ** 2)


def test_prompts_that_differ_are_no_difference():
    hard = sample(lambda prompt, look: (prompt % 2).astype(float))
    assert p_value(hard) == 1.0


def test_by_chance_alone_p_values_are_not_small():
    found = np.array(
        [
            [p_value(lengths(np.random.default_rng(n)), n), p_value(events(np.random.default_rng(n), 0.1, 0.1))]
            for n in range(200)
        ]
    )
    for column in found.T:
        assert (
            column < 0.05
        ).mean() < 0.11  # 5% expected; 11% of 200 comes by chance less than once in a thousand times
        assert (column < 0.001).sum() <= 3


def test_the_tail_agrees_with_what_it_stands_in_for():
    """Where permutations still count, the normal tail is near them."""
    found = [p_value(lengths(np.random.default_rng(n), 1.08), n) for n in range(40)]
    assert all(0 < p <= 1 for p in found)
    assert min(found) < 0.05


@pytest.mark.parametrize(
    ("made", "least"),
    [
        (lambda rng: lengths(rng, 1.3), 0.8),
        (lambda rng: events(rng, 0.95, 0.75), 0.8),
        (lambda rng: events(rng, 0.02, 0.18), 0.7),
    ],
    ids=["length", "exact answers", "refusals"],
)
def test_what_a_look_finds_at_the_level_of_a_drift(made, least):
    found = [simes([p_value(made(np.random.default_rng(n)), n), 0.5, 0.5, 0.5]) for n in range(40)]
    assert np.mean(np.array(found) < 1e-5) >= least


def test_what_one_side_never_answered_is_left_out():
    values = np.ones(8)
    values[0] = 0
    prompt, look = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
    assert Sample(values, prompt, look).usable() is None
    assert sample(np.full(PROMPTS * (REFERENCE + LOOK), 3.0)).usable() is None
    holes = lengths(np.random.default_rng(1))
    holes.values[holes.prompt == 2] = np.nan
    assert 2 not in holes.usable().prompt


def test_several_features_together():
    assert simes([]) == 1.0
    assert simes([0.01, 0.5, 0.5, 0.5]) == pytest.approx(0.04)
    assert simes([0.02, 0.02]) == pytest.approx(0.02)
    assert q_values({"a": 0.01, "b": 0.02, "c": 0.9}) == pytest.approx({"a": 0.03, "b": 0.03, "c": 0.9})
