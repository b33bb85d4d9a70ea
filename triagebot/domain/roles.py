"""Who may do what. Each role may do all that the ones before it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Role = Literal["nobody", "viewer", "responder", "approver", "admin"]
ROLES: Final[tuple[Role, ...]] = ("nobody", "viewer", "responder", "approver", "admin")
NAMED: Final[tuple[Role, ...]] = ROLES[1:]  # those that people can be given

# Each action by name, the least role that may do it, and how a refusal calls it.
ACTIONS: Final[Mapping[str, tuple[Role, str]]] = {
    "ask": ("viewer", "ask about incidents"),
    "triage": ("responder", "start a walk"),
    "acknowledge": ("responder", "acknowledge"),
    "label": ("responder", "call a verdict wrong"),
    "name_owner": ("responder", "name an owner"),
    "accept": ("viewer", "answer whether something is theirs"),
    "snooze": ("viewer", "be reminded later"),
    "severity": ("responder", "set the severity"),
    "resolve": ("responder", "resolve"),
    "draft": ("responder", "have a postmortem drafted"),
    "review": ("responder", "review or publish a postmortem"),
    "respond": ("responder", "work on an incident"),
    "replay": ("responder", "replay requests, which costs money"),
    "probe": ("responder", "have a model probed, which costs money"),
    "drill": ("responder", "hold a drill"),
    "freeze": ("responder", "freeze"),
    "extend": ("responder", "extend a freeze"),
    "lift_own": ("responder", "lift a freeze"),
    "lift": ("approver", "lift a freeze of somebody else's"),
    "put_back": ("approver", "have a freeze put a surface back to what stood there before"),
    "let_through": ("approver", "let a change through a freeze"),
    "audit": ("viewer", "read the audit trail"),
}


def at_least(role: Role, needed: Role) -> bool:
    return ROLES.index(role) >= ROLES.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRules:
    """`roles:` of triagebot.yaml. `members` lists for each role e-mail addresses, Slack ids of people, and user groups (`@handle`
    or `S…`). `default` is what everybody else has who is a full member of the workspace; guests can only ask.
    """

    default: Role = "responder"
    members: Mapping[Role, Sequence[str]] = field(default_factory=dict)

    def named(self, needed: Role) -> list[str]:
        """Whom the configuration gives this role or a higher one."""
        return [who for role in ROLES if at_least(role, needed) for who in self.members.get(role, ())]


def is_group(who: str) -> bool:
    """Whether a member of a role is a user group and not a person."""
    return who.startswith("@") or (len(who) >= 8 and who[0] == "S" and who.isalnum() and who.isupper())
