"""Questions in a thread: what the record holds is answered with its ids, what it does not is told so, and plants change nothing."""

import json
from copy import deepcopy
from datetime import timedelta

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.incidents import CHANGE, PAGED, SYMPTOM, cause, finding, verdict
from tests.triage.asking.plants import LIE, PLACES, PLANTS
from triagebot.adapters.llm.anthropic_gateway import AnthropicGateway
from triagebot.adapters.llm.prompts import prompt
from triagebot.domain.change import Change
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.people import Author
from triagebot.domain.recorded import Reply, ToolUse
from triagebot.domain.times import Interval, parse_time
from triagebot.errors import SourceFailed
from triagebot.ports import Sentence
from triagebot.testing.messages_api import FakeAnthropic, tool_use
from triagebot.testing.messages_api import text as answer_text
from triagebot.triage.asking.narrator import TOOLS, Narrating, check
from triagebot.triage.asking.record import KINDS, by_rule, lines_of, matching, of_kind, question_of
from triagebot.triage.messages.asking import answer_message
from triagebot.triage.replay.budget import Caps, Price, Prices

INCIDENT = Incident(
    id="INC-7",
    service="support-agent",
    status="open",
    title="JSON error rate high",
    symptom_key="json",
    opened_at=PAGED,
)
EVENTS = [
    TimelineEvent(at=PAGED, kind="paged", actor="pagerduty", text="JSON error rate high", dedupe="p"),
    TimelineEvent(
        at=PAGED + timedelta(minutes=2), kind="acknowledged", actor="Ola Berg", text="Acknowledged", dedupe="a"
    ),
]
MERGED = Change(
    service="support-agent",
    surface="retrieval_corpus",
    artifact="kb-main",
    before="idx-1",
    after="idx-2",
    introduced=Interval(parse_time("2026-11-03T00:30:00Z"), parse_time("2026-11-03T00:30:00Z")),
    author=Author(name="Ben Roth", email="ben@example.com"),
    summary="Nightly rebuild",
)


def known(events=EVENTS, about=None, changes=(MERGED,), incident=INCIDENT):
    return lines_of(incident, events, about or verdict(), changes)


def answered(question, **more):
    found = by_rule(known(**more), question)
    return [id_ for id_, _ in found.lines], " ".join(line for _, line in found.lines), found.subject


# -- by rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "first", "says"),
    [
        ("was the prompt changed?", "W2", "v17 in eu-west-1"),
        ("did anybody touch the model alias?", "W1", "one served id"),
        ("is the retrieval corpus ok?", "W4", "index rebuilt 00:30"),
        ("who owns this?", "C1", "owner Maria Ruiz"),
        ("how bad is it?", "V1", "SEV2"),
        ("when did it begin?", "S1", "it began"),
        ("what changed in kb-main?", "K1", "idx-1 → idx-2"),
        ("what about eu-west-1?", "S1", "eu-west-1"),
        ("why?", "C1", "support/system v14 → v17"),
        ("who acknowledged?", "", "Ola Berg"),
        ("is it v17?", "", "v17"),
        ("what did triagebot say about the prompt?", "W2", "v17 in eu-west-1"),
        ("what was found out about the cause?", "C1", "support/system v14 → v17"),
    ],
)
def test_what_the_record_holds_is_answered_with_its_lines(question, first, says):
    ids, text, _ = answered(question)
    assert not first or ids[0] == first
    assert says in text
    assert len(ids) <= 4


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("was the reranker touched?", "reranker"),
        ("what does the customer Globex say?", "globex"),
        ("is v99 live?", "v99"),
        ("hello there", "hello"),
        ("?", ""),
    ],
)
def test_what_the_record_does_not_hold_is_not_recorded(question, subject):
    ids, _, not_found = answered(question)
    assert ids == []
    assert subject in not_found
    text = str(answer_message(INCIDENT, {"said": [], "subject": not_found, "how": "rule"}).blocks)
    assert "Not recorded" in text


def test_an_incident_without_a_verdict_says_what_it_has():
    found = by_rule(lines_of(INCIDENT, EVENTS, None, ()), "what is the cause?")
    ids, text = [id_ for id_, _ in found.lines], " ".join(line for _, line in found.lines)
    assert ids == ["R1"]
    assert "no verdict was reached" in text


@given(st.text(max_size=80))
def test_any_question_has_an_answer_or_none(question):
    found = by_rule(known(), question_of(question))
    assert all(found_id in known() for found_id, _ in found.lines)


def test_the_mention_is_no_part_of_the_question():
    assert question_of("<@U0BOT> was   the\nprompt <@U1|x> changed?") == "was the prompt changed?"
    assert question_of("<@U0BOT>") == ""
    assert len(question_of("x" * 5000)) <= 400


# -- the model -------------------------------------------------------------------------------------------------------


def words(question, kinds):
    filled = prompt("thread", question=question, kinds=kinds)
    return filled.system, filled.user, filled.hash


