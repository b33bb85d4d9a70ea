"""One suite for every trace store: the embedded engine on its own table, and a ClickHouse server on a Collector's."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest
import pytest_asyncio

from triagebot.adapters.traces import normalise, schema
from triagebot.adapters.traces.clickhouse import ClickHouseStore
from triagebot.adapters.traces.engine import Connection, new_name
from triagebot.adapters.traces.reading import Reader
from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.inputs import InputTest
from triagebot.domain.signal import Signal
from triagebot.domain.times import Window
from triagebot.errors import Refused
from triagebot.ports import DIMENSIONS, SEPARATOR, RequestTable
from triagebot.testing import otlp
from triagebot.testing.clickhouse_http import clickhouse_http

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=2))
SECOND = 1_000_000_000
NAUGHTY = "o'brien \\ {x:String}\n--"


def at(seconds: float) -> int:
    return int(START.timestamp()) * SECOND + int(seconds * SECOND)


def trace_id(name: str) -> str:
    return name.encode().hex().rjust(32, "0")[-32:]


def span_id(name: str) -> str:
    return name.encode().hex().rjust(16, "0")[-16:]


def span(trace: str, name: str, seconds: float, *, ms: float = 100, parent: str = "", **others: object) -> dict:
    return otlp.span(
        trace_id(trace),
        span_id(name),
        start=at(seconds),
        end=at(seconds) + int(ms * 1e6),
        parent=span_id(parent) if parent else "",
        name=name,
        **others,
    )


def llm(trace: str, name: str, seconds: float, *, parent: str = "r", attributes: dict | None = None, **others) -> dict:
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **(attributes or {})}
    return span(trace, name, seconds, parent=parent, attributes=given, **others)


def requests_of_each_scenario() -> list[dict]:
    """Every scenario is a service of its own."""
    made = []

    def add(service: str, *spans: dict, **resource: str) -> None:
        made.append(otlp.request(list(spans), service=service, resource=resource))

    add(
        "folds",
        span("f1", "r", 10, ms=900, attributes={"http.request.method": "POST", "http.response.status_code": 200}),
        llm("f1", "a", 10.1, ms=300, attributes={"gen_ai.usage.input_tokens": 5, "gen_ai.response.model": "m-1"}),
        llm("f1", "b", 10.5, ms=100, attributes={"gen_ai.usage.input_tokens": 7, "gen_ai.response.model": "m-2"}),
        llm("f1", "c", 10.7, ms=50),
        span(
            "f1",
            "t",
            10.2,
            ms=40,
            parent="r",
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"},
        ),
        llm("f2", "r", 5, parent="", attributes={"gen_ai.usage.input_tokens": 0}),
        **{"cloud.region": "eu"},
    )
    add(
        "twice",
        *(
            again
            for _ in range(2)
            for again in (span("d", "r", 1), llm("d", "a", 1.1, attributes={"gen_ai.usage.input_tokens": 3}))
        ),
    )
    add("front", span("shared", "r", 20, ms=500))
    add("back", span("shared", "s", 20.1, parent="r", kind=2), llm("shared", "l", 20.2, parent="s"))
    add(
        "edges",
        span("early", "r", -60),
        llm("early", "a", 60),
        span("late", "r", 2 * 86400 - 1),
        llm("late", "a", 2 * 86400 + 1),
        span("inside", "r", 100),
    )
    add("keyed", llm("own", "a", 10, parent="", attributes={"triage.key": "org-main"}))
    eval_ = {"triage.key": "org-main", "triage.workload": "eval"}
    add("runner", *(llm(f"e{n}", "a", 60 * n, parent="", attributes=eval_) for n in (5, 2, 2.5)))
    add("other", llm("o", "a", 70, parent="", attributes={"triage.key": "org-main"}))
    always = {"triage.key": "org-main"}
    add("always", *(llm(f"w{n}", "a", 3600 * n + 5, parent="", attributes=always) for n in range(48)))
    add("stranger", llm("s", "a", 80, parent="", attributes={"triage.key": "theirs"}))
    add("skewed", span("k", "r", 7200), llm("k", "a", 7200 - 3600), llm("k", "b", 7200 + 3600))
    add(
        "named",
        span("n1", "r", 10, attributes={"triage.request.id": "q1"}),
        llm("n1", "a", 10.1),
        llm("n2", "b", 30, parent="", attributes={"triage.request.id": "q1"}),
        span("n3", "r", 40),
        llm("batch", "b1", 50, parent="", attributes={"triage.request.id": "q7"}),
        llm("batch", "b2", 51, attributes={"triage.request.id": "q8"}),
    )
    add(NAUGHTY, span("naughty", "r", 10, attributes={"triage.tenant": NAUGHTY}))
    judged = (at(1), "gen_ai.evaluation.result", {"gen_ai.evaluation.name": "b", "gen_ai.evaluation.score.value": 0.5})
    other = (at(1), "gen_ai.evaluation.result", {"gen_ai.evaluation.name": "a", "triage.eval.judge": "v2"})
    add("judged", llm("j", "a", 1, parent="", events=[judged, other]))
    many = [
        part
        for number in range(3000)
        for part in (
            span(
                f"m{number}",
                "r",
                172_000 * number / 3000,
                attributes={"triage.tenant": f"t{number % 3}", "session.id": f"c{number // 4}"},
            ),
            llm(f"m{number}", "l", 172_000 * number / 3000 + 0.01, attributes={"output.value": "x" * (number % 7)}),
        )
    ]
    add("busy", *many)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["chdb", "clickhouse"])
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    file = tmp_path_factory.mktemp("otlp") / "all.jsonl"
    file.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in requests_of_each_scenario()))
    own = await ChdbStore.in_memory()
    await own.load(Path(file), json=True)
    if request.param == "chdb":
        yield own
        await own.close()
        return
    server, database = Connection(None), new_name("collector")
    server.execute(f"CREATE DATABASE {database}")
    server.execute(schema.collector_table(database))
    columns = ", ".join(f"`{name}`" for name in normalise.COLLECTOR)
    server.execute(f"INSERT INTO {database}.otel_traces ({columns}) SELECT {columns} FROM {own._database}.otel_traces")
    with clickhouse_http(server._session, database) as dsn:
        store = await ClickHouseStore.connect(dsn)
        yield store
        await store.close()
    server.execute(f"DROP DATABASE {database}")
    server.close()
    await own.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def signal(sql: str, **others: str) -> Signal:
    return Signal(name=others.pop("name", "s"), title="t", sql=sql, **others)


async def one(store: Reader, service: str, *signals: Signal) -> RequestTable:
    return await store.requests([service], WINDOW, signals)


def label(table: RequestTable, dimension: str, row: int = 0) -> str:
    found = table.dimensions[dimension]
    return found.labels[found.codes[row]]


async def test_rows_are_requests_in_the_order_of_time(store: Reader) -> None:
    table = await one(store, "folds")
    assert table.trace_id == (trace_id("f2"), trace_id("f1"))
    assert table.at.tolist() == [START.timestamp() + 5, START.timestamp() + 10]
    assert table.weight.tolist() == [1, 1]
    assert (table.spans, table.requests) == (6, 2)
    assert tuple(table.dimensions) == DIMENSIONS


@pytest.mark.parametrize(
    ("fold", "expected"),
    [("max", 7), ("min", 5), ("sum", 12), ("avg", 6), ("first", 5), ("last", 7), ("count", 2)],
)
async def test_folds(store: Reader, fold: str, expected: float) -> None:
    table = await one(store, "folds", signal("input_tokens", fold=fold))
    assert table.signals["s"].tolist() == [1 if fold == "count" else 0, expected]


async def test_a_signal_is_read_from_the_spans_it_is_about(store: Reader) -> None:
    table = await one(
        store,
        "folds",
        signal("duration_ms", name="root", over="root"),
        signal("duration_ms", name="llm", over="llm", fold="sum"),
        signal("duration_ms", name="tool", over="tool"),
        signal("duration_ms", name="retrieval", over="retrieval"),
        signal("duration_ms", name="any", over="any", fold="sum"),
        signal("http_status", name="status", over="root"),
        signal("1", name="tools", over="tool", fold="count"),
    )
    got = {name: values.tolist() for name, values in table.signals.items()}
    assert got["root"] == [100, 900]
    assert got["llm"] == [100, 450]
    assert got["any"] == [100, 1390]
    assert got["tools"] == [0, 1]
    assert math.isnan(got["tool"][0])
    assert got["tool"][1] == 40
    assert all(map(math.isnan, got["retrieval"]))
    assert math.isnan(got["status"][0])
    assert got["status"][1] == 200


async def test_a_signal_whose_column_nobody_records_is_absent(store: Reader) -> None:
    table = await one(
        store,
        "folds",
        signal("finish_reason = ''", name="absent", needs=("finish_reason",)),
        signal("finish_reason = ''", name="there", needs=("model_requested",)),
    )
    assert np.isnan(table.signals["absent"]).all()
    assert table.signals["there"].tolist() == [1, 1]


async def test_labels_join_the_distinct_values(store: Reader) -> None:
    table = await one(store, "folds")
    assert label(table, "model_served", 1) == f"m-1{SEPARATOR}m-2"
    assert label(table, "model_served", 0) == ""
    assert label(table, "tool_names", 1) == "x"
    assert label(table, "region", 0) == label(table, "region", 1) == "eu"


async def test_a_request_with_several_values_is_of_the_slice_of_each(store: Reader) -> None:
    for served, requests in (("m-1", 1), ("m-2", 1), (f"m-1{SEPARATOR}m-2", 0), ("m", 0)):
        query, parameters = store.evidence_query(["folds"], WINDOW, None, {"model_served": served}, "region")
        assert [row[1] for row in (await store.run(query, parameters)).rows] == [1] * requests


async def test_several_judges_of_a_span(store: Reader) -> None:
    table = await one(store, "judged", signal("arraySum(x -> ifNull(x, 0), eval_score)"))
    assert label(table, "judge") == f"a@v2{SEPARATOR}b"
    assert table.signals["s"].tolist() == [0.5]


async def test_spans_that_came_twice_count_once(store: Reader) -> None:
    table = await one(
        store, "twice", signal("input_tokens", fold="sum"), signal("1", name="n", over="any", fold="count")
    )
    assert table.signals["s"].tolist() == [3]
    assert table.signals["n"].tolist() == [2]
    assert table.spans == 2
    assert table.twice is not None
    assert table.twice.tolist() == [True]
    assert (await one(store, "folds")).twice is None


async def test_two_services_share_a_trace(store: Reader) -> None:
    ms = signal("duration_ms", over="root")
    front, back = await one(store, "front", ms), await one(store, "back", ms)
    both = await store.requests(["front", "back"], WINDOW, [ms])
    assert (front.spans, back.spans, both.spans) == (1, 2, 3)
    assert front.signals["s"].tolist() == [500]
    assert back.signals["s"].tolist() == [100], "the server span is the root of its service's part"
    assert len(both.at) == 1


async def test_the_window_holds_requests_that_began_in_it(store: Reader) -> None:
    table = await one(store, "edges", signal("1", over="any", fold="count"))
    assert table.trace_id == (trace_id("inside"), trace_id("late"))
    assert table.signals["s"].tolist() == [1, 1], "a span after the window is not used"


async def test_a_child_with_a_wrong_clock_does_not_move_its_request(store: Reader) -> None:
    table = await one(store, "skewed")
    assert table.at.tolist() == [START.timestamp() + 7200]
    assert table.spans == 3


async def test_a_request_id_groups_traces(store: Reader) -> None:
    table = await one(store, "named", signal("1", over="any", fold="count"))
    assert table.signals["s"].tolist() == [3, 1, 1, 1]
    assert table.at.tolist() == [START.timestamp() + s for s in (10, 40, 50, 51)]


async def test_beyond_the_limit_a_weighted_sample(store: Reader) -> None:
    whole = await store.requests(["busy"], WINDOW, [signal("1", fold="count")])
    some = await store.requests(["busy"], WINDOW, [signal("1", fold="count")], limit=600)
    assert len(whole.at) == whole.requests == 3000
    assert 200 < len(some.at) <= 700
    assert 0.8 < some.requests / 3000 < 1.2
    assert (some.signals["s"] == 1).all(), "a sampled trace is whole"
    assert set(some.trace_id) <= set(whole.trace_id)
    recent = some.at >= some.at.max() - 20 * 3600
    assert some.weight[recent].max() <= some.weight[~recent].min()
    for part in (recent, ~recent):
        inside = (whole.at >= some.at[part].min()) & (whole.at <= some.at[part].max())
        assert 0.75 < some.weight[part].sum() / inside.sum() < 1.25


async def test_signals_of_texts_may_come_from_fewer_requests(store: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triagebot.adapters.traces.requesting.TEXT_ROWS", 400)
    chars, calls = signal("length(output_text)", name="chars"), signal("1", fold="count")
    table = await store.requests(["busy"], WINDOW, [chars, calls])
    assert (table.signals["s"] == 1).all()
    read = ~np.isnan(table.signals["chars"])
    assert 200 < read.sum() <= 400
    number = np.array([int(bytes.fromhex(trace).lstrip(b"\0m")) for trace in table.trace_id])
    assert (table.signals["chars"][read] == number[read] % 7).all()


async def test_an_empty_window(store: Reader) -> None:
    past = Window(START - timedelta(days=9), START - timedelta(days=8))
    table = await store.requests(["folds"], past, [signal("1", fold="count")])
    assert (len(table.at), table.spans, table.requests, table.trace_id) == (0, 0, 0, ())
    assert table.signals["s"].tolist() == []
    assert await store.seen(["folds"], past, ["region"]) == []
    assert (await store.coverage(["folds"], past))["model_requested"] == (0, 0)


async def test_names_are_values_and_never_sql(store: Reader) -> None:
    table = await store.requests([NAUGHTY], WINDOW, [])
    assert label(table, "tenant") == NAUGHTY
    query, parameters = store.evidence_query([NAUGHTY], WINDOW, None, {"tenant": NAUGHTY}, "tenant")
    assert (await store.run(query, parameters)).rows == ((NAUGHTY, 1, 0, None),)


async def test_seen(store: Reader) -> None:
    found = {seen.value: seen for seen in await store.seen(["folds"], WINDOW, ["model_served", "region"])}
    assert set(found) == {"m-1", "m-2", "eu"}
    assert found["m-1"].first == found["m-1"].last == START + timedelta(seconds=10.1)
    assert found["eu"].requests == 2
    assert {seen.value for seen in await store.seen(["judged"], WINDOW, ["judge"])} == {"a@v2", "b"}


async def test_who_else_calls_with_the_same_keys_and_when(store: Reader) -> None:
    found = await store.neighbours(["keyed"], ["org-main"], WINDOW)
    start = WINDOW.start.timestamp()
    told = {name: (times - start).tolist() for name, times in found.items()}
    assert told == {
        "runner/eval": [120, 300],
        "other": [60],
    }  # three calls in two minutes, and what calls all day is none
    assert await store.neighbours(["keyed"], ["nobody's"], WINDOW) == {}
    assert await store.neighbours(["keyed"], [], WINDOW) == {}


async def test_coverage(store: Reader) -> None:
    found = await store.coverage(["folds"], WINDOW)
    assert set(found) == set(normalise.column_names()) - {"attributes", "resource"}
    assert found["model_served"] == (2, 4)
    assert found["input_tokens"] == (3, 4)
    assert found["tool_name"] == (1, 1)
    assert found["region"] == (2, 2)
    assert found["doc_count"] == (0, 0)


async def test_examples(store: Reader) -> None:
    ids = [trace_id("m5"), trace_id("m1"), trace_id("nowhere")]
    found = await store.examples(["busy"], ids)
    assert [example.trace_id for example in found] == ids[:2]
    assert found[0].dimensions["tenant"] == "t2"
    assert found[0].texts == {}
    told = await store.examples(["busy"], ids, texts=True)
    assert told[0].texts == {"output_text": "xxxxx"}
    assert await store.examples(["folds"], ids) == []


async def test_requests_are_read_whole(store: Reader) -> None:
    ids = [trace_id("m5"), trace_id("nowhere"), trace_id("m1")]
    found = await store.recorded(["busy"], ids)
    assert [one.trace_id for one in found] == [ids[0], ids[2]]
    (call,) = found[0].calls
    assert (call.output, call.model_requested, call.failed) == ("xxxxx", "m", False)
    assert call.at > found[0].at
    assert await store.recorded(["folds"], ids) == []
    assert await store.recorded(["busy"], ["' OR 1 = 1 --", "\\'"]) == []


async def test_evidence_says_what_the_table_says(store: Reader) -> None:
    chars = signal("length(output_text)", name="chars")
    table = await store.requests(["busy"], WINDOW, [chars])
    query, parameters = store.evidence_query(["busy"], WINDOW, chars, {"tenant": "t1"}, "model_requested")
    answer = await store.run(query, parameters)
    codes = table.dimensions["tenant"]
    chosen = table.signals["chars"][codes.codes == codes.labels.index("t1")]
    assert answer.columns == ("split", "requests", "n", "average")
    assert answer.rows == (("m", 1000, 1000, pytest.approx(chosen.mean(), abs=1e-5)),)
    onset = (START + timedelta(seconds=86_000)).isoformat()
    query, parameters = store.evidence_query(["busy"], WINDOW, chars, {}, f"@onset={onset}")
    assert [(row[0], row[1]) for row in (await store.run(query, parameters)).rows] == [
        ("after", 1500),
        ("before", 1500),
    ]
    ended = (START + timedelta(seconds=86_100)).isoformat()
    query, parameters = store.evidence_query(["busy"], WINDOW, chars, {}, f"@onset={onset}/{ended}")
    pulse = {row[0]: row[1] for row in (await store.run(query, parameters)).rows}
    assert 0 < pulse["after"] < 1500
    assert pulse["after"] + pulse["before"] == 3000
    bound = int(np.median(table.signals["chars"]))
    long_ = {"input": f"over {bound} characters", "tenant": "t1"}
    query, parameters = store.evidence_query(
        ["busy"], WINDOW, chars, long_, "model_requested", (chars, InputTest("input_chars", True, bound))
    )
    longer = chosen[chosen > bound]
    assert 0 < longer.size < chosen.size
    assert (await store.run(query, parameters)).rows == (
        ("m", longer.size, longer.size, pytest.approx(longer.mean(), abs=1e-5)),
    )
    last = {"turn": "second or later", "tenant": "t1"}
    query, parameters = store.evidence_query(["busy"], WINDOW, chars, last, f"@onset={onset}")
    later = np.arange(3000)[codes.codes == codes.labels.index("t1")] % 4 > 0
    rows = {row[0]: row for row in (await store.run(query, parameters)).rows}
    assert sum(row[1] for row in rows.values()) == later.sum() == 750
    assert rows["before"][3] == pytest.approx(chosen[later][: rows["before"][1]].mean(), abs=1e-5)
    length = int(chosen[0])
    alike = (chars, InputTest("input_kind", False, length))
    query, parameters = store.evidence_query(
        ["busy"], WINDOW, chars, {"input_kind": "#0001", "tenant": "t1"}, "model_requested", alike
    )
    same = int((chosen == length).sum())
    assert (await store.run(query, parameters)).rows == (("m", same, same, length),)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd') FROM otel_traces",
        "SELECT * FROM url('http://localhost', 'CSV')",
        "SELECT * FROM system.tables",
        "SELECT 1 FROM otel_traces; DROP TABLE otel_traces",
        "DROP TABLE otel_traces",
        "SELECT 1 FROM otel_traces INTO OUTFILE 'x'",
        "SELECT 1 FROM otel_traces WHERE 1 IN (SELECT 1 FROM `x`)",
        "SELECT 1 FROM otel_traces /* */ , numbers(3)",
        "SELECT sleep(3) FROM otel_traces",
        "SELECT 1 FROM otel_traces, system.tables",
        "SELECT 1 FROM otel_traces, secrets",
        "SELECT 1 FROM (SELECT 1 FROM otel_traces) AS a, secrets",
        "SELECT 1 FROM (SELECT 1 FROM otel_traces), secrets",
        "SELECT 1 FROM otel_traces JOIN secrets USING (x)",
    ],
)
async def test_run_refuses_everything_else(store: Reader, query: str) -> None:
    with pytest.raises(Refused):
        await store.run(query, {})


async def test_counts_of_a_long_window_are_estimates(store: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triagebot.adapters.traces.reading._SAMPLED_SPANS", 1000)
    found = {seen.value: seen for seen in await store.seen(["busy"], WINDOW, ["tenant"])}
    assert set(found) == {"t0", "t1", "t2"}
    assert sum(seen.requests for seen in found.values()) == pytest.approx(3000, rel=0.25)
    assert found["t0"].first == START
    part = {seen.value: seen for seen in await store.seen(["busy"], WINDOW, ["tenant"], sampled=True)}
    assert {value: seen.requests for value, seen in part.items()} == {v: seen.requests for v, seen in found.items()}
    assert all(found[value].first <= seen.first <= seen.last <= found[value].last for value, seen in part.items())
    have, should = (await store.coverage(["busy"], WINDOW))["model_requested"]
    assert have == should == pytest.approx(3000, rel=0.25)
