"""Who is asked and what is done, from a page's webhook to the pager: a whole server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.e2e.bench import ROOM, TOKEN, Bench, bench, event, until
from triagebot.entrypoints.cli import main
from triagebot.testing.slack import LocalSlack, Message


async def test_typed_in_a_terminal(here: Bench) -> None:
    await here.page(event())
    await here.idle()

    async def act(**body: str) -> tuple[int, str]:
        answer = await here.http.post("/api/incidents/INC-1/acts", json=body, headers=TOKEN)
        found = answer.json()
        return answer.status_code, found.get("said") or found["error"]

    ada = "ada@example.com"
    reminders = (await here.get("/api/reminders"))["reminders"]
    assert {row["kind"] for row in reminders} == {"page", "stale"}
    assert await act(do="severity", by=ada, level="SEV1", words="the biggest tenant is down") == (
        200,
        "INC-1 is SEV1 now (it was SEV3).",
    )
    assert (await act(do="severity", by=ada, level="SEV2"))[0] == 400
    assert (await act(do="acknowledge", by="nobody@example.com"))[0] == 400
    assert (await act(do="sing", by=ada))[0] == 400
    assert await act(do="acknowledge", by=ada) == (200, "INC-1 is yours. Details and evidence are in its thread.")
    status, said = await act(do="accept", by=ada)
    assert (status, said) == (404, "nobody is asked to own anything of INC-1 any more")
    assert (await act(do="resolve", by=ada, words="back to v14"))[0] == 200
    await here.idle()
    assert (await here.get("/api/incidents/INC-1"))["status"] == "resolved"
    assert "SEV1" in here.said()
    assert await here.document()
    row = next(r for r in reminders if r["kind"] == "stale")
    snoozed = await here.http.post(f"/api/reminders/{row['id']}", json={"for": "4h", "by": ada}, headers=TOKEN)
    assert snoozed.json()["said"].startswith("Quiet until ")
    assert (await here.http.post("/api/reminders/999", json={"by": ada}, headers=TOKEN)).status_code == 404
    assert (await here.http.get("/api/reminders")).status_code == 401


async def test_everything_that_buttons_do_is_typed_too(
    here: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong call, owner, draft, action items, questions, the digest and a walk, by the commands themselves."""
    async with served(here.doors.app) as url:

        async def typed(*words: str, code: int = 0) -> str:
            given = [*words, "--url", url]
            assert await asyncio.to_thread(main, given) == code, capsys.readouterr().err
            shown = capsys.readouterr()
            return (shown.out or shown.err).strip()

        monkeypatch.setenv("TRIAGEBOT_API_TOKEN", "api-token")
        monkeypatch.setenv("TRIAGEBOT_BY", "ada@example.com")
        assert await typed("page", "support-agent", "answers", "are", "rude") == (
            "Walking support-agent. Its verdict: triagebot incidents"
        )
        await here.idle()
        assert "answers are rude" in await typed("incidents")
        said = await typed("act", "inc-1", "wrong", "retrieval_corpus", "because", "the", "index", "was", "rebuilt")
        assert said == "Noted for INC-1: Retrieval corpus. The next verdicts are measured against it."
        assert "is no node of the tree: one of model_alias" in await typed("act", "INC-1", "wrong", "gremlins", code=2)
        zoe = here.slack.workspace.add_user("zoe")
        assert await typed("act", "INC-1", "owner", zoe.email) == "Zoe is named as owner of INC-1."
        left = here.slack.workspace.add_user("lea", is_restricted=True)
        assert "is a guest or a bot" in await typed("act", "INC-1", "owner", left.email, code=2)
        assert "Nobody by that name" in await typed("act", "INC-1", "owner", "nobody@example.com", code=2)
        assert (await typed("act", "INC-1", "draft")).startswith("Drafting the postmortem of INC-1")
        await here.idle()
        rows = (await here.get("/api/reminders?incident=INC-1"))["reminders"]
        assert "action" not in {row["kind"] for row in rows}  # it is not over yet
        here.clock.advance(minutes=1)
        assert (await typed("act", "INC-1", "resolve", "because", "reverted")).startswith("INC-1 is resolved.")
        await here.idle()
        rows = (await here.get("/api/reminders?incident=INC-1"))["reminders"]
        assert "action" in {row["kind"] for row in rows}  # in its owner's App Home at once
        items = (await typed("postmortem", "INC-1", "--actions")).splitlines()
        assert items
        item = items[0].split()[0]
        assert (await typed("act", "INC-1", "assign", item, zoe.email)).startswith("Zoe has: ")
        assert item in (shown := await typed("postmortem", "INC-1", "--actions"))
        assert "Zoe" in next(line for line in shown.splitlines() if line.startswith(item))
        assert (await typed("act", "INC-1", "assign", item, "ada@example.com")).startswith("Ada Obi has: ")
        assert (await typed("postmortem", "--actions")).startswith(f"INC-1 {item} due 2026-")
        assert "which incident?" in await typed("postmortem", code=2)
        assert (await typed("act", "INC-1", "done", item)).startswith("Done: ")
        assert await typed("postmortem", "--actions") == ""
        assert await typed("act", "INC-1", "done", item) == "That action item of INC-1 is done already."
        assert "is not there any more" in await typed("act", "INC-1", "done", "item-404", code=2)
        assert "not recorded" in (await typed("act", "INC-1", "ask", "was the frobnicator touched?")).lower()
        assert "triagebot.yaml" in await typed("replay", "INC-1", code=2)  # no gateway is configured here
        assert "'me' is nobody in `people`" in await typed("replay", "INC-1", "--by", "me", code=2)
        monkeypatch.delenv("TRIAGEBOT_BY")
        assert "--by EMAIL is missing" in await typed("replay", "INC-1", "--cancel", code=2)
        assert "support-agent" in await typed("digest", "support-agent")
        assert "there is no such service" in await typed("digest", "search", code=2)
        assert "there is no such service" in await typed("page", "search", "--by", "ada@example.com", code=2)


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def resolved(here: Bench) -> list[dict[str, Any]]:
    """The action items of an incident that was resolved, and whose postmortem is Ada's."""
    await here.page(event())
    await here.idle()
    here.clock.advance(minutes=20)
    await here.page(event("resolved", at=here.clock.now()))
    await here.idle()
    await until(here.doors.socket.handler.client.is_connected)
    return list((await here.document() or {})["actions"])


