"""Who may do what, asked at every door: buttons, commands, modals, the API. The one place that decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from triagebot.domain.audit import Note
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.people import Person
from triagebot.domain.roles import ACTIONS, ROLES, Role, at_least, is_group
from triagebot.domain.service import Config
from triagebot.errors import Forbidden, NotFound, SourceFailed
from triagebot.ports import Audit, Chat, Pager, UserGroups

log = logging.getLogger(__name__)

T = TypeVar("T")
# A door waits for the answer: Slack gives up on an interaction after three seconds.
_SECONDS: Final = 1.5
_NAMES: Final = 6
_GUESTS: Final = "guests, bots and people who left can only ask"
_A: Final = {"viewer": "a viewer", "responder": "a responder", "approver": "an approver", "admin": "an admin"}


@dataclass(frozen=True, slots=True)
class Standing:
    """The role of a person, and what could not be asked while finding it ("" where all could)."""

    role: Role
    doubt: str = ""


class RoleDesk:
    """Roles by name, by Slack id and by user group, as `roles:` of triagebot.yaml has them. Who is on call may respond anyway.

    Refusals are entered into the audit trail where there is one.
    """

    def __init__(
        self,
        config: Config,
        *,
        chat: Chat | None = None,
        groups: UserGroups | None = None,
        pager: Pager | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._config, self._rules = config, config.roles
        self._chat, self._groups, self._pager, self._audit = chat, groups, pager, audit

    async def require(
        self, person: Person, action: str, *, service: str = "", subject: str = "", via: str = ""
    ) -> None:
        """Raises Forbidden with who may."""
        needed, what = ACTIONS[action]
        standing = await self.standing(person, service=service, needed=needed)
        if at_least(standing.role, needed):
            return
        name = cut(clean(person.name or person.email or person.slack_id), 60) or "Somebody unknown"
        refusal = f"{name} may not {what}: that takes {_A[needed]}. {self._who_may(needed)}"
        if standing.doubt:
            refusal += f" ({standing.doubt})"
        if self._audit is not None:
            data = {"action": action, "role": standing.role, "needed": needed}
            note = Note(
                action="refused", subject=subject or service or "-", by=person, via=via, service=service, data=data
            )
            await self._audit.enter(note)
        raise Forbidden(refusal)

    async def may(self, person: Person, action: str, *, service: str = "") -> bool:
        needed, _ = ACTIONS[action]
        return at_least((await self.standing(person, service=service, needed=needed)).role, needed)

    async def standing(self, person: Person, *, service: str = "", needed: Role = "admin") -> Standing:
        """`needed`: looking stops once the person has that role."""
        listed = self._config.directory.find(person.slack_id) or self._config.directory.find(person.email)
        if listed is not None and not listed.active:
            return Standing("nobody")
        email = (person.email or (listed.email if listed else "")).lower()
        slack_id = person.slack_id or (listed.slack_id if listed else "")
        role, doubts = self._by_name(email, slack_id), []
        account, doubt = await self._asked(self._account(slack_id or email), "Slack did not say who that is")
        doubts.append(doubt)
        if account is not None:
            if not account.active:
                return Standing("viewer", _GUESTS)  # whatever they are called in the configuration
            slack_id, email = account.slack_id, email or account.email.lower()
            role = max(role, self._by_name(email, slack_id), key=ROLES.index)
        for wanted in reversed(ROLES):
            if at_least(role, wanted) or at_least(role, needed):
                break
            for group in (who for who in self._rules.members.get(wanted, ()) if is_group(who)):
                members, doubt = await self._asked(self._members(group), f"who is in {group} is not known")
                doubts.append(doubt)
                if members is not None and slack_id in members:
                    role = wanted
        if not at_least(role, "responder") and (email or slack_id):
            on_call, doubt = await self._asked(self._on_call(service, email), "PagerDuty did not say who is on call")
            doubts.append(doubt)
            role = "responder" if on_call else role
        role = max(role, self._rules.default, key=ROLES.index)
        return Standing(role, "; ".join(dict.fromkeys(doubt for doubt in doubts if doubt)))

    def _by_name(self, email: str, slack_id: str) -> Role:
        mine = {email, slack_id.lower()} - {""}
        return next(
            (r for r in reversed(ROLES) if any(who.lower() in mine for who in self._rules.members.get(r, ()))),
            "nobody",
        )

    async def _account(self, who: str) -> Person | None:
        return await self._chat.person(who) if self._chat is not None and who else None

    async def _members(self, group: str) -> frozenset[str]:
        if self._groups is None:
            raise SourceFailed("Slack is not connected")
        return await self._groups.members(group)

    async def _on_call(self, service: str, email: str) -> bool:
        """Whoever is paged has the right to press the button, also where nobody thought of naming them."""
        known = self._config.services.get(service)
        if known is None or not email:
            return False
        if email in (known.oncall.lower(), known.escalation.lower()):
            return True
        person = await self._pager.oncall(service) if self._pager is not None else None
        return person is not None and person.email.lower() == email

    async def _asked(self, question: Awaitable[T], doubt: str) -> tuple[T | None, str]:
        try:
            async with asyncio.timeout(_SECONDS):
                return await question, ""
        except TimeoutError:
            return None, f"{doubt}: no answer within {_SECONDS:g} s"
        except (SourceFailed, NotFound) as failed:
            log.info("%s: %s", doubt, failed)
            return None, f"{doubt}: {failed}"

    def _who_may(self, needed: Role) -> str:
        people = [self._called(who) for who in self._rules.named(needed)]
        names = list(dict.fromkeys(people))
        if at_least(self._rules.default, needed):
            return f"Every full member of the workspace is {_A[self._rules.default]}."
        if not names:
            return (
                f"Nobody is {_A[needed]} yet: name people or a user group under `roles: {needed}:` in triagebot.yaml."
            )
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        return f"Ask {', '.join(names[:_NAMES])}{more}."

    def _called(self, who: str) -> str:
        person = None if is_group(who) else self._config.directory.find(who)
        return person.name if person else who
