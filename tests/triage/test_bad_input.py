"""Input that a walk must survive without blaming anybody for what is not there."""

import json

import numpy as np
import pytest

from tests.fakes.walks import AS_OF, DAY, START, FakeRegistry, after, change, observation, spread, table, walk
from triagebot.domain.nodes import NODES

N = 1500
HALF = np.arange(N) >= N // 2
ANSWERS = ("refusal", "json_valid", "request_failed", "output_chars")


def signals(n=N, *, seed=0, refusal=0.05, **more):
    """Steady behaviour; `refusal` may be a rate for each request."""
    rng = np.random.default_rng(seed)
    told = {
        "refusal": rng.random(n) < refusal,
        "json_valid": rng.random(n) < 0.95,
        "request_failed": rng.random(n) < 0.02,
        "output_chars": np.exp(rng.normal(5, 1, n)).round(),
        "output_tokens": np.exp(rng.normal(4, 1, n)).round(),
    }
    return told | more


def versions(later=HALF, n=N):
    return {"prompt": np.where(later, "support/system@v2", "support/system@v1"), "region": ["eu"] * n}


async def verdict(table_, *registries, **more):
    """The verdict as JSON, after what holds of any: every node once, nothing that JSON cannot carry, evidence numbered."""
    told = (await walk(table_, *registries, **more)).as_json()
    json.dumps(told, allow_nan=False)
    assert [finding["node"] for finding in told["findings"]] == list(NODES)
    ids = [line["id"] for finding in told["findings"] for line in finding["evidence"]]
    assert ids == [f"E{number}" for number in range(1, len(ids) + 1)]
    assert told["next_check"]
    assert (told["status"] == "undetermined") <= (told["causes"] == [])
    return told


def blamed(told):
    return [(cause["node"], cause["artifact"], cause["after"]) for cause in told["causes"]]


NAMED = [("prompt_version", "support/system", "v2")]


async def test_a_plain_incident_is_named_so_that_the_others_here_can_fail():
    told = await verdict(table(spread(N), versions(), signals(refusal=np.where(HALF, 0.4, 0.05))), changes=[change()])
    assert (told["status"], blamed(told)) == ("implicated", NAMED)
    assert {"refusal"} <= {symptom["signal"] for symptom in told["symptoms"]}


@pytest.mark.parametrize("n", [0, 1, 2, 20, 31])
async def test_hardly_any_requests_decide_nothing(n):
    told = await verdict(
        table(spread(n), versions(HALF[:n], n), signals(n, refusal=1.0)), changes=[change()], title="refusals"
    )
    assert (told["status"], told["symptoms"]) == ("undetermined", [])
    assert (n == 0) <= all(finding["status"] == "unknown" for finding in told["findings"])


@pytest.mark.parametrize("value", [0.0, 1.0])
async def test_all_requests_failing_or_none_blames_nobody(value):
    told = await verdict(
        table(spread(N), versions(), signals(request_failed=np.full(N, value))), changes=[change()], title="outage"
    )
    assert blamed(told) == []


async def test_every_signal_constant():
    constant = {name: np.full(N, 1.0) for name in ANSWERS}
    told = await verdict(table(spread(N), versions(), constant), changes=[change()])
    assert (blamed(told), told["symptoms"]) == ([], [])


async def test_no_signal_says_anything():
    told = await verdict(table(spread(N), versions()), changes=[change()])
    assert (told["status"], told["symptoms"]) == ("undetermined", [])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
async def test_signals_that_are_no_numbers_are_not_said(value):
    values = signals(refusal=np.where(HALF, 0.4, 0.05))
    values["output_chars"] = np.where(np.arange(N) % 2, value, values["output_chars"])
    values["ttft_ms"] = np.full(N, value)
    told = await verdict(table(spread(N), versions(), values), changes=[change()])
    assert blamed(told) == NAMED
    assert "ttft_ms" not in {symptom["signal"] for symptom in told["symptoms"]}