async def test_action_items_are_done_and_given_to_somebody_in_slack(here: Bench) -> None:
    first, second, *_ = items = await resolved(here)
    assert first["owner"] is None
    ada, zoe = here.slack.user("ada"), here.slack.workspace.add_user("zoe")
    guest = here.slack.workspace.add_user("gus", is_restricted=True)

    async def heard(does: Any) -> Message:
        before = len(ada.ephemerals())
        assert (await does).acked
        await until(lambda: len(ada.ephemerals()) > before)
        return ada.ephemerals()[-1]

    async def give(where: Any, item: Any, who: Any) -> None:
        await ada.click(where, "action_give", block_id=block(item))
        await until(lambda: ada.modal)
        assert item["text"][:40] in str(ada.modal.body)
        answer = await ada.submit(values={"owner": guest.id})
        assert "is a guest or a bot, and cannot own this" in str(answer.body["errors"]["owner"])
        await ada.submit(values={"owner": who.id})
        assert f"{who.real_name} has: {item['text'][:40]}" in str(ada.modal.body)
        await ada.close()

    # typed
    told = await heard(ada.slash("/triage", "actions INC-1", ROOM))
    assert told.text == f"INC-1, action items: {len(items)} to do"
    assert str(told.blocks).count("nobody has it") == len(items)
    await give(told, first, ada.user)
    await give(told, second, ada.user)
    told = await heard(ada.slash("/triage", "actions", ROOM))
    assert told.text == "Your action items: 2 to do"
    # from the App Home
    await ada.open_home()
    await until(lambda: ada.home and all(item["text"][:40] in str(ada.home.body) for item in (first, second)))
    await give(ada.home, first, zoe)
    await until(lambda: first["text"][:40] not in str(ada.home.body))
    here.clock.advance(hours=7)  # it was night
    await here.server.reminded.reminding.run()
    direct = here.slack.workspace.history(here.slack.workspace.open_direct([zoe.id]).id)
    assert [m.text for m in direct] == [f"Ada Obi gave you an action item of INC-1: {first['text']}"]
    await ada.click(ada.home, "action_done", block_id=block(second))
    await until(lambda: f"Done: {second['text'][:40]}" in str(ada.home.body))
    await here.slack.user("zoe").open_home()
    await until(lambda: here.slack.user("zoe").home)
    assert first["text"][:40] in str(here.slack.user("zoe").home.body)
    told = await heard(ada.slash("/triage", "actions INC-1", ROOM))
    assert told.text == f"INC-1, action items: {len(items) - 1} to do"
    assert "· Zoe" in str(told.blocks)
    answer = await heard(ada.click(told, "action_done", block_id=block(first)))
    assert answer.text == f"Done: {first['text']}"
    answer = await heard(ada.click(told, "action_done", block_id=block(first)))
    assert answer.text == "That action item of INC-1 is done already."
    assert "INC-9 is not known here" in (await heard(ada.slash("/triage", "actions INC-9", ROOM))).text