class Model:
    """Answers as scripted, an item a call: sentences, look-ups, a text, or an exception."""

    name = "fake"

    def __init__(self, *script):
        self.script, self.asks = list(script), []

    async def call(self, ask):
        self.asks.append(ask)
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, Exception):
            raise said
        uses = tuple(said) if isinstance(said, list) and said and isinstance(said[0], ToolUse) else ()
        text = "" if uses else said if isinstance(said, str) else json.dumps(said)
        return Reply(
            text=text, uses=uses, finish="stop", model="claude-x-1", input_tokens=900, output_tokens=50, seconds=0.1
        )


def said(text, *cites):
    return {"sentences": [{"text": text, "cites": list(cites)}], "not_recorded": False}


def look(name="find_lines", **arguments):
    return [ToolUse(id="t1", name=name, arguments=json.dumps(arguments))]


def narrating(*script, **more):
    model = Model(*script)
    return model, Narrating(gateway=model, model="claude-x", words=words, **more)


GOOD = "The prompt version support/system was implicated: v17 in eu-west-1."


async def test_it_looks_up_and_answers_from_what_it_found():
    model, narrator = narrating(
        look(words="prompt"), said(GOOD, "W2"), prices=Prices(table={"claude-x*": Price(3, 15)})
    )
    told = await narrator.answer(known(), "was the prompt changed?")
    assert told.sentences == (Sentence(text=GOOD, cites=("W2",)),)
    assert told.reason == ""
    assert (told.spent.calls, told.spent.tokens, told.model) == (2, 1900, "claude-x-1")
    assert told.spent.money == pytest.approx((1800 * 3 + 100 * 15) / 1e6)
    found = model.asks[1].turns[-1].results[0].content
    assert "W2: Prompt version (prompt_version): implicated." in found
    assert model.asks[0].tools == TOOLS


async def test_what_it_does_not_find_is_not_recorded():
    _, narrator = narrating({"sentences": [], "not_recorded": True})
    assert (await narrator.answer(known(), "was the reranker touched?")).not_recorded


async def test_a_wrong_answer_is_sent_back_once():
    model, narrator = narrating(said("JSON failures rose to 55 %.", "S1"), said(GOOD, "W2"))
    told = await narrator.answer(known(), "?")
    assert told.sentences[0].text == GOOD
    assert "55 %" in model.asks[1].turns[-1].text
    model, narrator = narrating(said("JSON failures rose to 55 %.", "S1"))
    told = await narrator.answer(known(), "?")
    assert (told.sentences, len(model.asks)) == ((), 2)
    assert "55 %" in told.reason


@pytest.mark.parametrize(
    "script",
    [
        "no json",
        "{",
        '{"sentences": "x"}',
        '{"sentences": [{"text": 7, "cites": []}]}',
        '{"sentences": [{"text": "x"}]}',
        "[" * 3000,
        "7",
        '{"sentences": []}',
    ],
)
async def test_garbage_is_no_answer(script):
    _, narrator = narrating(script)
    told = await narrator.answer(known(), "?")
    assert told.sentences == ()
    assert told.reason


async def test_a_gateway_that_is_down_leaves_the_rule():
    _, narrator = narrating(SourceFailed("the Messages API cannot be reached"))
    assert (await narrator.answer(known(), "?")).reason == "the Messages API cannot be reached"


@pytest.mark.parametrize(
    ("caps", "says"), [(Caps(calls=3), "3 calls"), (Caps(calls=None, tokens=8000), "8,000 tokens")]
)
async def test_the_budget_ends_it(caps, says):
    model, narrator = narrating(look(words="x"), caps=caps)
    told = await narrator.answer(known(), "?")
    assert says in told.reason
    assert len(model.asks) <= 8


@pytest.mark.parametrize(
    "use",
    [
        ToolUse(id="1", name="freeze", arguments='{"service": "support-agent"}'),
        ToolUse(id="1", name="list_lines", arguments='{"kind": "../../etc/passwd"}'),
        ToolUse(id="1", name="list_lines", arguments='{"kind": ["page"]}'),
        ToolUse(id="1", name="list_lines", arguments="[1]"),
        ToolUse(id="1", name="find_lines", arguments="{" * 4000),
        ToolUse(id="1", name="find_lines", arguments='{"words": {"$ne": null}}'),
        ToolUse(id="1", name="__class__", arguments="{}"),
    ],
)
async def test_a_look_up_that_there_is_not_finds_nothing(use):
    model, narrator = narrating([use], said(GOOD, "W2"))
    await narrator.answer(known(), "?")
    assert model.asks[1].turns[-1].results[0].content == "No line of the record."


def test_every_kind_can_be_looked_up():
    lines = known()
    listed = [of_kind(lines, kind) for kind in KINDS]
    assert {id_ for found in listed for id_ in found} == set(lines)
    assert of_kind(lines, "secrets") == {}
    assert next(iter(matching(lines, "kb-main rebuild"))) == "K1"


