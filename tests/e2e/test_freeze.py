"""Freezing through a whole server: people click in the strict Slack, tools ask the gate, the clock goes on."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bench import PAGED, ROOM, TOKEN, local_slack, until
from tests.e2e.freezing import Freezing, freezing, people, words
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.trail import HEADS, Heads, SqlAudit
from triagebot.bootstrap.freezing import open_freezing
from triagebot.entrypoints.jobs import JOBS, fire
from triagebot.errors import SourceFailed
from triagebot.testing.clock import FakeClock
from triagebot.testing.slack import LocalSlack
from triagebot.triage import watch
from triagebot.triage.tell import Tell
from triagebot.triage.watch import Watch


@pytest.fixture
async def slack() -> Any:
    async with local_slack() as slack:
        people(slack)
        yield slack


@pytest.fixture
async def house(slack: LocalSlack, tmp_path: Path) -> Any:
    async with freezing(tmp_path, slack) as house:
        yield house


def model(house: Freezing) -> str:
    file = house.bench.data.parent / "models.json"
    return str(json.loads(file.read_text())["support"])


def brake(house: Freezing, kind: str = "model_file") -> Any:
    return next(b for b in house.desk._parts.brakes["support-agent"] if b.kind == kind)


async def told(house: Freezing, *wanted: str) -> str:
    """The freeze's message, once it says all of this."""
    await until(lambda: all(w in house.said() for w in wanted))
    return house.said()


async def tick(house: Freezing, **forward: float) -> None:
    house.bench.clock.advance(**forward)
    await house.bench.server.freezing.work.tick()


# -- two steps -------------------------------------------------------------------------------------------------------------


async def test_a_command_shows_first_and_holds_only_once_confirmed(house: Freezing) -> None:
    preview = await house.ask("freeze support-agent for 4h because answers are wrong")
    said = words(preview)
    assert "Freeze support-agent for 4 h?" in said
    assert "Because: answers are wrong" in said
    assert "stops changes, not the service" in said
    assert "`support-model`: will be pinned to sonnet-4-20260301 (models.json support, now sonnet-latest)" in said
    assert "`support/system`: will be held: the pre-receive hook of prompts.git asks it" in said
    assert "`orders`: the gate will refuse whoever asks, but publish-tools should ask it, and never has" in said
    assert "`docs`: the gate will refuse whoever asks, but reindex changes it and asks nobody" in said
    assert "reindex is due at 03:00 UTC on 03 November, inside the freeze: it asks nobody and will change it" in said
    assert (await house.gate())[0] == 200
    assert model(house) == "sonnet-latest"
    assert house.bench.messages() == []

    await house.slack.user("ben").click(preview, "freeze_confirm")
    said = await told(house, "*FRZ-1* holds support-agent", "pinned after")
    assert "FRZ-1 holds support-agent from now on, for 4 h." in words(house.slack.user("ben").ephemerals()[-1])
    assert "`support/system`: held after 0.0 s; the pre-receive hook of prompts.git asks it" in said
    assert "`support-model`: pinned after 0.0 s to sonnet-4-20260301" in said
    assert ":warning: *Tool schemas* `orders`: the gate refuses after 0.0 s, but publish-tools should ask it" in said
    assert model(house) == "sonnet-4-20260301"
    status, answer = await house.gate()
    assert (status, answer["open"]) == (423, False)
    assert answer["line"].startswith("held: support-agent prompt_version is frozen by Ben until 2026-11-03T06:47")
    assert "answers are wrong" in answer["line"]
    assert (await house.bench.server.audit.verify()).problems == ()
    assert (await house.trail())[:4] == ["freeze.previewed", "freeze.confirmed", "freeze.snapshot", "freeze.hold"]


async def test_not_now_freezes_nothing(house: Freezing) -> None:
    preview = await house.ask("freeze support-agent prompt")
    await house.click(preview, "freeze_drop")
    assert words(house.slack.user("ben").ephemerals()[-1]) == "Nothing was frozen."
    await house.slack.user("ben").press(
        preview, ({"block_id": "x", "type": "actions"}, {"type": "button", "action_id": "freeze_confirm", "value": "FRZ-1",
                  "text": {"type": "plain_text", "text": "Freeze"}}),
    )  # fmt: skip
    await until(lambda: "was dropped" in words(house.slack.user("ben").ephemerals()[-1]))
    assert (await house.gate())[0] == 200


