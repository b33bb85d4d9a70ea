"""Who is asked and what is done, from a page's webhook to the pager: a whole server."""

from __future__ import annotations

from tests.e2e.bench import TOKEN, Bench, event


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