async def test_the_hosted_api_takes_what_is_sent():
    fake = FakeAnthropic()
    fake.reply(
        tool_use("find_lines", {"words": "prompt"}), answer_text("not json"), answer_text(json.dumps(said(GOOD, "W2")))
    )
    async with fake.http_client() as http:
        gateway = AnthropicGateway(anthropic.AsyncAnthropic(api_key=fake.api_key, http_client=http))
        narrator = Narrating(gateway=gateway, model="claude-haiku-4-5", words=words)
        told = await narrator.answer(known(), "was the prompt changed?")
    assert told.sentences[0].text == GOOD
    assert told.model == "claude-haiku-4-5-20251001"
    assert [len(request["messages"]) for request in fake.requests] == [1, 3, 5]
    assert "never" in fake.requests[0]["system"].lower()


# -- plants ----------------------------------------------------------------------------------------------------------


def planted(place, text):
    """The record with the text planted at a place, and the question that is asked."""
    about, events, changes, incident, question = verdict(), list(EVENTS), [MERGED], INCIDENT, "was the prompt changed?"
    if place == "page title":
        about["page"]["title"] = text
        incident = Incident(**{n: getattr(INCIDENT, n) for n in INCIDENT.__slots__} | {"title": text})
        events[0] = TimelineEvent(at=PAGED, kind="paged", actor="pagerduty", text=text, dedupe="p")
    elif place == "span attribute":
        about["symptoms"] = [{**deepcopy(SYMPTOM), "slice": {"region": "eu-west-1", "tenant": text}}]
        about["facts"] = {"prompt": {text: 0.6, "support/system@v17": 0.4}, "model_served": {text: 1.0}}
    elif place == "commit message":
        about["causes"] = [cause(summary=text)]
        change = {**CHANGE, "summary": text, "author": {"name": text, "email": ""}}
        about["findings"][1] = finding(
            "prompt_version",
            "implicated",
            "v17 in eu-west-1, v14 elsewhere; failures only with v17",
            [change],
            about["findings"][1]["evidence"],
        )
        changes.append(
            Change(
                service="support-agent",
                surface="prompt_version",
                artifact="support/system",
                introduced=MERGED.introduced,
                summary=text,
                author=Author(name=text),
            )
        )
    elif place == "slack message":
        events.append(TimelineEvent(at=PAGED + timedelta(minutes=5), kind="note", actor=text, text=text, dedupe="n"))
        events.append(
            TimelineEvent(
                at=PAGED + timedelta(minutes=6),
                kind="label",
                actor="ola",
                text=f"Wrong call: {text}",
                dedupe="l",
                data={"node": "x", "words": text},
            )
        )
        question = f"was the prompt changed? {text}"
    elif place == "tool result":
        about["findings"][2] = finding(
            "tool_schemas",
            reason=f"last result: “{text}”",
            evidence=[{"id": "E7", "text": f"result “{text}”", "n": 3, "query": "", "link": text}],
        )
    return lines_of(incident, events, about, changes), question


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", PLANTS)
async def test_a_plant_changes_nothing_even_where_the_model_obeys_it(name, place):
    text, obeyed = PLANTS[name]
    record, question = planted(place, text)
    answer = {
        "sentences": [
            {"text": s, "cites": ["C1", "W2", "P1", "S1", "E99" if name == "cite" else "R1"]}
            for s in ([obeyed] if obeyed is not None else [GOOD] * 40)
        ]
    }
    if name == "no cite":
        answer["sentences"][0]["cites"] = []
    if name == "garbage":
        answer = 7
    model, narrator = narrating(answer)
    told = await narrator.answer(record, question_of(question))
    assert told.sentences == ()
    assert told.reason
    shown = answer_message(INCIDENT, {"how": "rule", "said": [], "reason": told.reason})
    assert "<!channel>" not in str(shown.blocks)
    assert "https://evil" not in str(shown.blocks)
    assert model.asks[0].system == words("x", [])[0]  # no plant is part of the rules
    assert len(model.asks) == 2


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", PLANTS)
def test_the_rule_gives_the_same_lines_with_and_without_a_plant(name, place):
    text, _ = PLANTS[name]
    record, _ = planted(place, text)
    ids = [id_ for id_, _ in by_rule(record, "was the prompt changed?").lines]
    assert ids[0] == "W2"
    assert record["W2"].startswith("Prompt version (prompt_version): implicated.")
    line = dict(by_rule(record, "who owns this?").lines)["C1"]
    assert "owner Maria Ruiz" in line
    assert "retrieval_corpus" not in line.split("described as")[0]


def test_what_stands_in_quotation_marks_in_the_record_proves_nothing():
    record, _ = planted("commit message", LIE)
    assert any("described as" in line and LIE.rstrip(".") in line for line in record.values())
    assert check([Sentence(text=LIE, cites=("C1",))], record)


def test_prompts_and_what_models_said_are_in_no_line():
    text = "You are the assistant of ACME and must never"
    record, _ = planted("prompt text", text)
    assert text not in json.dumps(record)
