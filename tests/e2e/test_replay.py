"""A replay as people see it: asked for in Slack, told in the thread, cancelled, and gone on with after a kill."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bench import PAGED, ROOM, TOKEN, Bench, bench, event, until
from tests.triage.replay import worlds
from tests.triage.replay.worlds import JsonJudge, Model, Time
from triagebot.bootstrap import incidents as building
from triagebot.bootstrap import walks
from triagebot.domain.people import Person
from triagebot.errors import SourceFailed
from triagebot.testing.slack import LocalSlack
from triagebot.triage.replay.budget import Caps
from triagebot.triage.replay.plan import Wanted

BY = {"by": "ada@example.com"}


def arm(here: Bench, model: Any = None, **terms: Any) -> Any:
    """Gives the server a model, recorded requests and a judge; the rest is its own."""
    replays = here.server.replays
    where = worlds.sources()
    replays.sources = {"support-agent": where}
    replays.gateway, replays.judge = model or Model(), JsonJudge()
    replays.terms, replays.patience, replays.tell_every = worlds.terms(**terms), Time().patience(), 0.0
    here.server.tell._replays = True
    return replays


async def verdict(here: Bench) -> None:
    """An incident whose verdict blames a prompt."""
    await here.page(event())
    await here.idle()
    stored = await here.server.ledger.verdict("INC-1")
    assert stored is not None
    await here.server.ledger.save_verdict("INC-1", {**stored, **worlds.verdict(), "page": stored["page"]})
    await here.server.tell.refresh("INC-1")


async def over(here: Bench, number: int = 1) -> dict[str, Any]:
    async def report() -> Any:
        state = await here.server.replays.state("INC-1")
        return state["report"] if state["report"] and state["report"]["number"] == number else None

    found = await until(report)
    await here.idle()
    return dict(found)


def thread(here: Bench) -> str:
    """Everything that the incident's message and thread say."""
    return json.dumps([[m.text, m.blocks] for m in (*here.messages(), *here.replies())], ensure_ascii=False)


def buttons(here: Bench) -> list[str]:
    (message,) = here.messages()
    return [e["action_id"] for b in message.blocks if b["type"] == "actions" for e in b["elements"]]


async def click(here: Bench, message: Any, action: str, who: str = "ada") -> str:
    person = here.slack.user(who)
    before = len(person.ephemerals())
    delivery = await person.click(message, action)
    assert delivery.acked
    await until(lambda: len(person.ephemerals()) > before)
    return str(person.ephemerals()[-1].blocks)


async def test_the_button_the_thread_the_verdict_and_the_postmortem(here: Bench) -> None:
    arm(here)
    await verdict(here)
    await until(here.doors.socket.handler.client.is_connected)
    assert "replay" in buttons(here)
    assert len(buttons(here)) <= 5
    (message,) = here.messages()
    assert "Replay 1 of INC-1 begins" in await click(here, message, "replay")
    report = await over(here)
    assert (report["effect"], report["asked_by"]) == ("confirmed", "Ada Obi")
    (told,) = [m for m in here.replies() if "Replay 1" in str(m.blocks)]
    assert "confirms the verdict" in str(told.blocks)
    assert "*0 %* (0 of 24" in str(told.blocks)
    assert "cancel_replay" not in str(told.blocks)
    assert "Replay 1 confirms the verdict" in here.said()
    stored = await here.server.ledger.verdict("INC-1")
    assert stored["replay"]["effect"] == "confirmed"
    for text in (worlds.SECRET, worlds.OLD, worlds.NEW):
        assert text not in thread(here) + json.dumps([report, stored])
    trail = [e.read()["action"] for e in await here.server.audit.entries(subject="INC-1")]
    assert trail == ["replay ended", "replay asked for"]

    await here.server.way.ask_postmortem("INC-1", at="test")
    here.server.pool.wake()
    await here.idle()
    document = await here.document()
    assert "Replay 1 confirms the verdict" in document["markdown"]
    assert "**X2** Replayed as served: 24 of 24 answers show the symptom" in document["markdown"]


async def test_a_double_click_is_one_replay(here: Bench) -> None:
    model = Model()
    arm(here, model)
    await verdict(here)
    await until(here.doors.socket.handler.client.is_connected)
    (message,) = here.messages()
    ada = here.slack.user("ada")
    await asyncio.gather(*(ada.click(message, "replay") for _ in range(4)))
    await until(lambda: len(ada.ephemerals()) == 4)
    answers = sorted("begins" in str(e.blocks) for e in ada.ephemerals())
    assert answers == [False, False, False, True]
    await over(here)
    assert len(model.asks) == 48
    state = await here.server.replays.state("INC-1")
    assert (state["number"], state["running"]) == (1, False)