async def test_no_history_before_the_page():
    """A service whose first request is minutes old: it always failed so, and the change came before all of them."""
    at = AS_OF.timestamp() - 600 + np.arange(N) * 600 / N
    told = await verdict(table(at, versions(np.ones(N, bool)), signals(refusal=0.4)), changes=[change()])
    assert blamed(told) == []


async def test_a_gap_in_the_history_hides_no_incident():
    at = np.concatenate([spread(N)[:400], spread(N)[700:]])
    late = at >= after(0.5).timestamp()
    told = await verdict(
        table(at, versions(late, at.size), signals(at.size, refusal=np.where(late, 0.4, 0.05))), changes=[change()]
    )
    assert blamed(told) == NAMED


async def test_a_thousand_versions_blame_none():
    n = 3000
    many = {"prompt": [f"support/system@v{i // 3}" for i in range(n)]}
    assert blamed(await verdict(table(spread(n), many, signals(n)))) == []


async def test_a_thousand_versions_and_a_step_that_none_of_them_explains():
    n = 3000
    rng = np.random.default_rng(3)
    many = {"prompt": [f"support/system@v{i}" for i in rng.integers(0, 1000, n)]}
    step = np.where(np.arange(n) >= n // 2, 0.4, 0.05)
    assert blamed(await verdict(table(spread(n), many, signals(n, refusal=step)))) == []


async def test_a_version_that_every_request_carries_explains_no_step():
    whole = versions(np.ones(N, bool))
    told = await verdict(table(spread(N), whole, signals(refusal=np.where(HALF, 0.4, 0.05))), changes=[change(at=-0.2)])
    assert blamed(told) == []


async def test_changes_dated_in_the_future_are_not_used():
    future = [change("model_alias", "m", at=at, after=f"m-{at}") for at in (1.0001, 1.5, 300.0)]
    registry = FakeRegistry("model_alias", "m", future)
    rows = table(spread(N), versions(), signals(refusal=np.where(HALF, 0.4, 0.05)))
    plain = await verdict(rows, FakeRegistry("model_alias", "m"), changes=[change()])
    told = await verdict(rows, registry, changes=[change(), *future], observations=[observation(at=2.0)])
    assert {k: v for k, v in told.items() if k != "took_ms"} == {k: v for k, v in plain.items() if k != "took_ms"}


@pytest.mark.parametrize("hours", [-1, 1])
async def test_an_hour_of_clock_skew_makes_one_change_of_what_ci_and_traces_tell(hours):
    told = await verdict(
        table(spread(N), versions(), signals(refusal=np.where(HALF, 0.4, 0.05))),
        changes=[change(at=0.5 + hours / 96)],
    )
    assert blamed(told) == NAMED
    finding = next(f for f in told["findings"] if f["node"] == "prompt_version")
    assert len(finding["changes"]) == 1


async def test_requests_of_an_hour_ahead_of_the_others_move_nothing():
    at = spread(N)
    skewed = np.sort(at + np.where(np.arange(N) % 10 == 0, 3600.0, 0.0))
    told = await verdict(table(skewed, versions(), signals()), changes=[change()])
    assert blamed(told) == []


async def test_all_requests_at_one_moment():
    told = await verdict(table(np.full(N, START.timestamp() + DAY), versions(), signals()), changes=[change()])
    assert blamed(told) == []


@pytest.mark.parametrize("seed", range(4))
async def test_noise_with_a_change_on_every_surface_blames_none(seed):
    on_each = [
        change("prompt_version", "support/system", 0.3),
        change("model_alias", "m", 0.5, before="m-01", after="m-02"),
        change("tool_schemas", "mcp", 0.6),
        change("retrieval_corpus", "kb", 0.7),
        change("code", "api", 0.9),
        change("config", "timeouts", 0.95),
    ]
    told = await verdict(table(spread(N), {"region": ["eu"] * N}, signals(seed=seed)), changes=on_each)
    assert (blamed(told), told["symptoms"]) == ([], [])
    assert {"changed_not_implicated"} <= {finding["status"] for finding in told["findings"]}
