"""The verdict of a whole case folder: its shape, its evidence, and what it must not depend on."""

import asyncio
import gzip
import json
import re
import shutil
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from tests.fakes.cases import make, walked
from tests.fakes.walks import page, spread, table, walk
from triagebot.bootstrap import open_case
from triagebot.domain.evidence import Measured, Symptom
from triagebot.domain.nodes import EXITS, NODES, SURFACES
from triagebot.domain.times import Interval, format_time, parse_time
from triagebot.errors import BadInput
from triagebot.testing import otlp
from triagebot.triage import investigate as investigating
from triagebot.triage.investigate import sentence
from triagebot.triage.visibility import AGAIN
from triagebot.triage.volume import asks_for_demand

AUTHOR = {"name": str, "email": str}
TIMES = {"earliest": "time", "latest": "time"}
MEASURED = {"n": int, "value": float}
SHAPE = {
    "schema": {"triagebot.verdict/1"},
    "page": {
        "source": {"pagerduty", "alertmanager", "grafana", "slack", "generic"},
        "id": str,
        "title": str,
        "url": str,
        "service": str,
        "occurred_at": "time",
    },
    "as_of": "time",
    "status": {"implicated", "none_of_five", "undetermined"},
    "symptoms": [
        {"signal": str, "slice": dict, "before": MEASURED, "after": MEASURED, "interval": [float], "onset": TIMES}
    ],
    "causes": [
        {
            "node": set(NODES),
            "artifact": str,
            "before": (str, None),
            "after": (str, None),
            "introduced": (TIMES, None),
            "triggered": (TIMES, None),
            "author": (AUTHOR, None),
            "reference": (str, None),
            "confidence": float,
            "explains": [str],
            "owner": ({"name": str, "email": str, "source": str}, None),
            "owner_gap": (str, None),
        }
    ],
    "findings": [
        {
            "node": set(NODES),
            "status": {"implicated", "changed_not_implicated", "clear", "unknown"},
            "reason": str,
            "looked_at": {"spans": int, "from": "time", "to": "time"},
            "changes": [dict],
            "evidence": [{"id": str, "text": str, "n": int, "query": (str, None), "link": (str, None)}],
        }
    ],
    "severity": {
        "level": {"SEV1", "SEV2", "SEV3", "SEV4"},
        "harm": str,
        "affected_requests": int,
        "affected_tenants": int,
        "reversible": bool,
        "momentum": {"growing", "steady", "fading"},
        "silent": bool,
        "rule": str,
    },
    "next_check": str,
    "took_ms": int,
}


