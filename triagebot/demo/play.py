"""The demo, step by step."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from triagebot.demo.incident import Incident
from triagebot.demo.serving import DemoFailed, Secrets, Served, served, until
from triagebot.testing.slack import Channel, LocalSlack, Message, Workspace, render_html, render_thread
from triagebot.triage.handout import write_files
from triagebot.triage.messages.incident import ACKNOWLEDGE
from triagebot.triage.score import Scored, score

ID: Final = "INC-1"


class Say(Protocol):
    """Shows what happens. `passing`: the line is replaced by the next one."""

    def __call__(self, text: str, *, passing: bool = False) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened. `walking` and `verdict` are seconds after the page was sent."""

    thread: str
    scored: Scored
    files: tuple[Path, ...]
    walking: float
    verdict: float


class Demo:
    def __init__(self, out: Path, say: Say) -> None:
        self._out, self._say = out, say

    async def run(self, stack: AsyncExitStack) -> tuple[Outcome, LocalSlack, Served]:
        """`stack` keeps the server and Slack running until it closes."""
        self._out.mkdir(parents=True, exist_ok=True)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triagebot-demo-")))
        self._say("inventing a week of traffic with an incident in it")
        incident = await asyncio.to_thread(Incident.make, folder / "incident")
        slack, channel = await self._slack(incident, stack)
        server = await self._server(incident, slack, folder, stack)
        await self._history(incident, server)
        walking, verdict, message = await self._page(incident, server, slack, channel)
        scored = await self._score(incident, server, verdict)
        thread = render_thread(slack.workspace, channel, message.ts)
        await self._click(incident, slack, message)
        document = await self._resolve(incident, server, slack)
        files = await asyncio.to_thread(self._keep, document, slack, channel)
        outcome = Outcome(thread=thread, scored=scored, files=tuple(files), walking=walking, verdict=verdict)
        return outcome, slack, server

    async def _slack(self, incident: Incident, stack: AsyncExitStack) -> tuple[LocalSlack, Channel]:
        """A local Slack with the organisation's people, at the time of the incident."""
        ahead = (incident.paged_at - datetime.now(UTC)).total_seconds()
        workspace = Workspace(name=incident.organisation.title(), clock=lambda: time.time() + ahead)
        for person in incident.people:
            name = person.email.partition("@")[0]
            user = workspace.add_user(name, email=person.email, real_name=person.name)
            if not person.active:
                workspace.deactivate(user)
        channel = workspace.add_channel(incident.channel)
        slack = await stack.enter_async_context(LocalSlack(workspace, page_user=incident.oncall))
        self._say(f"a local Slack stands at {slack.base_url}")
        return slack, channel

    async def _server(self, incident: Incident, slack: LocalSlack, folder: Path, stack: AsyncExitStack) -> Served:
        ids = {user.email: user.id for user in slack.workspace.users.values() if user.email}
        config = incident.configure(ids, slack.api_url)
        own = Secrets(secrets.token_hex(16), secrets.token_hex(16), slack.bot_token, slack.app_token)
        log = self._out / "server.log"
        log.write_bytes(b"")
        self._say("starting triagebot serve on loopback, with its stores in a temporary folder")
        running = served(config, folder / "data", own, log=log, clock=incident.paged_at)
        server = await stack.enter_async_context(running)
        self._say(f"triagebot serves at {server.url}")
        return server

    async def _history(self, incident: Incident, server: Served) -> None:
        total, batches = 0, iter(incident.batches())
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            total += batch[0]
            await server.traces(batch[1])
            self._say(f"a collector sends spans: {total:,}", passing=True)
        self._say(f"a collector has sent {total:,} spans (OTLP protobuf, gzip)")
        events = incident.changes()
        await server.changes(events)
        self._say(f"a pipeline has sent {len(events)} change events")

    async def _page(
        self, incident: Incident, server: Served, slack: LocalSlack, channel: Channel
    ) -> tuple[float, float, Message]:
        def message() -> Message | None:
            return next(iter(slack.workspace.history(channel.id)), None)

        self._say(f"{incident.paged_at:%H:%M} UTC, PagerDuty: {incident.title}")
        started = time.monotonic()
        await server.pagerduty(incident.page)
        await until(message, "a first message in the channel")
        walking = time.monotonic() - started
        self._say(f"told as walking after {walking:.1f} s")
        edited: Message = await until(lambda: (m := message()) and m.edited_ts and m, "the verdict in the channel")
        verdict = time.monotonic() - started
        self._say(f"verdict told after {verdict:.1f} s")
        await until(lambda: any(m.files for m in slack.workspace.thread(channel.id, edited.ts)), "the picture")
        # A person resolves half an hour later: by then everything has been compared that the postmortem tells.
        await until(lambda: self._idle(server), "what users get with the change")
        return walking, verdict, edited

    async def _idle(self, server: Served) -> bool:
        work = (await server.get("/api/work"))["queue"]
        return not work["ready"] + work["leased"]

    async def _score(self, incident: Incident, server: Served, seconds: float) -> Scored:
        found = await server.get(f"/api/incidents/{ID}")
        return score("demo", found["verdict"], incident.expected, seconds)

    async def _click(self, incident: Incident, slack: LocalSlack, message: Message) -> None:
        person = slack.user(incident.oncall)
        self._say(f"{person.user.real_name} clicks Acknowledge")
        delivery = await person.click(message, ACKNOWLEDGE)
        if not delivery.acked:
            raise DemoFailed(f"the click was not answered: {delivery.error}")
        said = await until(lambda: person.ephemerals(message.channel), "an answer to the click")
        self._say(f"only they see: {said[-1].text.splitlines()[0]}")

    async def _resolve(self, incident: Incident, server: Served, slack: LocalSlack) -> dict[str, Any]:
        self._say("PagerDuty: resolved")
        await server.pagerduty(incident.resolved())
        work, name = slack.workspace, f"postmortem-{ID}"
        # A canvas where the plan has them, a file where not.
        await until(
            lambda: work.canvases or any(f.complete and f.name.startswith(name) for f in work.files.values()),
            "the postmortem in the thread",
        )
        document: dict[str, Any] = await server.get(f"/api/incidents/{ID}/postmortem")
        self._say(f"the postmortem is drafted ({document['status']}) and in the thread")
        return document

    def _keep(self, document: dict[str, Any], slack: LocalSlack, channel: Channel) -> list[Path]:
        written = write_files(document, self._out)
        page = self._out / "thread.html"
        page.write_text(render_html(slack.workspace, channel), encoding="utf-8")
        picture = next((f for f in slack.workspace.files.values() if f.complete and f.name.endswith(".png")), None)
        if picture is not None and picture.content:
            drawn = self._out / f"symptom-{ID}.png"
            drawn.write_bytes(picture.content)
            written.append(drawn)
        return [*written, page]


async def play(out: Path, say: Say, *, keep: Callable[[Outcome, LocalSlack, Served], Any] | None = None) -> Outcome:
    """Plays the demo into `out`. With `keep` server and Slack go on running until the caller is interrupted."""
    async with AsyncExitStack() as stack:
        outcome, slack, server = await Demo(out, say).run(stack)
        if keep is not None:
            keep(outcome, slack, server)
            await asyncio.Event().wait()
        return outcome
