"""Which fields JSON answers hold, through the embedded store."""

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from tests.fakes.walks import table
from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.times import Window
from triagebot.ports import ANSWER_FIELD, SeenValue
from triagebot.signals.catalogue import SIGNALS
from triagebot.signals.fields import LEAST, MOST, field_signal, field_signals, usual
from triagebot.signals.judged import signal_by_name
from triagebot.testing import otlp

BY_NAME = {signal.name: signal for signal in SIGNALS}
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))


def seen(name, n=50):
    return SeenValue(dimension=ANSWER_FIELD, value=name, first=START, last=WINDOW.end, requests=n)


def test_the_fields_of_most_answers_are_signals():
    names = [f"field_{chr(97 + k)}" for k in range(MOST + 3)]
    all_ = [seen("it's"), seen("rare", LEAST - 1), *(seen(name, 100 - k) for k, name in enumerate(names))]
    made = field_signals(all_)
    assert [s.name for s in made] == [f"field:{name}" for name in names[:MOST]]
    assert [signal_by_name(s.name) for s in made] == list(made)


@pytest.mark.parametrize("label", ["it's", 'say "x"', "back\\slash", "{x:String}", "a`b", "a;b", "a\nb", "", "x" * 80])
def test_a_name_that_could_end_the_literal_makes_no_signal(label):
    assert field_signals([seen(label)]) == ()
    assert signal_by_name(f"field:{label}") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("total", ["total"]),
        ("dueDate", ["due", "date"]),
        ("invoice_number", ["invoice", "number"]),
        ("id", []),
        ("customer_name", ["name"]),
    ],
)
def test_a_page_speaks_of_a_field_by_its_name(name, words):
    signal = field_signal(name)
    assert [w for w in signal.words if w not in ("field", "fields", "missing", "keyerror")] == words
    assert signal.harmful(-0.2) is True


def test_a_field_that_answers_held_now_and_then_is_no_measure_of_harm():
    late, n = np.arange(600) >= 400, 600
    values = {
        "total": np.where(late, np.arange(n) % 2, 1.0),
        "warning": np.where(late, 0.0, np.arange(n) % 3 == 0),
        "gone": np.full(n, np.nan),
    }
    seen_ = table(np.arange(n) * 60.0, signals={f"field:{name}": told for name, told in values.items()})
    refusal = BY_NAME["refusal"]
    kept = usual((refusal, *(field_signal(name) for name in (*values, "never"))), seen_)
    assert [s.name for s in kept] == ["refusal", "field:total"]


ANSWERS = [
    ('{"id": "D-1", "total": 3.5, "lines": [{"price": 1}, {"price": 2}]}', {"id": 1, "total": 1, "price": 1}),
    ('```json\n{"id": "D-2", "lines": []}\n```', {"id": 1, "total": 0, "price": 0}),
    ('[{"id": 1, "total" : 2}, {"id": 2}]', {"id": 1, "total": 1, "price": 0}),
    ('{"id": "he said \\"total\\": 4"}', {"id": 1, "total": 0, "price": 0}),
    ('{"id": "D-3", "tot', {}),
    ("The total: 4", {}),
    ('{"2026-03-01": {"x-1": 2}}', {"id": 0, "total": 0, "price": 0}),
]


def spans():
    for number, (answer, _) in enumerate(ANSWERS):
        start = int((START + timedelta(seconds=60 * number)).timestamp()) * 1_000_000_000
        message = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.output.messages": orjson.dumps(message).decode(),
        }
        ids = f"{number + 1:032x}", f"{number + 1:016x}"
        yield otlp.request([otlp.span(*ids, start=start, end=start + 1_000, attributes=attributes)], service="s")


async def told(file):
    store = await ChdbStore.in_memory()
    await store.load(file, json=True)
    try:
        values = {v.value: v.requests for v in await store.seen(["s"], WINDOW, [ANSWER_FIELD])}
        made = [field_signal(name) for name in ("id", "total", "price")]
        signals = (await store.requests(["s"], WINDOW, made)).signals
        query, parameters = store.evidence_query(["s"], WINDOW, field_signal("total"), {}, "model_served")
        return values, signals, (await store.run(query, parameters)).rows
    finally:
        await store.close()


def test_a_field_is_held_at_any_depth_by_an_answer_that_can_be_read(tmp_path):
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"".join(orjson.dumps(request) + b"\n" for request in spans()))
    values, signals, rows = asyncio.run(told(file))
    assert {name: values[name] for name in ("id", "total", "lines", "price")} == {
        "id": 5,
        "total": 2,
        "lines": 2,
        "price": 1,
    }
    assert "2026-03-01" not in values
    for name in ("id", "total", "price"):
        shown = list(np.nan_to_num(signals[f"field:{name}"], nan=-1.0))
        assert shown == [expected.get(name, -1) for _, expected in ANSWERS]
    assert rows == (("", 7, 5, 0.4),)
