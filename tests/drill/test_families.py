"""Every family, from the files that it wrote: well-formed, and with the effect that it claims."""

import json
import subprocess
from datetime import datetime

import numpy as np
import pytest

from tests.drill.reading import seconds
from triagebot.drill.arrays import rng_for
from triagebot.drill.make import list_families

NAMES = [family.name for family in list_families()]
STATUSES = {"implicated", "none_of_five", "undetermined"}
FIVE = {"model_alias", "prompt_version", "tool_schemas", "retrieval_corpus", "eval_freshness"}
NODES = FIVE | {"provider", "quota", "application", "traffic", "telemetry"}
# What a stranger measures for a knob whose name is not the measure's. None: needs more than one request to be seen.
MEASURED = {
    "": None,
    "prompt_len": "tokens_in",
    "tokens_per_byte": "tokens_in",
    "quality": "score_online",
    "judge": "score_online",
    "tool_alt": None,
    "extra_calls": "calls",
    "steps": "attempts",
    "retry_more": "attempts",
    "tool_flaky": "tool_failed",
}


@pytest.mark.parametrize("name", NAMES)
def test_spans_are_whole_and_their_times_fit(made, name):
    case = made(name)
    assert len(case.spans) > 400
    roots = {s["traceId"]: s for s in case.spans if not s.get("parentSpanId")}
    for span in case.spans:
        start, end = seconds(span)
        root_start, root_end = seconds(roots[span["traceId"]])
        assert root_start <= start <= end <= root_end + 1e-6
        assert len(span["traceId"]) == 32
        assert len(span["spanId"]) == 16
        assert span["resource"]["service.name"] == case.draft.world.service
    starts = [seconds(s)[0] for s in roots.values()]
    assert min(starts) >= case.draft.world.start
    assert max(starts) <= case.draft.world.end
    assert sum(t < case.draft.world.page_at for t in starts) > 0.8 * len(starts)


@pytest.mark.parametrize("name", NAMES)
def test_expected_names_only_what_the_folder_can_show(made, name):
    case = made(name)
    expected = json.loads((case.path / "expected.json").read_text())
    world = json.loads((case.path / "world.json").read_text())
    assert expected["status"] in STATUSES
    assert expected["decidable"] == (expected["status"] != "undetermined")
    assert {"notes", "capability", "family"} <= set(expected)
    nodes = {cause["node"] for cause in expected["causes"]}
    assert nodes <= NODES
    assert (expected["status"] == "implicated") == bool(nodes & FIVE)
    if expected["status"] == "undetermined":
        assert not expected["causes"]
    folder = "".join(
        (case.path / f).read_text()
        for f in ("journal.jsonl", "changes.jsonl", "world.json")
        if (case.path / f).exists()
    )
    values = {str(v) for s in case.spans for v in (*s["attributes"].values(), *s["resource"].values())}
    people = {p["email"]: p for p in world["people"]}
    for cause in expected["causes"]:
        for member in ("artifact", "after"):
            told = cause.get(member, "")
            assert told in folder or any(told in value for value in values), (member, told)
        if cause.get("owner"):
            assert people[cause["owner"]]["active"]


@pytest.mark.parametrize("name", NAMES)
def test_the_effect_is_in_the_files(made, name):
    case, draft = made(name), made(name).draft
    ids = rng_for(*draft.seeds, "spans").bytes(16 * draft.n).hex()
    rows = [case.rows.get(ids[32 * i : 32 * i + 32], {}) for i in range(draft.n)]
    for truth in draft.truths:
        measure = MEASURED.get(truth.knob, truth.knob)
        if measure is None:
            continue
        value = np.array([row.get(measure, np.nan) for row in rows])
        ground = truth.ground & ~np.isnan(value)
        exposed, rest = value[ground & truth.mask], value[ground & ~truth.mask]
        spread = np.sqrt(exposed.var() / len(exposed) + rest.var() / len(rest))
        z = truth.sign * (exposed.mean() - rest.mean()) / spread
        assert z > 4.0, (truth.knob, rest.mean(), exposed.mean(), len(rest), len(exposed))


@pytest.mark.parametrize("name", NAMES)
def test_records_are_in_order_and_readable(made, name):
    case = made(name)
    journal = [json.loads(line) for line in (case.path / "journal.jsonl").read_text().splitlines()]
    assert [o["observed_at"] for o in journal] == sorted(o["observed_at"] for o in journal)
    for observation in journal:
        datetime.fromisoformat(observation["observed_at"])
        assert {"service", "surface", "artifact", "fingerprint", "label", "detail", "source"} <= set(observation)
        if "snapshot" in observation["detail"]:
            assert json.loads((case.path / observation["detail"]["snapshot"]).read_text())["tools"]
    changes = case.path / "changes.jsonl"
    for change in map(json.loads, changes.read_text().splitlines() if changes.exists() else []):
        datetime.fromisoformat(change["at"])
        assert change["artifact"]
    world = json.loads((case.path / "world.json").read_text())
    for registry in world["registries"]:
        if "path" in registry:
            assert (case.path / registry.get("repo", "") / registry["path"]).exists()
    log = subprocess.run(
        ["git", "log", "--format=%ct %ae"], cwd=case.path / "repo", capture_output=True, text=True, check=True
    )
    times = [int(line.split()[0]) for line in log.stdout.splitlines()]
    assert times == sorted(times, reverse=True)
    assert times[0] < case.draft.world.end
    assert json.loads((case.path / "page.json").read_text())["source"] == case.draft.world.page_source
