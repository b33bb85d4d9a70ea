"""What people ask in the chat, answered from the record: stored verdicts, the timeline and the journal."""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from triagebot.domain.incident import Incident
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import NODES, TITLES
from triagebot.domain.service import Config, Service
from triagebot.domain.times import Window, parse_span
from triagebot.errors import BadInput, NotFound, Refused
from triagebot.ports import Clock, Journal, Ledger, Message
from triagebot.triage.asof import Lookup
from triagebot.triage.messages import replies
from triagebot.triage.messages.behaviour import behaviour_message
from triagebot.triage.messages.items import Item, items_message
from triagebot.triage.messages.lookback import asof_message, parse_asked
from triagebot.triage.recorded import changes_of
from triagebot.triage.severity import graded
from triagebot.triage.tell import INCIDENT, Tell

COMMANDS: Final = (
    "help",
    "status",
    "why",
    "changes",
    "asof",
    "diff",
    "owner",
    "acknowledge",
    "resolve",
    "severity",
    "accept",
    "actions",
    "decline",
    "reminders",
    "snooze",
    "digest",
    "postmortem",
    "replay",
    "freeze",
    "freezes",
    "lift",
    "extend",
    "let",
)
_INCIDENT: Final = re.compile(r"INC-\d{1,12}", re.IGNORECASE)
_LONGEST: Final = timedelta(days=90)
_LOOKED_AT: Final = 20
NOT_COMPARED: Final = "The verdict names no cause that requests can be compared by."
_ASOF: Final = "/triage asof SERVICE 2026-11-03 01:58 UTC"


