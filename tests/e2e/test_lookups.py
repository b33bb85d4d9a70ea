"""Questions to a running server about what was served: over HTTP, from the chat, from the command line's own client."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from tests.e2e.bench import PAGED, ROOM, TOKEN, Bench, until
from triagebot.testing import otlp


async def send(here: Bench, *, n: int = 40, since: datetime = PAGED - timedelta(minutes=50)) -> None:
    """Requests a minute apart, the later half with another prompt version."""
    spans = []
    for i in range(n):
        start = int((since + timedelta(minutes=i)).timestamp() * 1e9)
        told = {
            "gen_ai.operation.name": "chat",
            "gen_ai.response.model": "sonnet-4",
            "gen_ai.prompt.name": "support/system",
            "gen_ai.prompt.version": "v2" if i >= n // 2 else "v1",
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": "Yes."}]}]
            ),
        }
        spans.append(otlp.span(f"{i + 1:032x}", f"{i + 1:016x}", start=start, end=start + 10**9, attributes=told))
    body = json.dumps(otlp.request(spans)).encode()
    answer = await here.http.post("/v1/traces", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert here.server.spans is not None
    await here.server.spans.flush()


async def test_what_was_served_then(here: Bench) -> None:
    await send(here)
    found = await here.get("/api/asof?service=PSUPPORT&at=2026-11-03T02:47:00Z")
    surfaces = {s["surface"]: s for s in found["surfaces"]}
    assert found["service"] == "support-agent"
    assert found["requests"] == 40
    assert [(v["value"], v["share"]) for v in surfaces["model_alias"]["values"]] == [("sonnet-4", 1.0)]
    prompts = {v["value"]: v["share"] for v in surfaces["prompt_version"]["values"]}
    assert prompts == {"support/system@v1": 0.5, "support/system@v2": 0.5}
    assert found["content"]["answers"] == {"have": 40, "should": 40}
    assert surfaces["retrieval_corpus"]["values"] == []


async def test_what_cannot_be_asked_is_said(here: Bench) -> None:
    for query, status in (
        ("service=nothing&at=2026-11-03T02:47:00Z", 404),
        ("service=support-agent&at=soon", 400),
        ("service=support-agent&at=2030-01-01T00:00:00Z", 400),
    ):
        assert (await here.http.get(f"/api/asof?{query}", headers=TOKEN)).status_code == status
    assert (await here.http.get("/api/asof?service=support-agent&at=2026-11-03T02:47:00Z")).status_code == 401


async def test_asked_in_the_chat(here: Bench) -> None:
    await send(here)
    await until(here.doors.socket.handler.client.is_connected)
    ada = here.slack.user("ada")
    assert (await ada.slash("/triage", "asof support-agent 2026-11-03 02:47 UTC", ROOM)).acked
    await until(lambda: len(ada.ephemerals()) == 1)
    said = str(ada.ephemerals()[-1].blocks)
    assert "support/system@v2" in said
    assert "50 %" in said
    assert (await ada.slash("/triage", "asof support-agent yesterday", ROOM)).acked
    await until(lambda: len(ada.ephemerals()) == 2)
    assert "is not a time" in str(ada.ephemerals()[-1].blocks)
    assert here.messages() == []