async def test_the_button_on_a_verdict_freezes_what_the_verdict_names(house: Freezing) -> None:
    incident, ben = await house.incident(), house.slack.user("ben")
    buttons = [e["action_id"] for b in house.message().blocks if b["type"] == "actions" for e in b["elements"]]
    assert buttons[:2] == ["acknowledge", "freeze"]
    assert len(buttons) <= 5
    await ben.click(house.message(), "freeze")
    await until(lambda: ben.modal)
    await ben.submit(values={"reason": "JSON <b>breaks</b> & `more`"})
    await until(lambda: ben.modal and ben.modal.body.get("callback_id") == "freeze_sure")
    shown = "\n".join(b["text"]["text"] for b in ben.modal.body["blocks"] if b["type"] == "section")
    assert "support/system" in shown
    assert "support-model" not in shown
    await ben.submit()
    assert "FRZ-1 holds support-agent from now on" in ben.modal.body["blocks"][0]["text"]["text"]
    await until(lambda: any("held after" in words(reply) for reply in house.bench.replies()))
    (reply,) = [reply for reply in house.bench.replies() if "FRZ-1" in words(reply)]
    assert "Because: JSON &lt;b&gt;breaks&lt;/b&gt; &amp; 'more'" in words(reply)
    await until(lambda: "Frozen by" in words(house.message()))
    assert len(house.bench.messages()) == 1
    (event,) = [e for e in await house.bench.server.ledger.timeline(incident) if e.kind == "frozen"]
    assert event.text.startswith("FRZ-1 for 4 h because JSON")
    assert event.data["by"]["slack_id"] == ben.id


async def test_the_modal_says_what_is_wrong_and_nothing_is_frozen(house: Freezing) -> None:
    await house.incident()
    ben = house.slack.user("ben")
    await ben.click(house.message(), "freeze")
    await until(lambda: ben.modal)
    brake(house, "git_hook").look = _fails
    await ben.submit(values={"back": ["back"]})
    await until(lambda: ben.modal and ben.modal.body["title"]["text"] == "Not frozen")
    said = ben.modal.body["blocks"][0]["text"]["text"]
    assert "may not have a freeze put a surface back" in said
    assert "Ask Maria Ruiz" in said
    assert await house.desk.recent() == []


async def _fails() -> str:
    raise SourceFailed("prompts.git is gone")


async def test_while_registries_take_their_time_the_modal_says_so(house: Freezing) -> None:
    await house.incident()
    ben, release, look = house.slack.user("ben"), asyncio.Event(), brake(house, "git_hook").look

    async def slowly() -> str:
        await release.wait()
        return await look()

    brake(house, "git_hook").look = slowly
    await ben.click(house.message(), "freeze")
    await until(lambda: ben.modal)
    await ben.submit()
    assert "Looking" in str(ben.modal.body)
    release.set()
    await until(lambda: ben.modal and ben.modal.body.get("callback_id") == "freeze_sure")


async def test_in_a_drill_the_button_counts_and_holds_nothing(house: Freezing) -> None:
    incident = await house.incident(drill=True)
    ben = house.slack.user("ben")
    await ben.click(house.message(), "freeze")
    await until(lambda: ben.modal)
    await ben.submit()
    await until(lambda: ben.modal and ben.modal.body.get("callback_id") == "freeze_sure")
    assert "INC-1 is a drill: confirming it holds nothing" in str(ben.modal.body)
    await ben.submit()
    assert "INC-1 is a drill: support-agent would be frozen now, and nothing was held." in str(ben.modal.body)
    assert (await house.gate())[0] == 200
    events = await house.bench.server.ledger.timeline(incident)
    assert [e.text for e in events if e.kind == "frozen"] == ["DRILL: prompt_version would be frozen now"]
    # a freeze by command is real, and not told in the drill's thread
    id_ = await house.freeze("support-agent prompt")
    assert (await house.desk.find(id_)).incident == ""


