"""Probes through a whole triagebot: asked over HTTP, answered by a gateway on loopback, told to the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import uvicorn

from tests.e2e.bench import TOKEN, Bench, bench, until
from triagebot.domain.times import Window
from triagebot.testing.messages_api import FakeAnthropic, text
from triagebot.testing.slack import LocalSlack
from triagebot.triage.watch import probe_models

PLAN = {
    "model": "claude-haiku-4-5",
    "api_key": "file:key.txt",
    "repeats": 2,
    "reference": 4,
    "every": "1h",
    "prompts": [{"id": f"p{n}", "prompt": f"Say {n}.", "expect": str(n)} for n in range(6)],
}


@asynccontextmanager
async def gateway(fake: FakeAnthropic) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(fake.app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await running


ADA = "ada@example.com"
# On call is who may respond anyway.
VIEWERS = {
    "roles": {"default": "viewer"},
    "people": [{"name": "Ada Obi", "email": ADA}, {"name": "Vi Ewer", "email": "vi@example.com"}],
}


async def ask(here: Bench, do: str) -> None:
    answer = await here.http.post("/api/probe", json={"service": "support-agent", "do": do, "by": ADA}, headers=TOKEN)
    assert answer.status_code == 202, answer.text
    await here.idle()


async def test_from_the_reference_to_a_drift_that_the_journal_knows(tmp_path: Path, slack: LocalSlack) -> None:
    fake = FakeAnthropic(script=lambda body: text(body["messages"][0]["content"].removeprefix("Say ").rstrip(".")))
    (tmp_path / "key.txt").write_text(fake.api_key)
    async with gateway(fake) as url, bench(tmp_path, slack, service={"probe": {**PLAN, "base_url": url}}) as here:
        await ask(here, "freeze-reference")
        here.clock.advance(hours=2)
        await probe_models(here.server.watch)
        await here.idle()
        found = await here.get("/api/probe?service=support-agent")
        assert [run["kind"] for run in found["runs"]] == ["look", "reference"]
        assert found["runs"][0]["p_value"] is None or found["runs"][0]["p_value"] > 0.5
        fake.script = lambda body: text("I would rather not say which number that is.")
        here.clock.advance(hours=2)
        await ask(here, "run")
        found = await here.get("/api/probe?service=support-agent")
        assert found["runs"][0]["p_value"] < found["level"]
        now = here.clock.now()
        trail = [e.read() for e in await here.server.audit.entries(subject="support-agent")]
        assert sorted(e["action"] for e in trail) == ["probe look", "probe reference"]
        assert {e["actor"]["email"] for e in trail} == {ADA}
        looks = await here.server.journal.observations(
            "support-agent", Window(now - timedelta(days=1), now + timedelta(1))
        )
        assert [o.label for o in looks][-1] == "other answers"


async def test_what_cannot_be_asked(tmp_path: Path, slack: LocalSlack) -> None:
    async with bench(tmp_path, slack, service={"probe": PLAN}) as here:
        run = {"service": "support-agent", "do": "run", "by": ADA}
        for wrong, status in (({"do": "drop"}, 400), ({"service": "x"}, 404), ({"by": ""}, 400), ({"by": "eve"}, 400)):
            assert (await here.http.post("/api/probe", json=run | wrong, headers=TOKEN)).status_code == status, wrong
        await ask(here, "run")  # there is no key file
        failed = (await here.get("/api/work"))["failed"]
        assert "services.support-agent.probe.api_key" in failed[0]["error"]


async def test_a_viewer_may_not_spend_money_on_probes_or_hold_drills(tmp_path: Path, slack: LocalSlack) -> None:
    async with bench(tmp_path, slack, service={"probe": PLAN}, more=VIEWERS) as here:
        body = {"service": "support-agent", "do": "run", "by": "vi@example.com"}
        answer = await here.http.post("/api/probe", json=body, headers=TOKEN)
        assert (answer.status_code, "takes a responder" in answer.json()["error"]) == (403, True)
        drill = await here.http.post("/api/drill?service=support-agent&by=vi@example.com", content=b"", headers=TOKEN)
        assert drill.status_code == 403
        assert (await here.get("/api/work"))["failed"] == []
