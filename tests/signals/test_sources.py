"""A source of the corpus that retrieval finds no more, through the embedded store."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from tests.fakes.walks import table
from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.times import Window
from triagebot.ports import DOCUMENT_SOURCE, SeenValue
from triagebot.signals.sources import LEAST, MOST, kept, source_signal, source_signals
from triagebot.testing import otlp

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))


def seen(name, n=50):
    return SeenValue(dimension=DOCUMENT_SOURCE, value=name, first=START, last=WINDOW.end, requests=n)


def found(**values):
    """A table in which each source was found by these requests."""
    size = len(next(iter(values.values())))
    return table(np.arange(size) * 60.0, signals={f"source:{name}": told for name, told in values.items()})


def lost(**values):
    signals = [source_signal(name) for name in values]
    return [s.name.removeprefix("source:") for s in kept(signals, found(**values))]


def now_and_then(n, share, seed=0):
    return (np.random.default_rng(seed).random(n) < share).astype(float)


def test_a_source_that_is_found_no_more_is_lost():
    gone = np.concatenate([now_and_then(300, 0.3), np.zeros(100)])
    assert lost(faq=gone, guide=now_and_then(400, 0.4, 1)) == ["faq"]


def test_one_that_is_found_less_often_is_not():
    rarer = np.concatenate([now_and_then(300, 0.3), now_and_then(100, 0.1, 1)])
    assert lost(faq=rarer, guide=now_and_then(400, 0.4, 2)) == []


def test_an_index_whose_sources_have_new_names_lost_none():
    half = now_and_then(200, 0.4)
    assert lost(faq=np.concatenate([half, np.zeros(200)]), faq2=np.concatenate([np.zeros(200), half])) == []


@pytest.mark.parametrize(
    "values",
    [[], np.zeros(200), np.ones(200), np.full(200, np.nan), np.concatenate([np.ones(LEAST - 1), np.zeros(300)])],
)
def test_too_little_is_no_loss(values):
    assert lost(faq=np.asarray(values, dtype=float)) == []


def test_requests_that_retrieve_nothing_do_not_count():
    gone = np.concatenate([now_and_then(300, 0.3), np.full(500, np.nan)])
    assert lost(faq=gone) == []


def test_by_chance_alone_hardly_ever_is_one_lost():
    walks = [now_and_then(2000, 0.01 + 0.3 * (k % 10) / 10, k) for k in range(2000)]
    assert sum(bool(lost(faq=values)) for values in walks) == 0


def test_only_what_is_found_often_and_has_a_plain_name_is_a_signal():
    names = [f"s{k}" for k in range(MOST + 3)]
    signals = source_signals([seen("it's"), seen("rare", LEAST - 1), *(seen(n, 100 - k) for k, n in enumerate(names))])
    assert [s.name for s in signals] == [f"source:{n}" for n in names[:MOST]]


def spans(documents):
    for number, each in enumerate(documents):
        start = int((START + timedelta(seconds=60 * number)).timestamp()) * 1_000_000_000
        attributes = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": json.dumps(each)}
        one = otlp.span(
            f"{number + 1:032x}", f"{number + 1:016x}", start=start, end=start + 1_000, attributes=attributes
        )
        yield otlp.request([one], service="s")


async def told(file):
    names = ("faq", "guide", "lone", "gui", "aq")
    store = await ChdbStore.in_memory()
    await store.load(file, json=True)
    try:
        values = {v.value: v.requests for v in await store.seen(["s"], WINDOW, [DOCUMENT_SOURCE])}
        signals = (await store.requests(["s"], WINDOW, [source_signal(name) for name in names])).signals
        query, parameters = store.evidence_query(["s"], WINDOW, source_signal("faq"), {}, "model_served")
        return values, signals, (await store.run(query, parameters)).rows
    finally:
        await store.close()


def test_a_documents_source_is_what_its_id_begins_with_or_its_metadata_names(tmp_path):
    documents = [
        [{"id": "faq/12"}, {"id": "faq/13"}, {"id": "guide#4"}],
        [{"id": "77", "metadata": {"source": "faq"}}, {"id": "lone"}],
        [{"id": "faq/9", "metadata": {"source": "faq"}}],
        [],
    ]
    file = tmp_path / "spans.jsonl"
    file.write_bytes(b"".join(orjson.dumps(request) + b"\n" for request in spans(documents)))
    values, signals, rows = asyncio.run(told(file))
    assert values == {"faq": 3, "guide": 1, "lone": 1}
    shown = {name: list(np.nan_to_num(values, nan=-1.0)) for name, values in signals.items()}
    assert shown == {
        "source:faq": [1, 1, 1, -1],
        "source:guide": [1, 0, 0, -1],
        "source:lone": [0, 1, 0, -1],
        "source:gui": [0, 0, 0, -1],
        "source:aq": [0, 0, 0, -1],
    }
    assert rows == (("", 4, 3, 1.0),)