async def test_a_freeze_is_told_only_where_its_service_is(house: Freezing) -> None:
    incident = await house.incident()
    body = {"service": "other", "incident": incident, "by": "maria@example.com"}
    answer = await house.bench.http.post("/api/freezes", json=body, headers=TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (400, "INC-1 is an incident of support-agent, not of other.")


# -- clicks that come twice, late, or from somebody else -------------------------------------------------------------------


async def test_a_double_click_freezes_once(house: Freezing) -> None:
    preview = await house.ask("freeze support-agent prompt")
    ben = house.slack.user("ben")
    await asyncio.gather(*(ben.click(preview, "freeze_confirm") for _ in range(3)))
    await told(house, "held after")
    await until(lambda: len(house.bench.messages()) == 1)
    assert [freeze.id for freeze in await house.desk.recent()] == ["FRZ-1"]
    assert (await house.trail()).count("freeze.confirmed") == 1


async def test_of_two_people_at_once_the_second_hears_of_the_first(house: Freezing) -> None:
    mine = await house.ask("freeze support-agent prompt", "ben")
    its = await house.ask("freeze support-agent prompt", "ada")
    await house.slack.user("ben").click(mine, "freeze_confirm")
    await told(house, "held after")
    await house.slack.user("ada").click(its, "freeze_confirm")
    ada = house.slack.user("ada")
    await until(lambda: "FRZ-1 already" in words(ada.ephemerals()[-1]))
    assert (
        words(ada.ephemerals()[-1])
        == "Prompt_version support/system is held by FRZ-1 already. Extend that one, or lift it first."
    )
    assert len(await house.desk.in_force()) == 1


async def test_a_gate_that_two_freezes_shut_stays_shut_until_both_have_ended(house: Freezing) -> None:
    first = await house.freeze("support-agent prompt model")
    second = await house.freeze("support-agent", "ada")
    states = {(hold.surface, hold.kind): hold.state for hold in (await house.desk.find(second)).holds}
    assert states["prompt_version", "gate"] == "held"
    assert states["model_alias", "model_file"] == "elsewhere"
    await house.ask(f"lift {first}", "ben")
    await until(lambda: house.status(first, "lifted"))
    assert (await house.gate("prompt_version"))[0] == 423
    # the pin has passed to the freeze that goes on
    assert model(house) == "sonnet-4-20260301"
    assert f"kept where it is by {second}" in "".join(hold.said for hold in (await house.desk.find(first)).holds)
    await house.ask(f"lift {second}", "ada")
    await until(lambda: house.status(second, "lifted"))
    assert model(house) == "sonnet-latest"
    assert (await house.gate("prompt_version"))[0] == 200
    assert "freeze.inherited" in await house.trail()


async def test_nobody_confirms_somebody_elses_preview(house: Freezing) -> None:
    preview = await house.ask("freeze support-agent prompt", "ben")
    id_ = next(e["value"] for b in preview.blocks if b["type"] == "actions" for e in b["elements"])
    body = {"do": "confirm", "by": "maria@example.com"}
    answer = await house.bench.http.post(f"/api/freezes/{id_}", json=body, headers=TOKEN)
    assert (answer.status_code, answer.json()["error"]) == (
        409,
        "FRZ-1 is Ben's preview. Freeze again to make your own.",
    )


async def test_an_old_preview_is_not_confirmed(house: Freezing) -> None:
    preview = await house.ask("freeze support-agent prompt")
    house.bench.clock.advance(minutes=31)
    ben = house.slack.user("ben")
    await ben.click(preview, "freeze_confirm")
    await until(lambda: len(ben.ephemerals()) > 1)
    assert "too old: freeze again" in words(ben.ephemerals()[-1])
    await tick(house)
    assert (await house.desk.find("FRZ-1")).status == "dropped"


async def test_a_click_after_resolution_says_so(house: Freezing) -> None:
    incident, ben = await house.incident(), house.slack.user("ben")
    message = house.message()
    button = next(
        (b, e) for b in message.blocks if b["type"] == "actions" for e in b["elements"] if e["action_id"] == "freeze"
    )
    await house.bench.server.ledger.set_status(incident, "resolved", house.bench.clock.now())
    await ben.press(message, button)
    await until(ben.ephemerals)
    assert "INC-1 is resolved: nothing to freeze for it" in words(ben.ephemerals()[-1])
    await house.bench.server.tell.refresh(incident)
    assert "freeze" not in [
        e["action_id"] for b in house.message().blocks if b["type"] == "actions" for e in b["elements"]
    ]


async def test_once_the_incident_is_resolved_whoever_froze_is_asked_to_lift(house: Freezing) -> None:
    incident = await house.incident()
    id_ = await house.freeze("support-agent prompt for 2d")
    server, ben = house.bench.server, house.slack.user("ben")
    direct = house.slack.workspace.open_direct([ben.id])
    house.bench.clock.set(datetime(2026, 11, 3, 9, 0, tzinfo=UTC))  # nobody is woken for it
    await watch.nudge(server.watch)
    assert not [m for m in house.slack.workspace.history(direct.id) if "Lift it" in words(m)]
    await server.ledger.set_status(incident, "resolved", house.bench.clock.now())
    for _ in range(3):  # asked once, however often it is looked at
        await watch.nudge(server.watch)
        house.bench.clock.advance(minutes=15)
    (message,) = [m for m in house.slack.workspace.history(direct.id) if "Lift it" in words(m)]
    assert f"*INC-1* is resolved, and your *{id_}* still holds changes of support-agent until" in words(message)
    await ben.click(message, "freeze_lift")
    await until(lambda: house.status(id_, "lifted"))
    house.bench.clock.advance(hours=5)
    await watch.nudge(server.watch)
    assert not [row for row in await server.reminded.reminding.rows.waiting() if row.kind == "lift"]


async def test_doctor_says_what_a_freeze_can_hold(house: Freezing) -> None:
    (report, *_) = (await house.bench.get("/api/doctor?service=support-agent"))["reports"]
    said = {(look["surface"], look["state"]): look for look in report["looks"] if look["by"] == "freeze"}
    assert "will be held: the pre-receive hook" in said["prompt_version", "seen"]["says"]
    assert "will be pinned to sonnet-4-20260301" in said["model_alias", "seen"]["says"]
    assert "publish-tools should ask it, and never has" in said["tool_schemas", "partly"]["says"]
    assert "reindex changes it and asks nobody" in said["retrieval_corpus", "partly"]["says"]
    assert "triagebot gate" in said["tool_schemas", "partly"]["do"]


# -- who may ---------------------------------------------------------------------------------------------------------------


async def test_a_viewer_is_refused_and_told_who_may(house: Freezing) -> None:
    answer = await house.ask("freeze support-agent", "vic")
    assert words(answer) == "vic may not freeze: that takes a responder. Ask @llm-oncall, Maria Ruiz."
    incident = await house.incident()
    for action in ("acknowledge", "freeze", "wrong_call"):
        vic = house.slack.user("vic")
        before = len(vic.ephemerals())
        await vic.click(house.message(), action)
        await until(lambda v=vic, b=before: len(v.ephemerals()) > b)
        assert "that takes a responder" in words(vic.ephemerals()[-1])
        assert vic.modal is None
    assert (await house.bench.server.ledger.incident(incident)).acknowledged_at is None
    assert (await house.trail()).count("refused") == 4


async def test_who_is_on_call_may_freeze_though_no_role_names_them(house: Freezing) -> None:
    assert await house.freeze("support-agent prompt", "ada")


async def test_somebody_deactivated_is_refused(house: Freezing) -> None:
    """What they clicked just before arrives just after."""
    ben = house.slack.user("ben")
    sent = await ben.slash("/triage", "freeze support-agent", ROOM)
    await until(ben.ephemerals)
    house.slack.workspace.deactivate(ben.user)
    house.bench.server.chat._people._known.clear()
    house.bench.server.chat.groups._members.clear()
    heard = len(ben.ephemerals())
    await house.slack.dispatcher.again(sent)
    await until(lambda: len(ben.ephemerals()) > heard)
    assert "may not freeze: that takes a responder" in words(ben.ephemerals()[-1])
    assert len(await house.desk._parts.book.listed(status=("draft",))) == 1


async def test_lifting_somebody_elses_freeze_takes_an_approver(house: Freezing) -> None:
    id_ = await house.freeze("support-agent", "ada")
    answer = await house.ask(f"lift {id_}", "ben")
    assert words(answer) == "Ben may not lift a freeze of somebody else's: that takes an approver. Ask Maria Ruiz."
    assert words(await house.ask("lift support-agent", "maria")) == (
        f"{id_} is lifted: changes of support-agent are let through again."
    )
    said = await told(house, "was lifted by", "back at")
    assert "`support-model`: back at sonnet-latest" in said
    assert model(house) == "sonnet-latest"
    assert words(await house.ask(f"lift {id_}", "maria")).startswith(f"{id_} was lifted by Maria")


async def test_an_approver_lets_the_revert_through_and_nothing_else(house: Freezing) -> None:
    id_ = await house.freeze("support-agent prompt")
    await told(house, "held after")
    sha = "9f3a1c2e" * 5
    answer = await house.ask(f"let {id_} {sha[:9]} because it is the revert", "ben")
    assert "may not let a change through a freeze: that takes an approver. Ask Maria Ruiz." in words(answer)
    assert (await house.gate(change=sha))[0] == 423
    maria = house.slack.user("maria")
    await maria.click(house.message(), "freeze_let")
    await until(lambda: maria.modal)
    await maria.submit(values={"change": "two words"})
    assert "in one word" in str(maria.modal.body) or maria.modal.body["callback_id"] == "freeze_let_change"
    await maria.submit(values={"change": sha[:9], "reason": "the revert"})
    assert "is let through FRZ-1" in maria.modal.body["blocks"][0]["text"]["text"]
    said = await told(house, "is let through by")
    assert f"`{sha[:9]}` is let through by" in said
    status, open_ = await house.gate(change=sha)
    assert (status, open_["let_through_by"]) == (200, [{"change": sha[:9], "by": "Maria Ruiz"}]) or status == 200
    assert (await house.gate(change="a" * 40))[0] == 423
    both = await house.bench.http.get(
        f"/api/gate?service=support-agent&surface=prompt_version&change={sha}&change={'a' * 40}", headers=TOKEN
    )
    assert both.status_code == 423
    assert (await house.gate())[0] == 423
    assert "freeze.passed" in await house.trail()


# -- the clock -------------------------------------------------------------------------------------------------------------


async def test_it_warns_once_before_it_ends_and_ends_by_itself(house: Freezing) -> None:
    await house.freeze("support-agent for 1h")
    await told(house, "pinned after")
    await tick(house, minutes=44)
    assert len(house.slack.workspace.thread(house.bench.room.id, house.message().ts)) == 1
    for _ in range(3):
        await tick(house, minutes=1)
    root = house.bench.messages()[0]
    _, warning = house.slack.workspace.thread(house.bench.room.id, root.ts)
    assert "*FRZ-1* ends in" in words(warning)
    assert house.slack.user("ben").user.mention in words(warning)
    house.bench.clock.advance(minutes=14)
    assert (await house.gate())[0] == 200  # at the minute, whoever has worked on it
    await tick(house)
    await until(lambda: house.status("FRZ-1", "expired"))
    await until(lambda: "has expired" in words(house.bench.messages()[0]))
    assert model(house) == "sonnet-latest"
    assert len(house.slack.workspace.thread(house.bench.room.id, root.ts)) == 2


async def test_a_freeze_that_is_extended_warns_again(house: Freezing) -> None:
    await house.freeze("support-agent for 1h")
    await told(house, "pinned after")
    await tick(house, minutes=46)
    root = house.bench.messages()[0]
    _, warning = house.slack.workspace.thread(house.bench.room.id, root.ts)
    await house.slack.user("ben").click(warning, "freeze_extend")
    await until(lambda: "lasts until 05:4" in words(house.slack.user("ben").ephemerals()[-1]))
    await tick(house, minutes=60)
    assert (await house.gate())[0] == 423
    assert len(house.slack.workspace.thread(house.bench.room.id, root.ts)) == 2
    await tick(house, minutes=61)
    assert len(house.slack.workspace.thread(house.bench.room.id, root.ts)) == 3
    answer = await house.ask("extend FRZ-1 7d")
    assert "A freeze lasts 7 d at most" in words(answer)


async def test_it_expires_while_no_server_is_up(slack: LocalSlack, tmp_path: Path) -> None:
    async with freezing(tmp_path, slack) as house:
        await house.freeze("support-agent for 1h")
        await told(house, "pinned after")
        clock = house.bench.clock
    assert json.loads((tmp_path / "models.json").read_text())["support"] == "sonnet-4-20260301"
    clock.advance(hours=3)
    (tmp_path / "models.json").rename(tmp_path / "kept.json")
    async with freezing(tmp_path, slack, clock=clock) as house:
        (tmp_path / "kept.json").rename(tmp_path / "models.json")
        assert (await house.gate())[0] == 200
        await house.bench.server.freezing.work.tick()
        await until(lambda: house.status("FRZ-1", "expired"))
        await until(lambda: "has expired, 03:47 UTC" in words(house.bench.messages()[0]))
        expired = [
            e for e in await house.bench.server.audit.entries(limit=50) if e.read()["action"] == "freeze.expired"
        ]
        assert [entry.read()["data"]["seconds_late"] > 7_000 for entry in expired] == [True]
        assert (await house.bench.server.audit.verify()).problems == ()
        await tick(house, minutes=5)
    assert len([m for m in house.bench.messages() if "FRZ-1" in words(m)]) == 1


async def test_a_freeze_that_was_confirmed_before_the_server_died_is_carried_out_after(
    slack: LocalSlack, tmp_path: Path
) -> None:
    async with freezing(tmp_path, slack) as house:
        await house.bench.server.pool.stop()
        preview = await house.ask("freeze support-agent")
        await house.slack.user("ben").click(preview, "freeze_confirm")
        await until(lambda: house.status("FRZ-1", "applying"))
        assert (await house.gate())[0] == 423  # the gate waits for nobody
        clock = house.bench.clock
    clock.advance(seconds=30)
    before = json.loads((tmp_path / "models.json").read_text())
    async with freezing(tmp_path, slack, clock=clock) as house:
        (tmp_path / "models.json").write_text(json.dumps(before))
        await until(lambda: house.status("FRZ-1", "in_force"))
        await told(house, "*FRZ-1* holds support-agent")


async def test_a_freeze_that_is_lifted_while_it_is_carried_out_leaves_nothing_pinned(house: Freezing) -> None:
    one, put = brake(house), brake(house).put
    started, go_on = asyncio.Event(), asyncio.Event()

    async def slow(value: str, *, freeze: str) -> None:
        started.set()
        await go_on.wait()
        await put(value, freeze=freeze)

    one.put = slow
    preview = await house.ask("freeze support-agent model")
    await house.slack.user("ben").click(preview, "freeze_confirm")
    await started.wait()
    await house.ask("lift FRZ-1")
    await until(lambda: house.status("FRZ-1", "lifted"))
    one.put = put
    go_on.set()
    await told(house, "was lifted by", "back at sonnet-latest")
    assert model(house) == "sonnet-latest"


async def test_a_worker_that_died_after_it_pinned_leaves_what_is_to_be_put_back(house: Freezing) -> None:
    """The next one finds the pin standing and goes on; lifting still knows what stood there before."""
    preview = await house.ask("freeze support-agent model")
    await brake(house).put("sonnet-4-20260301", freeze="FRZ-1")
    await house.slack.user("ben").click(preview, "freeze_confirm")
    await told(house, "pinned after")
    await house.ask("lift FRZ-1")
    await told(house, "back at sonnet-latest")
    assert model(house) == "sonnet-latest"


# -- registries that do something else -------------------------------------------------------------------------------------


async def test_a_pin_that_is_accepted_and_not_applied_is_told(house: Freezing) -> None:
    async def accepts(value: str, *, freeze: str) -> None:
        return None

    brake(house).put = accepts
    object.__setattr__(house.desk._parts, "put_seconds", 0.05)
    object.__setattr__(house.desk._parts, "again_seconds", 0.01)
    await house.freeze("support-agent model")
    said = await told(house, "not pinned")
    assert (
        ":x: *Model alias* `support-model`: not pinned: models.json support: sonnet-4-20260301 was accepted and not applied: "
        "it still says sonnet-latest"
    ) in said


async def test_a_pin_that_hangs_or_fails_holds_up_nothing_else(house: Freezing) -> None:
    async def hangs(value: str, *, freeze: str) -> None:
        await asyncio.Event().wait()

    brake(house).put = hangs
    object.__setattr__(house.desk._parts, "put_seconds", 0.05)
    await house.freeze("support-agent")
    said = await told(house, "no answer in 0.05 s")
    assert "`support/system`: held after" in said


async def test_what_moves_away_from_a_pin_is_told(house: Freezing) -> None:
    await house.freeze("support-agent model")
    await told(house, "pinned after")
    (house.bench.data.parent / "models.json").write_text(json.dumps({"support": "sonnet-5"}))
    for _ in range(2):
        await tick(house, minutes=1)
    said = await told(house, "somebody moved it")
    assert ":rotating_light: *Model alias* `support-model`: somebody moved it to sonnet-5, seen at" in said
    assert (await house.trail()).count("freeze.moved") == 1
    await house.ask("lift FRZ-1")
    await told(house, "left as it is")
    assert model(house) == "sonnet-5"


async def test_what_moves_is_put_back_where_that_is_configured(house: Freezing) -> None:
    brake(house).puts_back = True
    await house.freeze("support-agent model")
    await told(house, "pinned after")
    (house.bench.data.parent / "models.json").write_text(json.dumps({"support": "sonnet-5"}))
    await tick(house, minutes=1)
    await told(house, "somebody moved it to sonnet-5", "and put back")
    assert model(house) == "sonnet-4-20260301"


async def test_a_registry_that_cannot_be_seen_is_told_in_the_preview(house: Freezing) -> None:
    (house.bench.data.parent / "models.json").unlink()
    said = words(await house.ask("freeze support-agent model"))
    assert (
        ":no_entry_sign: *Model alias* `support-model`: models.json support cannot be seen: models.json: No such file"
        in said
    )


# -- what people type ------------------------------------------------------------------------------------------------------


MISTAKES = (
    ("freeze", "Nothing is frozen."),
    ("freezes", "Nothing is frozen."),
    ("freeze suport-agent", "Did you mean support-agent?"),
    ("freeze support-agent quota", "quota is no surface; there is model_alias, prompt_version"),
    (
        "freeze support-agent eval",
        "support-agent has no eval_freshness in triagebot.yaml, so there is nothing to hold",
    ),
    ("freeze other", "other has no artifact in triagebot.yaml"),
    ("freeze support-agent for ages", "ages is not a length of time: try 30m, 4h or 2d."),
    ("freeze support-agent for 30d", "A freeze lasts from 5 min to 7 d; 30d is outside."),
    ("lift", "Which freeze? /triage lift FRZ-1; /triage freezes lists them."),
    ("lift FRZ-99", "FRZ-99 is no freeze that is known here."),
    ("lift support-agent", "Nothing of support-agent is frozen."),
    ("lift nonsense", "nonsense is no service that triagebot knows; there is other, support-agent."),
    ("extend FRZ-0 2h", "is no freeze that is known here"),
)


async def test_each_mistake_is_answered_with_what_to_do(house: Freezing) -> None:
    for text, answer in MISTAKES:
        assert answer in words(await house.ask(text)), text


async def test_what_is_in_force_is_listed(house: Freezing) -> None:
    await house.freeze("support-agent prompt tools for 2h because wrong answers")
    said = words(await house.ask("freezes", "vic"))
    assert "*FRZ-1* support-agent: prompt version, tool schemas · until 04:47 UTC · by" in said


@pytest.mark.parametrize("incident", [False, True])
async def test_where_outsiders_read_the_reason_is_a_hash(house: Freezing, *, incident: bool) -> None:
    house.bench.room.is_ext_shared = True
    if incident:
        await house.incident()
    id_ = await house.freeze("support-agent prompt for 2h because finance lost money")
    await house.ask(f"let {id_} 4f2a9c because legal agreed", "maria")
    everything = [
        m for top in house.bench.messages() for m in house.slack.workspace.thread(house.bench.room.id, top.ts)
    ]
    shown = " ".join(str(m.blocks) for m in everything)
    assert id_ in shown
    assert "4f2a9c" in shown
    assert "finance" not in shown
    assert "legal" not in shown


async def test_a_guest_hears_what_is_frozen_and_not_why(house: Freezing) -> None:
    gus = house.slack.workspace.add_user("gus", is_restricted=True)
    house.bench.room.members.add(gus.id)
    await house.freeze("support-agent prompt for 2h because finance lost money")
    said = words(await house.ask("freezes", "gus"))
    assert "*FRZ-1* support-agent: prompt version" in said
    assert "finance" not in said
    assert "finance lost money" in words(await house.ask("freezes", "ben"))


async def test_slack_being_down_does_not_stop_a_freeze(house: Freezing) -> None:
    preview = await house.ask("freeze support-agent")

    async def down(*_: Any, **__: Any) -> Any:
        raise SourceFailed("Slack: HTTP 503")

    post, house.bench.server.chat.post = house.bench.server.chat.post, down
    await house.slack.user("ben").click(preview, "freeze_confirm")
    await until(lambda: house.status("FRZ-1", "in_force"))
    assert model(house) == "sonnet-4-20260301"
    house.bench.server.chat.post = post
    await house.bench.idle()
    await told(house, "pinned after")


# -- the gate --------------------------------------------------------------------------------------------------------------


async def test_the_gate_answers_only_what_it_understands(house: Freezing) -> None:
    await house.freeze("support-agent prompt")
    for query, status in (
        ("service=support-agent&surface=prompt_version", 423),
        ("service=PSUPPORT&surface=prompt_version", 423),
        ("service=support-agent&surface=prompt_version&artifact=support/system", 423),
        ("service=support-agent&surface=prompt_version&artifact=suport/systm", 423),
        ("service=support-agent&surface=tool_schemas", 200),
        ("service=other&surface=prompt_version", 200),
        ("service=nobody&surface=prompt_version", 404),
        ("service=support-agent&surface=prompts", 400),
        ("service=support-agent", 400),
        ("service=support-agent&surface=prompt_version&format=xml", 400),
        ("service=support-agent&surface=prompt_version&format=text", 423),
        ("service=support-agent&surface=prompt_version&format=check", 200),
    ):
        answer = await house.bench.http.get(f"/api/gate?{query}", headers=TOKEN)
        assert answer.status_code == status, query
    check = answer.json()
    assert (check["conclusion"], check["output"]["title"]) == ("failure", "Frozen: FRZ-1")
    assert (await house.bench.http.get("/api/gate?service=support-agent&surface=prompt_version")).status_code == 401
    refused = [e for e in await house.bench.server.audit.entries(limit=50) if e.read()["action"] == "freeze.refused"]
    assert len(refused) == 2  # of the surface and of the artifact: once each, not once for each question


async def test_a_tool_that_asks_is_what_makes_a_gate_hold(house: Freezing) -> None:
    await house.gate("tool_schemas", by="publish-tools")
    await house.freeze("support-agent tools")
    said = await told(house, "held after")
    assert "`orders`: held after 0.0 s; publish-tools asked it" in said
    await house.gate("tool_schemas", by="publish-tools")
    await tick(house, minutes=1)
    await told(house, ":no_entry: Refused since: publish-tools (tool_schemas)")


async def test_a_token_of_the_gate_opens_nothing_else(slack: LocalSlack, tmp_path: Path) -> None:
    async with freezing(tmp_path, slack, TRIAGEBOT_GATE_TOKEN="gate") as house:
        mine = {"authorization": "Bearer gate"}
        asked = await house.bench.http.get("/api/gate?service=support-agent&surface=prompt_version", headers=mine)
        assert asked.status_code == 200
        for path in ("/api/freezes", "/api/incidents", "/api/freezes/FRZ-1"):
            assert (await house.bench.http.get(path, headers=mine)).status_code == 401


async def test_freezing_over_the_api(house: Freezing) -> None:
    async def post(path: str, **body: Any) -> Any:
        return await house.bench.http.post(path, json=body, headers=TOKEN)

    assert (await post("/api/freezes", service="support-agent", by="nobody@x")).status_code == 400
    assert (await post("/api/freezes", service="support-agent", by="zoe@example.com")).status_code == 403
    assert (await post("/api/freezes", service="nobody", by="maria@example.com")).status_code == 404
    assert (
        await post("/api/freezes", service="support-agent", surfaces="x", by="maria@example.com")
    ).status_code == 400
    made = await post(
        "/api/freezes", service="support-agent", surfaces=["prompt"], span="2h", reason="drill", by="maria@example.com"
    )
    assert (made.status_code, made.json()["status"]) == (201, "draft")
    id_ = made.json()["id"]
    confirmed = await post(f"/api/freezes/{id_}", do="confirm", by="maria@example.com")
    assert confirmed.json()["said"] == f"{id_} holds support-agent from now on, for 2 h."
    await until(lambda: house.status(id_, "in_force"))
    found = (await house.bench.http.get("/api/freezes", headers=TOKEN)).json()["freezes"]
    assert [(one["id"], one["holds"][0]["state"]) for one in found] == [(id_, "held")]
    assert (await post(f"/api/freezes/{id_}", do="explode", by="maria@example.com")).status_code == 400
    assert (await post(f"/api/freezes/{id_}", do="lift", by="maria@example.com")).status_code == 200
    await until(lambda: house.status(id_, "lifted"))
    assert (await house.bench.http.get("/api/freezes/FRZ-9", headers=TOKEN)).status_code == 404
    via = [e.read()["via"] for e in await house.bench.server.audit.entries(limit=50) if "conf" in e.read()["action"]]
    assert via == ["api"]


async def test_reviewing_a_postmortem_over_the_api_takes_a_role_too(house: Freezing) -> None:
    incident = await house.incident()
    await house.bench.server.ledger.save_document(incident, {"status": "DRAFT"})
    body = {"do": "review", "by": "zoe@example.com"}
    answer = await house.bench.http.post(f"/api/incidents/{incident}/postmortem", json=body, headers=TOKEN)
    assert answer.status_code == 403
    assert "may not review or publish a postmortem: that takes a responder" in answer.json()["error"]


async def test_two_replicas_on_postgresql_freeze_warn_and_end_once(
    slack: LocalSlack, tmp_path: Path, postgres_url: str
) -> None:
    clock = FakeClock(PAGED)
    job = next(job for job in JOBS if job.name == "keep_freezes")
    async with freezing(tmp_path, slack, clock=clock, TRIAGEBOT_STATE_URL=postgres_url) as house:
        await house.freeze("support-agent tools for 1h")
        await told(house, "*FRZ-1* holds support-agent", "gate refuses")
        watch, other = house.bench.server.watch, await replica(house, postgres_url)
        for minutes in (46, 1, 14):
            clock.advance(minutes=minutes)
            await asyncio.gather(*(fire(job, one) for one in (watch, other) for _ in range(2)))
        await until(lambda: house.status("FRZ-1", "expired"))
        await told(house, "has expired")
        (root,) = house.bench.messages()
        assert len(slack.workspace.thread(house.bench.room.id, root.ts)) == 2
        trail = await house.trail()
        assert [trail.count(f"freeze.{what}") for what in ("confirmed", "in_force", "warned", "expired", "ended")] == [
            1
        ] * 5
        assert (await house.bench.server.audit.verify()).problems == ()
        await other.ledger._database.close()


async def replica(house: Freezing, url: str) -> Watch:
    """Another process' part of it, on connections of its own; a process opens one embedded store of traces."""
    server, database = house.bench.server, open_database(url)
    ledger, journal = SqlLedger(database, server.clock), SqlJournal(database)
    heads = Heads(house.bench.data / HEADS)
    tell = Tell(ledger, server.chat, server.config, server.clock, default_channel=ROOM)
    made = open_freezing(
        server.config,
        database,
        ledger=ledger,
        journal=journal,
        clock=server.clock,
        chat=server.chat,
        tell=tell,
        roles=server.roles,
        audit=SqlAudit(database, server.clock, heads),
        heads=heads,
        registries={},
        wake=lambda: None,
        default_channel=ROOM,
    )
    return Watch(ledger=ledger, journal=journal, clock=server.clock, keep_freezes=made.work.tick)
