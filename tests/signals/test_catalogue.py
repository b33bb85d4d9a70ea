"""Every signal on small rows, through the embedded store: what it says of a request, and where it says nothing."""

import asyncio
import json
import math
import re
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from triagebot.adapters.traces import normalise
from triagebot.adapters.traces.store import ChdbStore
from triagebot.domain.times import Window
from triagebot.ports import SeenValue
from triagebot.signals.catalogue import SIGNALS
from triagebot.signals.judged import MOST, MOST_TOOLS, called_signals, judged_signals, signal_by_name
from triagebot.testing import otlp

START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(days=1))
NONE = None
KIND_OF_IS_A_NUMBER = 18960  # cityHash64("is 0") % 65521
KINDS = {
    "llm": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"},
    "tool": {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_order"},
    "retrieval": {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "kb"},
    "root": {"http.request.method": "POST"},
}


def span(kind, *, ms=100, error=None, events=(), **attributes):
    told = {name.replace("__", "."): value for name, value in attributes.items()}
    return {"kind": kind, "ms": ms, "error": error, "events": events, "attributes": {**KINDS[kind], **told}}


def llm(**attributes):
    return span("llm", **attributes)


def tool(**attributes):
    return span("tool", **attributes)


def answer(text, **attributes):
    messages = [{"role": "assistant", "parts": [{"type": "text", "content": text}]}]
    return llm(gen_ai__output__messages=json.dumps(messages, ensure_ascii=False), **attributes)


def asked(text, **attributes):
    messages = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
    return llm(gen_ai__input__messages=json.dumps(messages, ensure_ascii=False), **attributes)


def said(question, reply):
    messages = [{"role": "user", "parts": [{"type": "text", "content": question}]}]
    return answer(reply, gen_ai__input__messages=json.dumps(messages, ensure_ascii=False))


def called(name, n=50, since=0.0, until=1.0):
    day = timedelta(days=1)
    return SeenValue(
        dimension="tool_names", value=name, first=START + since * day, last=START + until * day, requests=n
    )


def prompted(last):
    return llm(gen_ai__input__messages=json.dumps([{"role": "user", "content": "Where is it?"}, last]))


def found(*documents, **attributes):
    return span("retrieval", gen_ai__retrieval__documents=json.dumps(documents), **attributes)


def usage(tokens_in=0, tokens_out=0, **attributes):
    return llm(gen_ai__usage__input_tokens=tokens_in, gen_ai__usage__output_tokens=tokens_out, **attributes)


def finished(reason, **attributes):
    return llm(gen_ai__response__finish_reasons=[reason], **attributes)


STATUS, KIND = "http__response__status_code", "error__type"
DOCUMENT = {"id": "d1", "content": "twelve chars", "score": 0.9, "metadata": {"updated_at": "2026-02-19T00:00:00Z"}}
SCORED = {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 0.25}
TEXTS = {
    "empty_output": (["  \n"], ["no"]),
    "looks_json": ([' {"a": 1}', "[1]"], ["a {"]),
    "fenced": (["```json\n{}\n```"], ["`x`"]),
    "refusal": (
        ["I'm sorry, but I can't help with that.", "I cannot assist.", "As an AI language model I have no opinions."],
        ["Your order can be returned within 14 days.", "You can't miss it."],
    ),
    "broken_characters": (
        ["A caf\ufffd in Lyon", "CafÃ© au lait", "itâ€™s fine"],
        ["Café in Âncora", "It’s “fine” – 100 €", "漢字 и кириллица"],
    ),
    "found_nothing": (
        [
            "I could not find anything about this place.",
            "No relevant documents were found for it.",
            "The handbook does not contain any information on that.",
            "Dazu wurden keine Ergebnisse gefunden.",
            "Je suis désolé, aucun résultat.",
            "No he encontrado nada.",
            "Unfortunately nothing in the sources covers this question.",
            "The documents do not mention a deadline.",
            "That is not covered by our handbook.",
        ],
        [
            "You can find it under settings.",
            "No data leaves the device.",
            "There is nothing to pay.",
            "This page does not contain ads.",
            "Water damage is not covered by the standard warranty.",
            "None of these options affect your billing address.",
            "Nothing in the contract says you must pay.",
            "The source is the handbook.",
            "Found: 3 results",
        ],
    ),
    "apology": (["I apologize for the delay.", "Sorry about that."], ["No problem."]),
    "preamble": (["Sure, here it is: 4", "Here's the answer", "Certainly! 4"], ["4", "The answer is here"]),
    "closing": (["Done. Let me know if you need more!"], ["Let me know if this ends well.\n" + "x" * 200]),
    "hedge": (["It depends on the case."], ["It is 4."]),
    "commitment": (
        [
            "I have cancelled the order and you get a refund.",
            "I've gone ahead and refunded the full amount.",
            "As a courtesy we will credit $15.",
            "Your refund is on its way.",
            "You'll receive a full refund.",
        ],
        ["The order is on its way.", "Refunds take five days.", "I can help you understand the refund policy."],
    ),
    "template_left": (["Dear {{name}}", "Dear ${name}", "[object Object]", "undefined"], ["Dear Ada"]),
    "steps": (["Step 1 is easy.", "Let's think about it"], ["4"]),
    "says_yes": (["[Yes]", "TRUE"], ["yesterday"]),
    "says_no": (["No.", "false"], ["nobody knows"]),
    "option_letter": (["(B) Agree", "B. Agree"], ["Agree", "Bad."]),
    "only_number": (["42", " -1,000.5 "], ["42 items"]),
    "number": (["42 items"], ["some items"]),
    "bracketed": (["[Yes]"], ["(Yes)"]),
    "markdown": (["## Title\ntext", "so **bold**"], ["2 * 3 * 4"]),
    "bullets": (["- one\n- two", "1. one"], ["one - two"]),
    "emoji": (["Done 🎉"], ["Done :)"]),
    "exclaims": (["Done!"], ["Done."]),
    "asks_back": (["Which order? "], ["Which? That one."]),
    "markup": (["<b>bold</b>"], ["1 < 2 and 3 > 2"]),
    "link": (["see https://example.com"], ["see example.com"]),
    "citation": (
        [
            "as said [3]",
            "so it is. [doc-0042]",
            "see [guide.md:7]",
            "a [^1] note",
            "(Source: the handbook)",
            "as in [1, 2] and [Source 3]",
        ],
        ["as said [x y]", "[todo] later", 'a list: ["a1"]', "- [ ] item 1", "Dear [PERSON_1]", "arr[i0] = [utf-8]"],
    ),
    "escapes": (["caf\\u0065", "a &amp; b", "one\\nline"], ["café & bar\nline"]),
    "foreign_script": (["Привет", "你好", "こんにちは"], ["Grüße, señor"]),
    "english": (["The order is here."], ["Bestellung kommt morgen"]),
    "other_latin": (["Das ist nicht gut", "Merci pour vous"], ["The order is here."]),
    "cut_off": (["and then the"], ["and then.", "{}"]),
    "first_person": (["I think", "we're here"], ["It is"]),
    "formal_address": (["Dear Sir"], ["hey"]),
    "json_broken": (
        ['{"a": 1', "Here is the result:\n{a: 1}", '```json\n{"a": "é}\n```', "} {"],
        [
            '[{"a": 1}, {"b": 2}]',
            '```json\n[{"a": 1}, {"b": 2}]\n```',
            '{"a": {"b": "ü}"}}',
            '```json\n{"a": 1}\n```',
            'Sure: {"a": 1} Anything else?',
        ],
    ),
    "json_valid": (['{"a": 1}', "[]"], ['{"a": 1', "```json\n{}\n```"]),
}
NUMBERS = {
    "output_chars": [("añb", 3)],
    "json_keys": [('{"a": {"b": 1}, "c" : null}', 3), ("no", NONE)],
    "json_nulls": [('{"a": null, "b":null, "c": 1}', 2), ("no", NONE)],
    "lines": [("a\nb\nc", 3), ("a", 1)],
    "word_length": [("four four", 4.5)],
    "repetition": [("one two three four", 0), ("one one one one", 0.75)],
    "digits": [("a1b2", 0.5)],
    "punctuation": [("a.b!", 0.5)],
}
OTHERS = [
    ("request_failed", span("root", **{STATUS: 500}), 1),
    ("request_failed", span("root", error="boom"), 1),
    ("request_failed", span("root", **{STATUS: 404}), 0),
    ("llm_failed", llm(**{STATUS: 400}), 1),
    ("llm_failed", llm(), 0),
    ("llm_failed", tool(error="boom"), NONE),
    ("rate_limited", llm(**{STATUS: 429}), 1),
    ("rate_limited", llm(error="Too Many Requests"), 1),
    ("rate_limited", llm(**{KIND: "rate_limit_exceeded"}), 1),
    ("rate_limited", llm(**{STATUS: 500}), 0),
    ("overloaded", llm(**{STATUS: 529}), 1),
    ("overloaded", llm(**{KIND: "overloaded_error"}), 1),
    ("overloaded", llm(**{STATUS: 500}), 0),
    ("timed_out", llm(**{KIND: "timeout"}), 1),
    ("timed_out", llm(**{STATUS: 504}), 1),
    ("timed_out", llm(), 0),
    ("server_error", llm(**{STATUS: 502}), 1),
    ("server_error", llm(**{STATUS: 429}), 0),
    ("client_error", llm(**{STATUS: 400}), 1),
    ("client_error", llm(**{STATUS: 429}), 0),
    ("model_missing", llm(error="The model `m` does not exist"), 1),
    ("model_missing", llm(error="file is gone"), 0),
    ("model_missing", llm(**{KIND: "NotFoundError"}), 1),
    ("model_missing", llm(**{KIND: "FileNotFoundError"}), 0),
    ("model_missing", llm(error="Previous response with id resp_1 not found", **{KIND: "openai.NotFoundError"}), 0),
    ("model_missing", llm(error="404 model_not_found: lexis-small-1", **{KIND: "NotFoundError"}), 1),
    ("context_overflow", llm(**{KIND: "context_length_exceeded"}), 1),
    ("context_overflow", llm(), 0),
    ("any_failed", tool(error="boom"), 1),
    ("any_failed", tool(), 0),
    ("llm_calls", llm(), 1),
    ("model_called", llm(), 1),
    ("model_called", tool(), 0),
    ("resends", llm(http__request__resend_count=2), 2),
    ("early_retry", llm(retry_after=10, http__request__resend_count=1), 1),
    ("early_retry", llm(retry_after=10), 0),
    ("early_retry", llm(), NONE),
    ("tool_calls", tool(), 1),
    ("asks_for_tools", finished("tool_calls"), 1),
    ("asks_for_tools", finished("stop"), 0),
    ("asks_for_tools", llm(), NONE),
    ("retrievals", span("retrieval"), 1),
    ("truncated", finished("max_tokens"), 1),
    ("truncated", finished("stop"), 0),
    ("truncated", llm(), NONE),
    ("filtered", finished("content_filter"), 1),
    ("filtered", finished("stop"), 0),
    ("unfinished", answer("half an ans"), 1),
    ("unfinished", answer("whole.", gen_ai__response__finish_reasons=["stop"]), 0),
    ("unfinished", answer("half", error="boom"), NONE),
    ("partial_kept", answer("half", message__status="complete"), 1),
    ("partial_kept", finished("stop", message__status="complete"), 0),
    ("partial_kept", finished("stop"), NONE),
    ("stored_incomplete", answer("half", message__status="incomplete"), 1),
    ("stored_incomplete", finished("stop", message__status="complete"), 0),
    ("stored_incomplete", finished("stop"), NONE),
    ("tool_failed", tool(error="boom"), 1),
    ("tool_failed", tool(), 0),
    ("calls:search", tool(gen_ai__tool__name="search"), 1),
    ("calls:search", tool(gen_ai__tool__name="get_order"), 0),
    ("calls:search", llm(), NONE),
    ("tool_arguments_invalid", tool(gen_ai__tool__call__arguments='{"id": '), 1),
    ("tool_arguments_invalid", tool(gen_ai__tool__call__arguments='{"id": 1}'), 0),
    ("tool_arguments_invalid", tool(), NONE),
    ("tool_argument_keys", tool(gen_ai__tool__call__arguments='{"id": 1, "all": true}'), 2),
    ("tool_result_error", tool(gen_ai__tool__call__result='{"error": "no such order"}'), 1),
    ("tool_result_error", tool(gen_ai__tool__call__result='{"isError": true, "content": []}'), 1),
    ("tool_result_error", tool(gen_ai__tool__call__result='{"status": "ok"}'), 0),
    ("tool_result_error", tool(), NONE),
    ("tool_answer_error", prompted({"role": "tool", "content": "unknown tool: get_order"}), 1),
    (
        "tool_answer_error",
        prompted({"role": "user", "content": [{"type": "tool_result", "content": "Error: gone"}]}),
        1,
    ),
    (
        "tool_answer_error",
        prompted({"role": "tool", "parts": [{"type": "tool_call_response", "response": {"ok": 1}}]}),
        0,
    ),
    ("tool_answer_error", asked("why is the tool not found?"), NONE),
    ("tool_result_empty", tool(gen_ai__tool__call__result=' {"rows": [ ]} '), 1),
    ("tool_result_empty", tool(gen_ai__tool__call__result="null"), 1),
    ("tool_result_empty", tool(gen_ai__tool__call__result='{"rows": [1]}'), 0),
    ("tool_result_not_json", tool(gen_ai__tool__call__result="It is late"), 1),
    ("tool_result_not_json", tool(gen_ai__tool__call__result="{}"), 0),
    ("tool_result_keys", tool(gen_ai__tool__call__result='{"a": 1, "b": {"c": 2}}'), 3),
    ("tool_result_nulls", tool(gen_ai__tool__call__result='{"a": null, "b": 2}'), 1),
    ("tool_result_chars", tool(gen_ai__tool__call__result="late"), 4),
    ("documents", found(DOCUMENT, DOCUMENT), 2),
    ("documents", span("retrieval"), NONE),
    ("retrieval_empty", found(), 1),
    ("retrieval_empty", found(DOCUMENT), 0),
    ("retrieval_empty", span("retrieval"), NONE),
    ("retrieval_bare", span("retrieval"), 1),
    ("retrieval_bare", found(DOCUMENT), 0),
    ("retrieval_bare", found(), 0),
    ("retrieval_bare", span("retrieval", error="boom"), NONE),
    ("top_score", found({**DOCUMENT, "score": 0.5}, DOCUMENT), 0.9),
    ("mean_score", found({**DOCUMENT, "score": 0.5}, DOCUMENT), 0.7),
    ("mean_score", found(), NONE),
    ("document_age", found(DOCUMENT), 10),
    ("document_chars", found(DOCUMENT), 12),
    ("retrieval_failed", span("retrieval", error="boom"), 1),
    ("retrieval_failed", span("retrieval"), 0),
    ("request_ms", span("root", ms=250), 250),
    ("llm_ms", llm(ms=250), 250),
    ("ms_per_token", usage(1, 80, ms=500), 5),
    ("ms_per_token", llm(), NONE),
    ("ttft_ms", llm(ai__response__msToFirstChunk=120), 120),
    ("chunk_gap_ms", llm(triage__stream__gap_ms=30), 30),
    ("tokens_per_chunk", usage(1, 80, triage__stream__chunks=40), 2),
    ("tokens_per_chunk", usage(1, 80), NONE),
    ("tool_ms", tool(ms=70), 70),
    ("retrieval_ms", span("retrieval", ms=70), 70),
    ("input_tokens", usage(120, 1), 120),
    ("input_tokens", llm(), NONE),
    ("output_tokens", usage(1, 30), 30),
    ("reasoning_tokens", usage(1, 30, gen_ai__usage__reasoning_tokens=9), 9),
    ("cache_share", usage(100, 1, gen_ai__usage__cache_read__input_tokens=80), 0.8),
    ("cache_share", usage(100, 1), NONE),
    ("cache_written", usage(100, 1, gen_ai__usage__cache_creation__input_tokens=40), 40),
    ("input_tokens_per_character", asked("x" * 80, gen_ai__usage__input_tokens=50), 0.5),
    ("input_tokens_per_character", usage(50), NONE),
    ("output_tokens_per_character", answer("x" * 40, gen_ai__usage__output_tokens=10), 0.25),
    ("output_tokens_per_character", answer("x", gen_ai__usage__output_tokens=10), NONE),
    ("cost", llm(gen_ai__usage__cost=0.02), 0.02),
    ("feedback", llm(triage__feedback="thumbs_down"), 0),
    ("feedback", llm(triage__feedback="up"), 1),
    ("feedback", llm(), NONE),
    ("input_chars", asked("abc"), 3),
    ("input_chars", llm(), NONE),
    ("asked_tokens", usage(120, 1), 120),
    ("asked_tokens", tool(), NONE),
    ("input_foreign", asked("你好"), 1),
    ("input_foreign", asked("hallo"), 0),
    ("input_code", asked("```py\nx\n```"), 1),
    ("input_code", asked("what is a class?"), 0),
    ("failures_per_failing", llm(), NONE),
    ("failures_per_failing", llm(**{STATUS: 400}), 1),
    ("stated_confidence", answer('{"label": "x", "confidence": 0.25}'), 0.25),
    ("stated_confidence", answer("confidence: 3"), NONE),
    ("input_kind", asked("Is 17 a prime?"), KIND_OF_IS_A_NUMBER),
    ("input_kind", asked("is  4711 happy?"), KIND_OF_IS_A_NUMBER),
    ("input_kind", llm(), NONE),
    ("input_language", said("Wo ist meine Bestellung und der Beleg?", "The order is on its way."), 2),
    ("input_language", asked("Is this the place where you are?"), 1),
    ("input_language", asked("4711"), NONE),
    ("input_language", asked("Wie pflege ich den Holmvik?"), 2),
    ("input_language", asked("Quand arrive mon Lindsele ?"), 3),
    ("input_language", asked("Su cita se puede cambiar. Le paso con una enfermera."), 4),
    ("input_language", asked("¿Dónde está mi pedido?"), 4),
    ("input_language", asked("Dov'è il mio ordine?"), 5),
    ("input_language", asked("Onde está o meu pedido?"), 6),
    ("input_language", asked("Waar is mijn bestelling?"), 7),
    ("input_language", asked("Когда придёт мой заказ?"), 8),
    ("input_language", asked("Chcę zwrócić Kalvik, co mam zrobić?"), 12),
    ("input_language", asked("Kdy dorazí moje objednávka, prosím?"), 13),
    ("input_language", asked("Де моє замовлення?"), 14),
    ("input_language", asked("Hur lämnar jag tillbaka Torsö?"), 15),
    ("input_language", asked("Hvordan bytter jeg produktet?"), 16),
    ("input_language", asked("Milloin tilaus saapuu?"), 17),
    ("input_language", asked("Siparişim nerede, lütfen?"), 18),
    ("input_language", asked("Πού είναι η παραγγελία;"), 23),
    ("input_language", asked("أين طلبي؟"), 24),
    ("input_language", asked("I've read it twice: is this the van?"), 1),
    ("input_language", asked("Hast du den Preis des Produkts, und wann?"), 2),
    ("input_language", asked("Kan je me helpen met mijn bestelling?"), 7),
    ("input_language", asked("¿Cuándo llega?"), 4),
    ("input_language", asked("请问 What is my order 的状态"), 10),
    (
        "other_language",
        said("Wo ist meine Bestellung und der Beleg?", "Hi there! Die Bestellung ist nicht mit der Post da."),
        0,
    ),
    ("other_language", said("Wo ist meine Bestellung und der Beleg?", "Your order is on the way."), 1),
    ("other_language", said("Wo ist meine Bestellung und der Beleg?", "Die Bestellung ist unterwegs."), 0),
    ("other_language", said("Where are the orders?", "您的订单是明天到。"), 1),
    ("other_language", said("ご注文はどこですか", "ご注文は明日届きます"), 0),
    ("other_language", said("Où est la commande et le colis ?", "El pedido llega mañana y el paquete no."), 1),
    ("other_language", said("4711", "Your order is on the way."), NONE),
    ("other_language", said("Where are the orders?", "4711"), NONE),
    ("other_language", answer("Your order is on the way."), NONE),
    ("eval:helpful", llm(events=((0, "gen_ai.evaluation.result", SCORED),)), 0.25),
    ("eval:helpful", llm(), NONE),
]
CASES = [
    *((name, answer(text), 1) for name, (yes, _) in TEXTS.items() for text in yes),
    *((name, answer(text), 0) for name, (_, no) in TEXTS.items() for text in no),
    *((name, llm(), NONE) for name in (*TEXTS, *NUMBERS)),
    *((name, answer(text), value) for name, told in NUMBERS.items() for text, value in told),
    *OTHERS,
]


def _request(number, made):
    start = int((START + timedelta(seconds=number)).timestamp()) * 1_000_000_000
    one = otlp.span(
        f"{number + 1:032x}",
        f"{number + 1:016x}",
        start=start,
        end=start + made["ms"] * 1_000_000,
        error=made["error"],
        events=[(start, name, values) for _, name, values in made["events"]],
        attributes=made["attributes"],
    )
    return otlp.request([one], service="s")


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What every signal says of each case, as lists in the order of CASES."""

    async def ask():
        file = tmp_path_factory.mktemp("otlp") / "cases.jsonl"
        file.write_bytes(b"".join(orjson.dumps(_request(n, made)) + b"\n" for n, (_, made, _) in enumerate(CASES)))
        store = await ChdbStore.in_memory()
        await store.load(file, json=True)
        table = await store.requests(
            ["s"],
            WINDOW,
            (*SIGNALS, *judged_signals(["helpful@v2"]), *called_signals([called("get_order"), called("search")])),
        )
        await store.close()
        assert len(table.at) == len(CASES)
        return {name: values.tolist() for name, values in table.signals.items()}

    return asyncio.run(ask())


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{name}-{n}" for n, (name, _, _) in enumerate(CASES)])
def test_what_a_signal_says_of_a_request(read, number):
    name, made, expected = CASES[number]
    value = read[name][number]
    if expected is NONE:
        assert math.isnan(value), (made["attributes"], value)
    else:
        assert value == pytest.approx(expected, abs=0.005), made["attributes"]


def test_every_signal_has_an_example_here():
    assert {signal.name for signal in SIGNALS} <= {name for name, _, _ in CASES}


def test_every_rate_has_an_example_of_either_side():
    told = {(name, expected) for name, _, expected in CASES}
    one_sided = {s.name for s in SIGNALS if s.binary and not {(s.name, 0), (s.name, 1)} <= told}
    assert one_sided == set()


def test_rates_are_zero_or_one(read):
    for signal in SIGNALS:
        if signal.binary:
            assert {v for v in read[signal.name] if not math.isnan(v)} <= {0.0, 1.0}, signal.name


def test_names_are_unique_and_fit_for_a_verdict():
    names = [signal.name for signal in SIGNALS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    assert len({signal.title for signal in SIGNALS}) == len(names)


def test_a_signal_needs_only_columns_that_there_are():
    known = set(normalise.column_names())
    assert {need for signal in SIGNALS for need in signal.needs} <= known


def test_a_signal_without_its_column_is_absent_and_never_zero(read):
    """Signals of counts over other spans, such as tool calls, may say zero; what a span should have recorded may not."""
    number = next(n for n, (name, _, _) in enumerate(CASES) if name == "llm_calls")
    said = {signal.name for signal in SIGNALS if signal.needs and not math.isnan(read[signal.name][number])}
    assert said == set()


UNSAFE = ["it's", 'say "x"', "back\\slash", "{x:String}", "a`b", "a;b", "a\nb", "", " ", "@judge", "ünsafe", "x" * 80]


@pytest.mark.parametrize("label", UNSAFE)
def test_a_name_that_could_end_the_literal_makes_no_signal(label):
    assert judged_signals([label]) == ()
    assert called_signals([called(label), called("search")]) == ()
    assert signal_by_name(f"calls:{label}") is None


def test_each_evaluation_is_a_signal_of_its_own_whoever_judged():
    made = judged_signals(["helpful@v1", "helpful@v2", "csat", "ragas/faithfulness"])
    assert [signal.name for signal in made] == ["eval:csat", "eval:helpful", "eval:ragas/faithfulness"]
    assert [signal.family for signal in made] == ["feedback", "eval", "eval"]
    assert all(signal.bad == "down" for signal in made)


def test_a_thousand_evaluations_are_not_a_thousand_signals():
    assert len(judged_signals(f"e{n}" for n in range(1000))) == MOST


def test_a_signal_is_found_again_by_its_name():
    made = (*judged_signals(["helpful@v1"]), *called_signals([called("get_order"), called("search")]))
    assert [signal_by_name(signal.name) for signal in made] == list(made)
    assert signal_by_name("refusal") is None


def test_the_tools_called_most_are_signals_where_there_is_a_choice():
    assert len(called_signals([called(f"t{n}") for n in range(100)])) == MOST_TOOLS
    assert called_signals([called("only")]) == ()
    assert [s.name for s in called_signals([called("rare", n=3), called("usual", n=90)])] == [
        "calls:usual",
        "calls:rare",
    ]


def test_a_tool_under_a_new_name_is_no_choice():
    old, new = called("get_issue", until=0.6), called("issue_read", since=0.7)
    others = [called("search"), called("comment"), called("once", n=1, until=0.1)]
    assert {s.name for s in called_signals([old, new, *others])} == {"calls:search", "calls:comment", "calls:once"}
    gone = called("get_issue", until=0.6)
    assert "calls:get_issue" in {s.name for s in called_signals([gone, *others])}


def test_how_a_page_was_heard_of_is_no_word_for_a_tool():
    (ticket, _) = called_signals([called("create_ticket", 90), called("search", 50)])
    assert ticket.name == "calls:create_ticket"
    assert not {"ticket", "support"} & set(ticket.words)
    assert "create" in ticket.words


# What pages say of anything: rates of errors, queues of reviews, lists, windows of fifteen minutes, scores that dropped.
ANYWHERE = (
    "answer answered answers asks count down dropped gate list large no number odd output question queue rate records"
)
ANYWHERE += " request requests results size users window"


def test_no_signal_answers_to_a_word_that_any_page_may_hold():
    told = {signal.name: set(signal.words) & set(ANYWHERE.split()) for signal in SIGNALS}
    assert {name: words for name, words in told.items() if words} == {}
