"""Answers that say something else in a way that no signal foresaw."""

import asyncio

import numpy as np
import pytest

from tests.fakes.walks import spread, table, walk

N = 3000
HALF = np.arange(N) >= N // 2
DOSE = np.arange(N) % 8 == 0


def told(*, groups=8, dated=False, title="the bot told a parent a dose"):
    """What is told of answers to one intent in eight that hold other words of so many groups since a prompt's version."""
    rng = np.random.default_rng(3)
    words = {f"words:{part}": rng.poisson(0.5, N).astype(float) for part in range(64)}
    for part in range(groups):
        words[f"words:{part}"] += 2.0 * (HALF & DOSE)
    steady = {
        "request_failed": rng.random(N) < 0.02,
        "refusal": rng.random(N) < 0.05,
        "output_chars": np.exp(rng.normal(5, 1, N)).round(),
    }
    versions = np.where(HALF & ~np.full(N, dated), "support/system@v2", "support/system@v1")
    intents = np.where(DOSE, "child_dose", "order")
    shown = table(spread(N), {"prompt": versions, "intent": intents}, steady | words)
    return asyncio.run(walk(shown, title=title)).as_json()


def test_the_version_whose_answers_hold_other_words_is_named_with_the_slice():
    verdict = told()
    assert [(c["node"], c["after"]) for c in verdict["causes"]] == [("prompt_version", "v2")]
    assert verdict["symptoms"][0]["signal"].startswith("words:")
    assert verdict["symptoms"][0]["slice"] == {"intent": "child_dose"}


@pytest.mark.parametrize(
    "more",
    [{"groups": 2}, {"dated": True}, {"title": "request timeouts and failing requests"}, {"groups": 0}],
    ids=["a phrase more", "no version has it", "a page about something that stood still", "nothing"],
)
def test_words_alone_name_nobody_else(more):
    verdict = told(**more)
    assert verdict["causes"] == []
    assert verdict["status"] != "implicated"