async def test_who_only_looks_on_may_say_that_their_own_item_is_done(tmp_path: Path, slack: LocalSlack) -> None:
    vic = {"name": "Vic Tor", "email": "vic@example.com"}
    more = {"roles": {"default": "viewer", "responder": ["ada@example.com"]}}
    more |= {"people": [{"name": "Ada Obi", "email": "ada@example.com"}, vic]}
    slack.workspace.add_user("vic", real_name="Vic Tor")
    slack.workspace.channel(ROOM).members |= set(slack.workspace.users)
    async with bench(tmp_path, slack, more=more) as here:
        first, second, *_ = await resolved(here)
        ada, vic = slack.user("ada"), slack.user("vic")
        await ada.slash("/triage", "actions INC-1", ROOM)
        await until(ada.ephemerals)
        await ada.click(ada.ephemerals()[0], "action_give", block_id=block(first))
        await until(lambda: ada.modal)
        await ada.submit(values={"owner": vic.id})
        await vic.slash("/triage", "actions INC-1", ROOM)
        await until(vic.ephemerals)
        (told,) = vic.ephemerals()
        answers = []
        for action, item in (("action_done", second), ("action_give", first), ("action_done", first)):
            await vic.click(told, action, block_id=block(item))
            await until(lambda: len(vic.ephemerals()) > len(answers) + 1)
            answers.append(vic.ephemerals()[-1].text)
        assert [answer.partition(":")[0].lower().replace(" tor", "") for answer in answers] == [
            *["vic may not work on an incident"] * 2,
            "done",
        ]
        for item, status in ((second, 403), (first, 200)):
            body = {"do": "done", "item": item["id"], "by": "vic@example.com"}
            answer = await here.http.post("/api/incidents/INC-1/acts", json=body, headers=TOKEN)
            assert answer.status_code == status, answer.text


def block(item: Any) -> str:
    return f"item:INC-1:{item['id']}"


async def test_two_people_finish_two_action_items_at_once(here: Bench) -> None:
    items = await resolved(here)
    ada = here.slack.user("ada")
    await ada.slash("/triage", "actions INC-1", ROOM)
    await until(ada.ephemerals)
    told = ada.ephemerals()[-1]
    await asyncio.gather(
        *(ada.click(told, "action_done", block_id=block(item)) for item in items),
    )
    await until(lambda: len(ada.ephemerals()) > len(items))
    assert [item["done"] for item in (await here.document() or {})["actions"]] == [True] * len(items)