async def test_a_replay_is_cancelled_by_its_button(here: Bench) -> None:
    gate = asyncio.Event()

    class Slow(Model):
        async def call(self, ask: Any) -> Any:
            answer = await super().call(ask)
            if len(self.asks) > 6:
                await gate.wait()
            return answer

    model = Slow()
    arm(here, model)
    await verdict(here)
    await until(here.doors.socket.handler.client.is_connected)
    (message,) = here.messages()
    await click(here, message, "replay")
    await until(lambda: len(model.asks) >= 7)
    (progress,) = [m for m in here.replies() if "Replay 1" in str(m.blocks)]
    assert "cancel_replay" in str(progress.blocks)
    assert "replay" not in buttons(here)
    assert "is being stopped" in await click(here, progress, "cancel_replay")
    assert "being stopped already" in await click(here, progress, "cancel_replay")
    gate.set()
    report = await over(here)
    assert (report["ended"], report["why"]) == ("cancelled", "cancelled by Ada Obi")
    assert len(model.asks) < 12
    assert "has ended already" in await here.server.replays.cancel("INC-1", 1, here_person())
    assert "; cancelled" in thread(here)


async def test_the_words_of_the_command(here: Bench) -> None:
    arm(here)
    await verdict(here)
    await until(here.doors.socket.handler.client.is_connected)
    ada = here.slack.user("ada")

    async def said(text: str) -> str:
        before = len(ada.ephemerals())
        assert (await ada.slash("/triage", text, ROOM)).acked
        await until(lambda: len(ada.ephemerals()) > before)
        return str(ada.ephemerals()[-1].blocks)

    assert "is no surface that can be swapped" in await said("replay INC-1 weather=sunny")
    assert "what the earlier index would have returned" in await said("replay INC-1 retrieval_corpus=idx-3")
    assert "-n takes a number" in await said("replay INC-1 -n many")
    assert "neither a swap nor an incident" in await said("replay INC-1 please")
    assert "INC-9 is not known here" in await said("replay INC-9")
    assert "no replay to cancel" in await said("replay cancel INC-1")
    assert "Replay 1 of INC-1 begins" in await said("replay inc-1 prompt=v14 -n 2")
    report = await over(here)
    assert [a["n"] for a in report["arms"]] == [16, 16]
    assert "has ended already" in await said("replay cancel")


async def test_a_thousand_requests_with_a_dead_gateway_end_and_are_told(here: Bench) -> None:
    dead = Model(lambda ask: SourceFailed("the Messages API cannot be reached"))
    replays = arm(here, dead, requests=1000, caps=Caps(calls=None, tokens=None))
    replays.sources = {"support-agent": worlds.sources(worlds.Traces(worlds.table(after=1200, failing=1100)))}
    await verdict(here)
    await until(here.doors.socket.handler.client.is_connected)
    (message,) = here.messages()
    await click(here, message, "replay")
    report = await over(here)
    assert (report["ended"], report["effect"]) == ("stopped", "inconclusive")
    assert len(dead.asks) < 60
    assert "no answer for 90 s: the Messages API cannot be reached" in thread(here)
    assert "replay" in buttons(here)  # it can be asked for again


async def test_a_judge_that_returns_garbage_is_told_and_decides_nothing(here: Bench) -> None:
    model = Model()
    arm(here, model, requests=40).judge = worlds.GarbageJudge({"json_valid": "yes"})
    await verdict(here)
    await until(here.doors.socket.handler.client.is_connected)
    (message,) = here.messages()
    await click(here, message, "replay")
    report = await over(here)
    assert (report["ended"], report["effect"]) == ("stopped", "inconclusive")
    assert "answers in a row could not be judged: the judge said nothing usable of it" in thread(here)
    assert len(model.asks) < 80


async def test_without_a_gateway_it_says_what_to_set(here: Bench) -> None:
    await verdict(here)
    assert "replay" not in buttons(here)
    answer = await here.http.post("/api/incidents/INC-1/replay", json=BY, headers=TOKEN)
    assert (answer.status_code, "`replay:`" in answer.json()["error"]) == (403, True) or answer.status_code in (
        401,
        409,
    )


async def test_what_cannot_be_replayed_is_told_and_can_be_asked_for_again(here: Bench) -> None:
    replays = arm(here)
    await verdict(here)
    replays.sources = {"support-agent": worlds.sources(worlds.Traces(made=lambda n: None))}
    await here.http.post("/api/incidents/INC-1/replay", json=BY, headers=TOKEN)
    report = await over(here)
    assert (report["ended"], report["effect"], report["spent"]) == ("stopped", "inconclusive", None)
    assert "none of the 0 failing requests" in thread(here)
    arm(here)
    await here.http.post(
        "/api/incidents/INC-1/replay", json={"swaps": ["prompt_version=v14"], "times": 1, **BY}, headers=TOKEN
    )
    assert (await over(here, 2))["effect"] == "confirmed"
    assert (await here.get("/api/work"))["failed"] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"times": 0}, "times"),
        ({"times": True}, "times"),
        ({"requests": 5000}, "requests"),
        ({"swaps": "x"}, "swaps"),
        ({"swaps": [{}]}, "swaps"),
        ({"do": "stop"}, "do is not"),
        ({"by": "the API"}, "by: 'the API' is nobody in `people`"),
        ({"by": "", "do": "cancel"}, "by: '' is nobody in `people`"),
        ([], "no JSON object"),
    ],
)
async def test_the_api_says_what_is_wrong(here: Bench, body: Any, says: str) -> None:
    arm(here)
    await verdict(here)
    given = BY | body if isinstance(body, dict) else body
    answer = await here.http.post("/api/incidents/INC-1/replay", json=given, headers=TOKEN)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


