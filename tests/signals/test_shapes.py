"""What tools return, told by its shape, through the embedded store."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.times import Window
from triagebot.ports import SeenValue
from triagebot.signals.judged import MOST_SHAPES, MOST_TOOLS, reshaped, shape_signals
from triagebot.testing import otlp

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))


def tool(name, n=50):
    return SeenValue(dimension="tool_names", value=name, first=START, last=WINDOW.end, requests=n)


(ORDERS,) = shape_signals([tool("get_order")])


def result(number, days):
    rows = [{"id": f"o{number}", "days": days, "late": number % 2 == 0, "note": None}] * (1 + number % 3)
    return json.dumps({"orders": rows, "total": number})


def spans(results):
    for number, text in enumerate(results):
        start = int((START + timedelta(seconds=60 * number)).timestamp()) * 1_000_000_000
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_order"}
        one = otlp.span(
            f"{number + 1:032x}",
            f"{number + 1:016x}",
            start=start,
            end=start + 1_000_000,
            attributes=attributes | {"gen_ai.tool.call.result": text},
        )
        yield otlp.request([one], service="s")


def shown(tmp_path, results, ask):
    async def run():
        file = tmp_path / "cases.jsonl"
        file.write_bytes(b"".join(orjson.dumps(request) + b"\n" for request in spans(results)))
        store = await ChdbStore.in_memory()
        await store.load(file, json=True)
        try:
            return await ask(store, await store.requests(["s"], WINDOW, [ORDERS]))
        finally:
            await store.close()

    return asyncio.run(run())


async def told(store, table):
    made = reshaped(ORDERS, table.signals[ORDERS.name])
    assert made is not None
    signal, values = made
    again = await store.requests(["s"], WINDOW, [signal])
    np.testing.assert_array_equal(again.signals[signal.name], values)
    query, parameters = store.evidence_query(["s"], WINDOW, signal, {}, "model_served")
    ((_, requests, n, average),) = (await store.run(query, parameters)).rows
    assert (requests, n) == (values.size, int(np.isfinite(values).sum()))
    assert average == pytest.approx(np.nanmean(values), abs=1e-5)
    return signal, values


def test_a_number_that_becomes_a_text_is_told_however_many_records_there_are(tmp_path):
    """The signal that is made of it says the same when a query asks for it."""
    results = [result(n, 3 if n < 150 else "3 days") for n in range(200)]
    results[60] = json.dumps({"error": "not found", "total": "n/a"})
    results[61] = "no JSON"
    signal, values = shown(tmp_path, results, told)
    assert signal.name == "reshaped:get_order"
    assert signal.binary
    assert np.isnan(values[[60, 61]]).all()
    assert np.nansum(values[:150]) == 0
    assert values[150:].all()


def test_what_texts_hold_is_no_shape(tmp_path):
    results = [json.dumps({"note": "x" * n, "days": n}) for n in range(120)]
    _, values = shown(tmp_path, results, told)
    assert not values.any()


@pytest.mark.parametrize(
    "values",
    [np.arange(200.0), np.zeros(60), np.arange(200.0) % (MOST_SHAPES + 1), np.full(200, np.nan)],
    ids=["ever new", "too few", "many", "none"],
)
def test_what_has_no_usual_shape_cannot_lose_it(values):
    assert reshaped(ORDERS, values) is None


def test_the_tools_that_are_used_most_have_one_and_no_name_ends_the_literal():
    assert [s.name for s in shape_signals([tool("rare", 3), tool("often", 90)])] == ["shape:often", "shape:rare"]
    assert len(shape_signals([tool(f"t{n}") for n in range(100)])) == MOST_TOOLS
    assert shape_signals([tool("a') OR 1=1 --")]) == ()
