"""What the Slack entry point needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from triagebot.domain.page import Page
from triagebot.domain.people import Person
from triagebot.domain.service import Config
from triagebot.ports import Chat, Clock, Journal, Ledger, Message
from triagebot.triage.asking.desk import Asking
from triagebot.triage.asof import Lookup
from triagebot.triage.freeze import FreezeDesk
from triagebot.triage.hands import Hands
from triagebot.triage.home import Home
from triagebot.triage.mirror import Mirror
from triagebot.triage.questions import Questions
from triagebot.triage.reminding.engine import Reminding
from triagebot.triage.reminding.ownership import Answers
from triagebot.triage.replay.desk import Replays
from triagebot.triage.roles import RoleDesk
from triagebot.triage.tell import Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackDeps:
    """`intake` stores a page durably, False where it was there already. `draft` asks for an incident's postmortem, `publish` shows
    one that was changed. `account_changed` hears of each user object that Slack tells of. `tenants` are those that a service
    served lately, `digest` the week's word on the ownership of a service.

    `replays` is None where none can be asked for, `asking` where threads are not answered.

    `client` is the chat adapter's own; links to `public_url` are unfurled; without `signing_secret` there is no HTTP mode. `roles`
    decides who may do what; without it the configuration alone does. `lookup` answers what was served at a time.
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
    account_changed: Callable[[Mapping[str, Any]], Awaitable[None]]
    lookup: Lookup | None = None
    reminding: Reminding
    mirror: Mirror | None = None
    publish: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None
    tenants: Callable[[str], Awaitable[Sequence[str]]] | None = None
    digest: Callable[[str], Awaitable[Message | None]] | None = None
    public_url: str = ""
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
        return Hands(self.ledger, self.tell, self.clock, self.draft, self.mirror, self.publish)

    @property
    def answers(self) -> Answers:
        return Answers(ledger=self.ledger, rows=self.reminding.rows, clock=self.clock)

    @property
    def home(self) -> Home:
        return Home(
            ledger=self.ledger,
            rows=self.reminding.rows,
            clock=self.clock,
            freezes=self.freezes.shown if self.freezes else None,
        )

    @property
    def questions(self) -> Questions:
        """Answered to a whole channel."""
        return self._questions(self.tell.circle.room)

    def questions_of(self, person: Person) -> Questions:
        """Answered to one person only."""
        return self._questions(partial(self.tell.circle.reader, person))

    def _questions(self, reads: Callable[[str], Awaitable[bool]]) -> Questions:
        return Questions(self.config, self.ledger, self.journal, self.clock, self.tell, self.lookup, reads=reads)
