import asyncio

import orjson
import pytest

from tests.signals.test_catalogue import WINDOW, _request, answer
from triagebot.adapters.traces.store import ChdbStore
from triagebot.signals.judged import signal_by_name
from triagebot.signals.vocabulary import PARTS, word_signals

TEXTS = (
    "Please ask a pharmacist.",
    "please ASK a pharmacist, ask a pharmacist",
    "Give 5 ml every six hours.",
    "4711 23:50",
)


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """How many words of each part the answers hold, a list for each."""

    async def ask():
        file = tmp_path_factory.mktemp("otlp") / "answers.jsonl"
        file.write_bytes(b"".join(orjson.dumps(_request(n, answer(text))) + b"\n" for n, text in enumerate(TEXTS)))
        store = await ChdbStore.in_memory()
        await store.load(file, json=True)
        table = await store.requests(["s"], WINDOW, word_signals())
        await store.close()
        return [[float(table.signals[f"words:{part}"][n]) for part in range(PARTS)] for n in range(len(TEXTS))]

    return asyncio.run(ask())


def test_each_word_counts_once_whatever_its_case_and_numbers_do_not(counted):
    assert [sum(parts) for parts in counted] == [4, 4, 5, 0]
    assert counted[0] == counted[1] != counted[2]


def test_its_name_finds_it_again_and_tells_no_word():
    for signal in word_signals():
        assert signal_by_name(signal.name) == signal
    for name in ("words:64", "words:-1", "words:x", "words:"):
        assert signal_by_name(name) is None