def check(value, shape, where="verdict"):
    if isinstance(shape, tuple):
        if value is not None:
            check(value, shape[0], where)
    elif isinstance(shape, dict):
        assert set(shape) <= set(value), f"{where}: {sorted(set(shape) - set(value))} missing"
        for name, inner in shape.items():
            check(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for number, one in enumerate(value):
            check(one, shape[0], f"{where}[{number}]")
    elif isinstance(shape, set):
        assert value in shape, (where, value)
    elif shape == "time":
        assert value.endswith("Z"), (where, value)
        parse_time(value)
    elif shape is float:
        assert isinstance(value, int | float), (where, value)
        assert not isinstance(value, bool), (where, value)
    else:
        assert type(value) is shape, (where, value)


def settled(verdict):
    """All that must not vary."""
    return json.dumps({k: v for k, v in verdict.items() if k != "took_ms"}, sort_keys=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make("prompt_skew", 1, tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def told(folder):
    """The verdict, and what each of its evidence queries answers when it is asked again."""

    async def walk():
        async with AsyncExitStack() as stack:
            case = await open_case(folder, stack)
            verdict = (await case.walk()).as_json()
            lines = [line for finding in verdict["findings"] for line in finding["evidence"] if line["query"]]
            answers = [await case.investigation.traces.run(line["query"], line["parameters"]) for line in lines]
            return verdict, list(zip(lines, answers, strict=True))

    return asyncio.run(walk())


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "case")


def test_every_member_of_the_contract_is_there_with_its_type(told):
    check(told[0], SHAPE)
    json.dumps(told[0], allow_nan=False)


def test_every_node_has_one_finding_in_the_order_walked(told):
    assert [finding["node"] for finding in told[0]["findings"]] == list(NODES)
    assert all(finding["reason"] for finding in told[0]["findings"])


def test_status_causes_and_findings_say_the_same(told):
    verdict = told[0]
    nodes = {cause["node"] for cause in verdict["causes"]}
    assert verdict["status"] == "implicated"
    assert nodes & set(SURFACES)
    assert nodes == {f["node"] for f in verdict["findings"] if f["status"] == "implicated"}
    for cause in verdict["causes"]:
        assert 0 < cause["confidence"] <= 1
        assert (cause["owner"] is None) == (cause["owner_gap"] is not None)
        assert {*cause["explains"]} & {symptom["signal"] for symptom in verdict["symptoms"]}


def test_evidence_ids_are_unique_and_in_the_order_walked(told):
    ids = [line["id"] for finding in told[0]["findings"] for line in finding["evidence"]]
    assert ids == [f"E{number}" for number in range(1, len(ids) + 1)]


def test_a_cited_query_answers_again_with_as_many_requests_as_told(told):
    assert told[1]
    for line, answer in told[1]:
        counted = sum(row[answer.columns.index("n")] for row in answer.rows)
        assert counted == line["n"], line["text"]


def test_symptoms_lie_within_the_window_and_their_intervals_hold_the_difference(told):
    verdict = told[0]
    for symptom in verdict["symptoms"]:
        low, high = symptom["interval"]
        assert low <= symptom["after"]["value"] - symptom["before"]["value"] <= high
        assert symptom["onset"]["earliest"] <= symptom["onset"]["latest"] <= verdict["as_of"]


def test_the_as_of_time_is_the_pages_own(told):
    verdict = told[0]
    assert verdict["as_of"] == verdict["page"]["occurred_at"]
    assert {f["looked_at"]["to"] for f in verdict["findings"]} == {verdict["as_of"]}


def test_the_same_folder_gives_the_same_verdict(folder, told):
    assert settled(walked(folder)) == settled(told[0])


def test_what_comes_after_the_as_of_time_and_what_is_expected_change_nothing(copy, told):
    """Spans, a change and observations of the future, and an expected.json that nobody may open."""
    verdict = told[0]
    page = parse_time(verdict["as_of"])
    service = verdict["page"]["service"]
    late = int((page + timedelta(minutes=5)).timestamp()) * 1_000_000_000
    failing = [
        otlp.span(f"{n + 1:032x}", f"{n + 1:016x}", start=late + n, end=late + n + 9, error="boom") for n in range(300)
    ]
    more = [otlp.request(failing, service=service), otlp.request(failing, service="somebody-else")]
    body = b"".join(orjson.dumps(one) + b"\n" for one in more)
    (copy / "traces" / "late.otlp.jsonl").write_bytes(body)
    artifact = verdict["causes"][0]["artifact"]
    event = {"at": format_time(page + timedelta(minutes=1)), "service": service, "surface": "prompt_version"}
    with (copy / "changes.jsonl").open("ab") as out:
        out.write(orjson.dumps({**event, "artifact": artifact, "before": "v1", "after": "v9999"}) + b"\n")
    with (copy / "journal.jsonl").open("ab") as out:
        for minutes, label in ((1, "9998"), (2, "9999")):
            seen = {"observed_at": format_time(page + timedelta(minutes=minutes)), "service": service}
            seen |= {"surface": "model_alias", "artifact": "m", "fingerprint": label, "label": label}
            out.write(orjson.dumps(seen) + b"\n")
    (copy / "expected.json").write_text("no JSON at all")
    assert settled(walked(copy)) == settled(verdict)


def test_spans_that_came_twice_and_another_service_in_the_same_traces_change_nothing(copy, told):
    with gzip.open(next((copy / "traces").glob("*.gz"))) as lines:
        again = lines.readline()
    other = orjson.loads(again)
    for resource in other["resourceSpans"]:
        for attribute in resource["resource"]["attributes"]:
            if attribute["key"] == "service.name":
                attribute["value"] = {"stringValue": "somebody-else"}
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                span["spanId"] = span["spanId"][::-1]
                span["status"] = {"code": 2, "message": "boom"}
    (copy / "traces" / "more.otlp.jsonl").write_bytes(again + orjson.dumps(other))
    verdict = walked(copy)
    for member in ("status", "symptoms", "causes", "severity", "next_check"):
        assert verdict[member] == told[0][member], member
    assert [f["status"] for f in verdict["findings"]] == [f["status"] for f in told[0]["findings"]]
    assert [f["looked_at"] for f in verdict["findings"]] == [f["looked_at"] for f in told[0]["findings"]]


def test_until_moves_the_as_of_time_and_lets_later_spans_in(copy, told):
    page = parse_time(told[0]["as_of"])
    until = page + timedelta(hours=2)
    late = int((page + timedelta(minutes=5)).timestamp()) * 1_000_000_000
    spans = [otlp.span(f"{n + 1:032x}", f"{n + 1:016x}", start=late + n, end=late + n + 9) for n in range(50)]
    request = otlp.request(spans, service=told[0]["page"]["service"])
    (copy / "traces" / "late.otlp.jsonl").write_bytes(orjson.dumps(request))
    verdict = walked(copy, until)
    assert verdict["as_of"] == format_time(until)
    assert verdict["page"]["occurred_at"] == told[0]["as_of"]
    assert verdict["findings"][0]["looked_at"]["spans"] >= told[0]["findings"][0]["looked_at"]["spans"] + 50
    assert verdict["findings"][0]["looked_at"]["to"] == format_time(until)


def test_the_as_of_time_only_moves_forward(copy, told):
    page = parse_time(told[0]["as_of"])
    with pytest.raises(BadInput, match=r"lies before the page \(.*\); the as-of time only moves forward"):
        walked(copy, page - timedelta(seconds=1))
    assert walked(copy, page)["as_of"] == told[0]["as_of"]


def test_evidence_of_a_pulse_counts_its_own_time_and_names_nobody():
    at = datetime(2026, 11, 3, tzinfo=UTC)
    told = Symptom(
        signal="truncated",
        title="answers cut off",
        slice={"user": "ana@customer.example", "region": "eu"},
        before=Measured(n=1530, value=0.00392),
        after=Measured(n=134, value=0.903),
        interval=(0.8, 0.9),
        onset=Interval(at, at),
    )
    assert re.fullmatch(
        r"answers cut off in region eu, user #[0-9a-f]{8}: 0\.39 % \(n=1,530\) → 90\.3 % \(n=134\)", sentence(told)
    )


def test_the_folder_is_left_as_it_was(folder, told):
    assert not [path for path in folder.rglob("*") if path.name.endswith((".db", ".lock", ".pid", ".new"))]


def test_exits_are_named_by_the_contract():
    assert set(NODES) == {*SURFACES, *EXITS}


@pytest.mark.parametrize(
    ("title", "asks"),
    [
        ("daily cost above band", True),
        ("requests and tokens doubled", True),
        ("spend burn rate alarm", True),
        ("burn of the token budget doubled this week", True),
        ("daily token budget exceeded", True),
        ("output tokens per request above budget", False),
        ("cost per request up", False),
        ("latency SLO burn", False),
        ("error budget burn 14x", False),
        ("apply_patch fails on large pull requests", False),
        ("requests doubled since Monday", True),
        ("refusal share above budget", False),
    ],
)
def test_a_budget_of_errors_or_refusals_is_no_money(title, asks):
    assert asks_for_demand(page(title)) is asks


@pytest.mark.parametrize(
    "hidden", [(True, ""), (False, f"input tokens may have moved; {AGAIN}")], ids=["still", "perhaps moved"]
)
def test_more_requests_explain_what_was_spent_also_where_tokens_may_have_moved(monkeypatch, hidden):
    """Tokens that moved rather than not leave a page open; that twice as many requests came is certain."""
    rng = np.random.default_rng(5)
    shown = table(spread(800), {}, {"input_tokens": np.exp(rng.normal(6, 0.5, 800)).round()})
    monkeypatch.setattr(investigating, "what_is_hidden", lambda *_: hidden)
    monkeypatch.setattr(investigating, "demand_of", lambda *_, spent: "requests are twice as many" if spent else "")
    verdict = asyncio.run(walk(shown, title="LLM spend doubled")).as_json()
    assert [c["node"] for c in verdict["causes"]] == ["traffic"]