class Questions:
    """`reads` says of a channel whether whoever is answered may read the texts of what is told there."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        journal: Journal,
        clock: Clock,
        tell: Tell,
        lookup: Lookup | None = None,
        *,
        reads: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._config, self._ledger, self._journal, self._clock = config, ledger, journal, clock
        self._tell, self._lookup, self._reads = tell, lookup, reads

    # -- names ---------------------------------------------------------------------------------------------------------

    def service(self, words: Sequence[str]) -> tuple[Service | None, str]:
        """The service that the first words name, and the words after it."""
        for n in range(min(len(words), 4), 0, -1):
            if service := self._config.service_for(" ".join(words[:n])):
                return service, " ".join(words[n:])
        return None, " ".join(words)

    def service_in(self, text: str, channel: str, channel_name: str) -> str:
        """The service that a message is probably about: one that it names, else the one that the channel belongs to."""
        said = f" {clean(text).lower()} "
        for service in self._config.services.values():
            if any(
                re.search(rf"(?<![\w-]){re.escape(n.lower())}(?![\w-])", said) for n in (service.name, *service.names)
            ):
                return service.name
        here = {channel, channel_name}
        owners = [s.name for s in self._config.services.values() if s.slack_channel.removeprefix("#") in here]
        return owners[0] if len(owners) == 1 else ""

    def near(self, word: str) -> str:
        """The command or service that somebody may have meant; empty where nothing is like it."""
        known = {name.lower(): name for name in (*COMMANDS, *self._config.services)}
        found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
        return known[found[0]] if found else ""

    def node(self, words: Sequence[str]) -> str:
        """`prompt`, `Prompt version`, `evals` … as a node. Raises NotFound with what there is."""
        wanted = "_".join(words).lower().replace("-", "_").rstrip("s")
        short = {node: {node, *node.split("_")} for node in NODES}
        for node, names in short.items():
            if wanted and any(name == wanted or name.rstrip("s") == wanted for name in names):
                return node
        starts = [node for node, names in short.items() if wanted and any(n.startswith(wanted) for n in names)]
        if len(starts) == 1:
            return starts[0]
        for near in difflib.get_close_matches(wanted, list(NODES), n=1, cutoff=0.6):
            return near
        raise NotFound(f"Which node? One of: {', '.join(TITLES[n].lower() for n in NODES)}.")

    # -- answers -------------------------------------------------------------------------------------------------------

    async def status(self) -> Message:
        opened = await self._ledger.incidents(status="open")
        kept = await self._ledger.kept([incident.id for incident in opened])
        known = [
            (incident, one.told.get(INCIDENT), graded(one.verdict, one.events) if one.verdict else None)
            for incident in opened
            for one in (kept[incident.id],)
        ]
        return replies.status_reply(known, len(self._config.services), self._clock.now())

    async def incident(self, word: str) -> Message:
        incident = await self._named(word)
        link = await self._link(incident)
        verdict, events = await self._ledger.verdict(incident.id), await self._ledger.timeline(incident.id)
        if not await self._shown(incident):
            circle = self._tell.circle
            incident, verdict = circle.incident(incident), circle.verdict(verdict)
            events = circle.events(events)
        return replies.incident_reply(incident, verdict, events, link)

    async def why(self, words: Sequence[str], channel: str) -> Message:
        incident, rest = await self._about(words, channel)
        node = self.node(rest)
        verdict = await self._verdict(incident)
        return replies.why_reply(incident, verdict, node, await self._link(incident))

    async def changes(self, words: Sequence[str]) -> Message:
        service, rest = self.service(words)
        if service is None:
            near = self.near(words[0]) if words else ""
            hint = f" Did you mean {near}?" if near in self._config.services else ""
            raise NotFound(f"Changes of which service?{hint} Try: /triage changes SERVICE 24h")
        text = rest.strip() or "24h"
        try:
            span = parse_span(text)
        except ValueError as error:
            raise BadInput(f"{cut(text, 40)} is not a length of time: try 30m, 24h or 7d.") from error
        now = self._clock.now()
        changes = await changes_of(self._journal, service.name, Window(now - min(span, _LONGEST), now))
        if not await self._reads(self._tell.channel_of(service.name)):
            changes = self._tell.circle.changes(changes)
        return replies.changes_reply(service.name, text if span <= _LONGEST else "90d", changes, now)

    async def asof(self, words: Sequence[str]) -> Message:
        """`SERVICE TIME [tenant T]`."""
        service, rest = self.service(words)
        if service is None or self._lookup is None:
            raise NotFound(f"As of when, and of which service? Try: {_ASOF}")
        time, _, tenant = rest.partition(" tenant ")
        try:
            at = parse_asked(time)
        except ValueError as error:
            raise BadInput(f"{cut(clean(time), 40) or 'Nothing'} is not a time. Try: {_ASOF}") from error
        return asof_message((await self._lookup.ask(service.name, at, tenant.strip())).as_json())

    async def diff(self, words: Sequence[str], channel: str) -> Message:
        """`[INC-12]`, or `SERVICE ARTIFACT [VERSION]`."""
        if self._lookup is None:
            raise NotFound("This triagebot cannot compare.")
        service, rest = self.service(words)
        if service is not None:
            artifact, _, version = rest.partition(" ")
            if not artifact:
                raise BadInput(f"Which change of {service.name}? Try: /triage diff {service.name} ARTIFACT VERSION")
            found = [await self._lookup.difference(service.name, artifact, version.strip(), None)]
            shown = await self._reads(self._tell.channel_of(service.name))
        else:
            incident, _ = await self._about(words, channel)
            timeline = await self._ledger.timeline(incident.id)
            found = await self._lookup.differences(await self._verdict(incident), timeline)
            shown = await self._shown(incident)
        found = found if shown else self._tell.circle.behaviour(found)
        return behaviour_message(found) if found else replies.said(NOT_COMPARED)

    async def owner(self, words: Sequence[str], channel: str) -> Message:
        incident, _ = await self._about(words, channel)
        people = {p.email.lower(): p.slack_id for p in self._config.directory.people if p.email and p.slack_id}
        verdict = await self._verdict(incident)
        return replies.owner_reply(incident, verdict, await self._ledger.timeline(incident.id), people)

    async def postmortem(self, words: Sequence[str], channel: str) -> tuple[Incident, Message | None]:
        """The incident, and where its postmortem stands; None where there is none yet."""
        incident, _ = await self._about(words, channel)
        document, shown = await self._ledger.document(incident.id), await self._shown(incident)
        if document is None and not shown:
            raise Refused(f"The postmortem of {incident.id} is for full members of its channel.")
        if document is None:
            return incident, None
        if not shown:
            return incident, replies.withheld_reply(incident, document, self._tell.circle.mark(document["markdown"]))
        return incident, replies.postmortem_reply(incident, document, await self._link(incident), "thread")

    async def actions(self, words: Sequence[str], channel: str) -> Message:
        """What is left to do after an incident, and who does it."""
        incident, _ = await self._about(words, channel)
        if not await self._shown(incident):
            raise Refused(f"The action items of {incident.id} are for full members of its channel.")
        document = await self._ledger.document(incident.id)
        if document is None:
            raise NotFound(f"{incident.id} has no postmortem yet: /triage postmortem {incident.id} drafts it.")
        items = [
            Item(
                incident=incident.id,
                id=str(item["id"]),
                text=str(item.get("text") or ""),
                due=str(item.get("due") or ""),
                owner=str((item.get("owner") or {}).get("name") or "nobody has it"),
            )
            for item in document.get("actions") or ()
            if not item.get("done")
        ]
        return items_message(f"{incident.id}, action items", items, self._clock.now())

    async def about(self, words: Sequence[str], channel: str) -> tuple[Incident, list[str]]:
        """The incident that a command is about, and its other words. Raises NotFound."""
        return await self._about(words, channel)

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _about(self, words: Sequence[str], channel: str) -> tuple[Incident, list[str]]:
        """The incident that is named, else the newest of this channel (an open one first), else the newest open one."""
        named = [w for w in words if _INCIDENT.fullmatch(w)]
        rest = [w for w in words if w not in named]
        if named:
            return await self._named(named[0]), rest
        newest = await self._ledger.incidents(limit=_LOOKED_AT)
        ordered = sorted(newest, key=lambda i: i.status != "open")
        for incident in ordered:
            told = (await self._ledger.told(incident.id)).get(INCIDENT)
            if told and told.posted.channel == channel:
                return incident, rest
        if ordered and ordered[0].status == "open":
            return ordered[0], rest
        raise NotFound("Which incident? Nothing is open here. Name one, such as INC-12; /triage status lists them.")

    async def _named(self, word: str) -> Incident:
        incident = await self._ledger.incident(word.upper())
        if incident is None:
            raise NotFound(f"{cut(clean(word.upper()), 20)} is not known here. /triage status lists what is open.")
        return incident

    async def _verdict(self, incident: Incident) -> Mapping[str, Any]:
        verdict = await self._ledger.verdict(incident.id)
        if verdict is None:
            raise NotFound(f"{incident.id} has no verdict yet: it is still being walked.")
        return verdict if await self._shown(incident) else self._tell.circle.verdict(verdict) or {}

    async def _shown(self, incident: Incident) -> bool:
        return await self._reads(await self._tell.home(incident))

    async def _link(self, incident: Incident) -> str:
        told = (await self._ledger.told(incident.id)).get(INCIDENT)
        return told.posted.link if told else ""
