"""What the Slack entry point needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.service import Config
from triagebot.ports import Chat, Clock, Journal, Ledger
from triagebot.triage.asking.desk import Asking
from triagebot.triage.asof import Lookup
from triagebot.triage.freeze import FreezeDesk
from triagebot.triage.hands import Hands
from triagebot.triage.questions import Questions
from triagebot.triage.replay.desk import Replays
from triagebot.triage.roles import RoleDesk
from triagebot.triage.tell import Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackDeps:
    """`intake` stores a page durably, False where it was there already. `draft` asks for an incident's postmortem.

    `replays` is None where none can be asked for, `asking` where threads are not answered.

    `client` is the chat adapter's own; without `signing_secret` there is no HTTP mode. `roles` decides who may do what; without
    it the configuration alone does. `lookup` answers what was served at a time.
    """

    client: AsyncWebClient
    config: Config
    ledger: Ledger
    journal: Journal
    chat: Chat
    clock: Clock
    tell: Tell
    intake: Callable[[Page, bytes], Awaitable[bool]]
    draft: Callable[[str, Person], Awaitable[None]]
    default_channel: str
    lookup: Lookup | None = None
    signing_secret: str = ""
    replays: Replays | None = None
    asking: Asking | None = None
    roles: RoleDesk | None = None
    freezes: FreezeDesk | None = None

    @property
    def may(self) -> RoleDesk:
        return self.roles or RoleDesk(self.config, chat=self.chat)

    @property
    def hands(self) -> Hands:
        return Hands(self.ledger, self.chat, self.tell, self.clock, self.draft)

    @property
    def questions(self) -> Questions:
        return Questions(self.config, self.ledger, self.journal, self.clock, self.lookup)

    def channel_of(self, service: str) -> str:
        known = self.config.services.get(service)
        return (known.slack_channel if known else "") or self.default_channel
