"""What users get with a change: the figures, the examples, and what of texts is left."""

import asyncio
import json

import numpy as np
import pytest

from tests.fakes.walks import AS_OF, SERVICE, FakeTraces, Nobody, after, change, spread, table
from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.domain.times import format_time
from triagebot.errors import NotFound
from triagebot.ports import Example
from triagebot.settings.rubric import load_rubric
from triagebot.triage.behaviour import of_change, of_verdict
from triagebot.triage.gathering import Investigation
from triagebot.triage.messages.behaviour import behaviour_message, behaviour_text, headline

N = 1200
TEXT = "The customer Maria Gomez lives in Lisbon. "


class Traces(FakeTraces):
    def __init__(self, table_):
        super().__init__(table_)
        self.asked = []

    async def examples(self, names, trace_ids, *, texts=False):
        self.asked = list(trace_ids)
        answer = {"output_text": TEXT * 5, "tool_arguments": json.dumps({"sku": "Lisbon"})}
        return [Example(trace_id=t, at=AS_OF, dimensions={}, texts=answer if texts else {}) for t in trace_ids]


def world(*, effect=0.3, seed=2):
    rng = np.random.default_rng(seed)
    exposed = (np.arange(N) > N // 2) & (rng.random(N) < 0.6)
    prompts = np.where(exposed, "support/system@v2", "support/system@v1")
    routes = np.where(rng.random(N) < 0.5, "/a", "/b")
    refused = rng.random(N) < 0.04 + effect * exposed
    lengths = np.round(np.exp(rng.normal(5, 0.4, N)))
    signals = {"refusal": refused, "output_chars": lengths}
    return table(spread(N), {"prompt": prompts, "route": routes, "tenant": ["t-1"] * N}, signals), exposed


def deps(table_):
    return Investigation(
        traces=Traces(table_),
        journal=MemoryJournal([change(at=0.5)], ()),
        registries=(),
        owners=Nobody(),
        rubric=load_rubric(),
    )


def asked(table_, artifact="support/system", version="v2"):
    return asyncio.run(of_change(SERVICE, AS_OF, artifact, version, deps(table_)))


def verdict(**cause):
    told = {
        "node": "prompt_version",
        "artifact": "support/system",
        "before": "v1",
        "after": "v2",
        "introduced": {"earliest": format_time(after(0.5)), "latest": format_time(after(0.5))},
        "triggered": None,
        "explains": ["refusal"],
    }
    return {"as_of": format_time(AS_OF), "symptoms": [{"signal": "refusal", "slice": {}}], "causes": [told | cause]}


def test_what_moved_is_told_with_its_size():
    requests, exposed = world()
    found = asked(requests)
    (refusal, *_) = found["shifts"]
    assert (refusal["signal"], refusal["direction"]) == ("refusal", "worse")
    assert refusal["interval"][0] < 0.3 < refusal["interval"][1]
    assert found["requests"] == {"with": exposed.sum(), "without": N - exposed.sum()}
    assert found["absent"]["count"] > 10
    assert "refus" in headline(found)


def test_examples_are_three_pairs_of_the_same_place():
    requests, exposed = world()
    examples = asked(requests)["examples"]
    assert len(examples["with"]) == len(examples["without"]) == 3
    rows = {t: i for i, t in enumerate(requests.trace_id)}
    for with_, without in zip(examples["with"], examples["without"], strict=True):
        assert exposed[rows[with_["trace_id"]]]
        assert not exposed[rows[without["trace_id"]]]
        assert with_["where"]["route"] == without["where"]["route"]
        assert "tenant" not in with_["where"]
        assert with_["signals"][0]["value"] == 1.0


def test_no_text_leaves():
    requests, _ = world()
    found = asked(requests)
    told = json.dumps(found) + behaviour_text([found]) + str(behaviour_message([found]).blocks)
    for word in ("Maria", "Gomez", "Lisbon", "customer"):
        assert word not in told
    assert "Xxx xxxxxxxx Xxxxx Xxxxx xxxxx xx Xxxxxx." in told


def test_a_change_without_an_effect_differs_in_nothing():
    requests, _ = world(effect=0.0)
    found = asked(requests)
    assert found["shifts"] == []
    assert found["examples"]["with"] == []
    assert "nothing that is recorded differs" in headline(found)
    assert "Nothing that is recorded differs" in behaviour_text([found])


def test_the_latest_change_of_an_artifact_and_what_is_not_there():
    requests, _ = world()
    assert asked(requests, version="")["after"] == "v2"
    assert asked(requests, artifact="prompt_version")["after"] == "v2"
    with pytest.raises(NotFound, match="support/system v2"):
        asked(requests, version="v9")


def test_the_causes_of_a_verdict():
    requests, _ = world()
    (found,) = asyncio.run(of_verdict(verdict(), SERVICE, deps(requests)))
    assert found["shifts"][0]["signal"] == "refusal"
    assert asyncio.run(of_verdict(verdict(introduced=None), SERVICE, deps(requests))) == []
    (since,) = asyncio.run(of_verdict(verdict(node="provider", before=None, after=None), SERVICE, deps(requests)))
    assert since["requests"]["with"] == pytest.approx(N / 2, abs=2)


def test_within_the_slice_of_the_symptom():
    requests, _ = world()
    told = verdict() | {"symptoms": [{"signal": "refusal", "slice": {"route": "/a"}}]}
    (found,) = asyncio.run(of_verdict(told, SERVICE, deps(requests)))
    assert found["requests"]["with"] + found["requests"]["without"] < 0.6 * N
    assert "/a" in behaviour_text([found])


def test_too_few_requests_compare_nothing():
    few = table(spread(10), {"prompt": ["support/system@v1"] * 5 + ["support/system@v2"] * 5})
    assert asyncio.run(of_verdict(verdict(), SERVICE, deps(few))) == []


def test_it_fits_into_slack():
    requests, _ = world()
    found = asked(requests)
    message = behaviour_message([found] * 6)
    assert len(message.blocks) <= 50
    assert all(len(b["text"]["text"]) <= 2_900 for b in message.blocks)
    assert sum(len(b["text"]["text"]) for b in message.blocks) <= 9_000