async def test_it_never_runs_unasked_unless_the_service_says_so(here: Bench) -> None:
    model = Model()
    replays = arm(here, model)
    await verdict(here)
    await replays.after_verdict("INC-1", "support-agent")
    assert (await replays.state("INC-1"))["number"] == 0
    replays.unasked = frozenset({"support-agent"})
    await replays.after_verdict("INC-1", "support-agent")
    assert (await over(here))["asked_by"] == "triagebot"
    await replays.after_verdict("INC-1", "another")
    assert (await replays.state("INC-1"))["number"] == 1


async def test_a_replay_that_decides_nothing_does_not_hide_one_that_did(here: Bench) -> None:
    replays = arm(here)
    await verdict(here)
    await replays.ask("INC-1", Wanted(), here_person(), via="api")
    assert (await over(here))["effect"] == "confirmed"
    await replays.ask("INC-1", Wanted(requests=2), here_person(), via="api")
    assert (await over(here, 2))["effect"] == "inconclusive"
    assert (await here.server.ledger.verdict("INC-1"))["replay"]["number"] == 1
    assert "Replay 1 confirms the verdict" in here.said()
    assert "Replay 2" in thread(here)


async def test_a_replay_after_the_resolution_reaches_the_postmortem(here: Bench) -> None:
    replays = arm(here)
    await verdict(here)
    await here.page(event("resolved", at=PAGED + timedelta(minutes=31)))
    await here.idle()
    assert "Replay" not in (await here.document())["markdown"]
    await replays.ask("INC-1", Wanted(), here_person(), via="api")
    await over(here)
    assert "Replay 1 confirms the verdict" in (await here.document())["markdown"]


async def test_a_replay_that_we_fail_at_can_be_asked_for_again(here: Bench) -> None:
    replays = arm(here)
    await verdict(here)
    replays.judge = None  # a mistake of ours, which no rule foresees
    await replays.ask("INC-1", Wanted(), here_person(), via="api")
    await here.idle()
    assert [w.kind for w in await here.server.ledger.failed()] == ["replay"]
    arm(here)
    assert "Replay 2 of INC-1 begins" in await replays.ask("INC-1", Wanted(), here_person(), via="api")
    assert (await over(here, 2))["effect"] == "confirmed"
    first = next(e for e in await here.server.ledger.timeline("INC-1") if e.kind == "replayed")
    assert "triagebot itself failed" in first.text


async def test_a_verdict_that_was_made_anew_is_not_told_what_the_old_one_was(here: Bench) -> None:
    replays = arm(here)
    await verdict(here)
    stored = dict(await here.server.ledger.verdict("INC-1"))

    class Meddling(Model):
        async def call(self, ask: Any) -> Any:
            if len(self.asks) == 3:
                await here.server.ledger.save_verdict("INC-1", {**stored, "causes": [], "status": "undetermined"})
            return await super().call(ask)

    replays.gateway = Meddling()
    await replays.ask("INC-1", Wanted(), here_person(), via="api")
    assert (await over(here))["effect"] == "confirmed"
    assert "replay" not in await here.server.ledger.verdict("INC-1")
    assert "Replay 1" in thread(here)


def here_person() -> Person:
    return Person(name="Ada Obi", email="ada@example.com")


async def test_a_server_that_stops_goes_on_where_it_was_and_sends_nothing_twice(
    tmp_path: Path, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.Event()

    class Slow(Model):
        async def call(self, ask: Any) -> Any:
            answer = await super().call(ask)
            if len(self.asks) > 9:
                await stuck.wait()
            return answer

    first, second = Slow(), Model()
    async with bench(tmp_path, slack) as here:
        clock = here.clock
        arm(here, first)
        await verdict(here)
        here.server.slow._stop_seconds = 0.05
        await here.server.replays.ask("INC-1", Wanted(), here_person(), via="api")
        await until(lambda: len(first.asks) >= 10)
    # The next process has its model before its workers look.
    monkeypatch.setattr(building, "open_gateway", lambda *_: second)
    monkeypatch.setattr(building, "open_judge", lambda *_: JsonJudge())
    monkeypatch.setattr(building, "terms_of", lambda *_: worlds.terms())
    monkeypatch.setattr(walks, "Sources", lambda **_: worlds.sources())
    async with bench(tmp_path, slack, clock=clock) as here:
        report = await over(here)
        lost = sum(a["lost"] for a in report["arms"])
        assert report["ended"] == "done"
        assert 1 <= lost <= 3  # as many as were under way at once
        assert 48 - lost <= len(first.asks) + len(second.asks) <= 48
        assert sum(a["n"] for a in report["arms"]) == 48 - lost
        assert report["spent"]["calls"] == 48
        assert f"{lost} under way when the process ended" in thread(here)
