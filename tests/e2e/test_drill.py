"""A drill through a whole triagebot: marked everywhere, calling nobody, and judged by whoever invented it."""

from __future__ import annotations

import asyncio
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bench import TOKEN, Bench, bench, until
from triagebot.domain.page import Page
from triagebot.entrypoints.rehearsing import Rehearsed, invent, report
from triagebot.testing.slack import LocalSlack
from triagebot.triage import way
from triagebot.triage.behaviour import of_verdict

REGISTRIES = [
    {"surface": "prompt_version", "artifact": "support/system", "kind": "declared"},
    {"surface": "model_alias", "artifact": "sonnet", "kind": "declared"},
]
SEED = 3


async def begun(here: Bench, made: Rehearsed) -> str:
    answer = await here.http.post(
        "/api/drill?service=support-agent&by=ada@example.com", content=made.archive, headers=TOKEN
    )
    assert answer.status_code == 202, answer.text
    await here.idle(60)
    return str(answer.json()["id"])


async def invented(here: Bench) -> tuple[dict[str, Any], Rehearsed]:
    sight = await here.get("/api/drill?service=support-agent")
    return sight, invent("", SEED, sight, page_at=here.clock.now().timestamp())


async def test_a_drill_from_the_page_to_the_postmortem(tmp_path: Path, slack: LocalSlack) -> None:
    async with bench(tmp_path, slack, service={"registries": REGISTRIES}) as here:
        sight, made = await invented(here)
        id_ = await begun(here, made)
        status = await here.get(f"/api/drill?id={id_}")
        verdict = status["verdict"]
        assert verdict["drill"] is True
        assert verdict["page"]["service"] == "support-agent"
        assert verdict["page"]["source"] == "drill"
        assert "Ada Obi" in {event["actor"] for event in (await here.get("/api/incidents/INC-1"))["timeline"]}
        told = report(sight, made, status, verdict, 1.0)
        assert told.scored.nodes, told.text()
        assert told.blamed == ()
        assert len(told.decoys) >= 1
        assert any(line.startswith("Retrieval corpus (the injected change)") for line in told.unseen)

        (message,) = here.messages()
        replies = [reply for reply in here.replies() if not reply.files]
        assert len(replies) == 3  # nodes, evidence, what users get
        for one in (message, *replies):
            assert "DRILL" in one.text + str(one.blocks)
            assert "<@" not in str(one.blocks)
        assert not slack.user("ada").ephemerals()
        assert [c.name for c in slack.workspace.channels.values() if slack.workspace.history(c.id)] == ["inc-support"]

        ended = await here.http.post(f"/api/drill/{id_}/end", headers=TOKEN)
        assert ended.status_code == 202
        await here.idle(60)
        document = await here.document()
        assert document is not None
        assert "DRILL" in document["markdown"]
        assert "## What users got" in document["markdown"]
        assert "requests with it" in document["markdown"]
        assert (await here.get("/api/incidents/INC-1"))["drill"] is True
        assert all("DRILL" in r.text + str(r.blocks) for r in here.replies() if not r.files)
        assert all("DRILL" in file.title for file in slack.workspace.files.values())
        ada = slack.user("ada")
        await until(here.doors.socket.handler.client.is_connected)
        assert (await ada.slash("/triage", "diff INC-1", "inc-support")).acked
        await until(ada.ephemerals)
        assert verdict["causes"][0]["artifact"] in str(ada.ephemerals()[-1].blocks)
        (again,) = (await here.get("/api/behaviour?subject=inc-1"))["changes"]
        assert again["artifact"] == verdict["causes"][0]["artifact"]
        assert (await here.get("/api/work"))["failed"] == []


async def test_what_was_compared_after_the_resolution_stands_in_the_postmortem(
    tmp_path: Path, slack: LocalSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafted = asyncio.Event()

    async def late(*given: Any) -> Any:
        await drafted.wait()
        return await of_verdict(*given)

    monkeypatch.setattr(way, "of_verdict", late)
    async with bench(tmp_path, slack, service={"registries": REGISTRIES}) as here:
        _, made = await invented(here)
        url = "/api/drill?service=support-agent&by=ada@example.com"
        id_ = (await here.http.post(url, content=made.archive, headers=TOKEN)).json()["id"]
        await until(lambda: here.server.ledger.verdict("INC-1"), 60)
        await here.http.post(f"/api/drill/{id_}/end", headers=TOKEN)
        first = await until(here.document, 60)
        assert "requests with it" not in first["markdown"]
        drafted.set()
        await here.idle(60)
        assert "requests with it" in (await here.document() or {})["markdown"]
        assert len(here.postmortems()) == 1


async def test_a_drill_whose_stage_is_gone_says_so(here: Bench) -> None:
    page = Page(
        source="drill",
        event_id="drill-1",
        kind="triggered",
        incident_key="drill-1",
        service="support-agent",
        title="DRILL: answers are different",
        occurred_at=here.clock.now(),
    )
    await here.server.intake(page, b"")
    await here.idle()
    assert "gone with its process" in here.said()
    assert "gone with its process" in (await here.get("/api/drill?id=drill-1"))["failed"]


async def test_nobody_outside_can_send_a_drill(here: Bench) -> None:
    assert (await here.http.post("/webhooks/drill", json={"title": "x"}, headers=TOKEN)).status_code == 404


def archive(**files: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/").replace("up", ".."))
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


async def test_what_is_no_drill_is_refused(here: Bench) -> None:
    for body in (b"", b"no archive", archive(up__evil="x"), archive(readme="x")):
        answer = await here.http.post("/api/drill?service=support-agent", content=body, headers=TOKEN)
        assert answer.status_code == 400, answer.text
    assert (await here.http.post("/api/drill?service=x", content=archive(a="b"), headers=TOKEN)).status_code == 404
    assert (await here.http.post("/api/drill/drill-1/end", headers=TOKEN)).status_code == 404
    assert (await here.http.get("/api/drill?service=support-agent")).status_code == 401


def test_an_incident_shows_no_more_than_the_service_does() -> None:
    blind = {
        s: {"registries": [], "broken": [], "recorded": 0.0, "events": 0}
        for s in ("model_alias", "prompt_version", "tool_schemas", "retrieval_corpus", "eval_freshness")
    }
    made = invent("prompt_skew", 1, {"surfaces": blind}, page_at=1_790_000_000.0)
    with tarfile.open(fileobj=io.BytesIO(made.archive), mode="r:gz") as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
        assert not names & {"expected.json", "world.json"}
        config = tar.extractfile("./triagebot.yaml")
        journal = tar.extractfile("./journal.jsonl")
        assert config is not None
        assert journal is not None
        assert b"kind: git" not in config.read()
        assert journal.read() == b""
