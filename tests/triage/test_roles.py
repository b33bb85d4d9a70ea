"""Who may do what, by name, by user group and by being on call; asked of the strict Slack."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.incidents import config
from triagebot.adapters.chat.pace import Pace
from triagebot.adapters.chat.slack import SlackChat
from triagebot.domain.people import Person
from triagebot.domain.roles import ACTIONS, ROLES, RoleRules, at_least
from triagebot.domain.service import Service
from triagebot.errors import Forbidden, SourceFailed
from triagebot.testing.slack import LocalSlack
from triagebot.triage.roles import RoleDesk


class Trail:
    def __init__(self) -> None:
        self.notes: list[Any] = []

    async def enter(self, note: Any) -> None:
        self.notes.append(note)


class OnCall:
    def __init__(self, email: str = "", fails: bool = False) -> None:
        self.email, self.fails = email, fails

    async def oncall(self, service: str) -> Person | None:
        if self.fails:
            raise SourceFailed("PagerDuty answered 500")
        return Person(name="", email=self.email) if self.email else None


@pytest.fixture
async def slack() -> Any:
    async with LocalSlack(rate_limits=False) as slack:
        for name in ("ravi", "zoe", "maria", "guest"):
            slack.workspace.add_user(name, is_restricted=name == "guest")
        yield slack


@pytest.fixture
async def chat(slack: LocalSlack) -> Any:
    chat = SlackChat(AsyncWebClient(slack.bot_token, base_url=slack.api_url), pace=Pace(0), patience=0.0)
    yield chat
    await chat.close()


def desk(chat: SlackChat, *, pager: Any = None, trail: Any = None, default: Any = "viewer", **members: Any) -> RoleDesk:
    services = {"support-agent": Service(name="support-agent", slack_channel="#x", oncall="ravi@example.com")}
    known = replace(config(), services=services, roles=RoleRules(default=default, members=members))
    return RoleDesk(known, chat=chat, groups=chat.groups, pager=pager, audit=trail)


def clicker(slack: LocalSlack, name: str) -> Person:
    return Person(name=name, email="", slack_id=slack.user(name).id)


async def role(desk: RoleDesk, person: Person, **more: Any) -> str:
    return (await desk.standing(person, **more)).role


async def test_a_role_by_address_by_id_and_by_group(slack: LocalSlack, chat: SlackChat) -> None:
    slack.workspace.add_usergroup("llm-oncall", [slack.user("zoe").user])
    desk_ = desk(chat, responder=["@llm-oncall"], approver=["maria@example.com"], admin=[slack.user("ravi").id])
    assert await role(desk_, clicker(slack, "zoe")) == "responder"
    assert await role(desk_, clicker(slack, "maria")) == "approver"
    assert await role(desk_, clicker(slack, "ravi")) == "admin"
    assert await role(desk_, Person(name="", email="zoe@example.com")) == "responder"
    assert await role(desk_, Person(name="", email="stranger@example.com")) == "viewer"


async def test_a_group_by_its_id(slack: LocalSlack, chat: SlackChat) -> None:
    group = slack.workspace.add_usergroup("leads", [slack.user("zoe").user])
    assert await role(desk(chat, approver=[group.id]), clicker(slack, "zoe")) == "approver"


async def test_guests_and_people_who_left_may_only_ask_whatever_they_are_named(
    slack: LocalSlack, chat: SlackChat
) -> None:
    desk_ = desk(chat, default="responder", admin=["guest@example.com", "zoe@example.com"])
    assert await role(desk_, clicker(slack, "guest")) == "viewer"
    slack.workspace.deactivate(slack.user("zoe").user)
    assert await role(desk_, clicker(slack, "zoe")) == "viewer"
    with pytest.raises(Forbidden, match="may not acknowledge: that takes a responder"):
        await desk_.require(clicker(slack, "zoe"), "acknowledge")
    said = r"Every full member of the workspace is a responder\. \(guests, bots and people who left can only ask\)"
    with pytest.raises(Forbidden, match=said):
        await desk_.require(clicker(slack, "guest"), "acknowledge")


async def test_who_is_on_call_may_respond_though_nobody_named_them(slack: LocalSlack, chat: SlackChat) -> None:
    zoe, ravi = clicker(slack, "zoe"), clicker(slack, "ravi")
    assert await role(desk(chat), ravi, service="support-agent") == "responder"
    assert await role(desk(chat), ravi) == "viewer"
    assert await role(desk(chat), zoe, service="support-agent") == "viewer"
    assert await role(desk(chat, pager=OnCall("zoe@example.com")), zoe, service="support-agent") == "responder"


async def test_a_refusal_says_who_may_and_is_on_record(slack: LocalSlack, chat: SlackChat) -> None:
    trail = Trail()
    desk_ = desk(chat, trail=trail, approver=["maria@example.com", "@llm-leads"])
    with pytest.raises(Forbidden) as refused:
        await desk_.require(clicker(slack, "zoe"), "let_through", subject="FRZ-1", via="slack")
    assert str(refused.value) == (
        "zoe may not let a change through a freeze: that takes an approver. Ask Maria Ruiz, @llm-leads. "
        "(who is in @llm-leads is not known: Slack: there is no user group @llm-leads, or it is disabled)"
    )
    (note,) = trail.notes
    assert (note.action, note.subject, note.by.name, note.data["role"]) == ("refused", "FRZ-1", "zoe", "viewer")


async def test_where_nobody_may_it_says_what_to_write(slack: LocalSlack, chat: SlackChat) -> None:
    with pytest.raises(
        Forbidden, match="Nobody is an approver yet: name people or a user group under `roles: approver:`"
    ):
        await desk(chat).require(clicker(slack, "zoe"), "let_through")


@pytest.mark.parametrize(
    ("scopes", "plan", "told"),
    [({"users:read", "users:read.email"}, "paid", "usergroups:read"), (None, "free", "plan has no user groups")],
)
async def test_groups_that_cannot_be_read_are_told(
    slack: LocalSlack, chat: SlackChat, scopes: Any, plan: Any, told: str
) -> None:
    slack.workspace.scopes, slack.workspace.plan = scopes, plan
    with pytest.raises(Forbidden, match=told):
        await desk(chat, approver=["@leads"]).require(clicker(slack, "zoe"), "let_through")


async def test_slack_being_down_locks_nobody_out_who_was_let_in_before(slack: LocalSlack, chat: SlackChat) -> None:
    now = [0.0]
    chat.groups._now = lambda: now[0]
    slack.workspace.add_usergroup("oncall", [slack.user("zoe").user])
    desk_ = desk(chat, responder=["@oncall"])
    assert await role(desk_, clicker(slack, "zoe")) == "responder"
    now[0] = 3_600.0

    async def silent(*_: Any, **__: Any) -> Any:
        raise SourceFailed("Slack does not answer")

    chat.groups._calls.safely = silent  # type: ignore[method-assign]
    assert await role(desk_, clicker(slack, "zoe")) == "responder"
    now[0] = 2 * 86_400.0
    assert await role(desk_, clicker(slack, "zoe")) == "viewer"


async def test_a_door_does_not_wait_for_long(slack: LocalSlack, chat: SlackChat, monkeypatch: Any) -> None:
    class Hanging:
        async def members(self, group: str) -> frozenset[str]:
            await asyncio.Event().wait()
            return frozenset()

    monkeypatch.setattr("triagebot.triage.roles._SECONDS", 0.01)
    known = replace(config(), roles=RoleRules(default="responder", members={"admin": ["@x"]}))
    standing = await RoleDesk(known, chat=chat, groups=Hanging()).standing(clicker(slack, "zoe"))
    assert standing.role == "responder"
    assert "no answer within 0.01 s" in standing.doubt


async def test_a_pager_that_fails_is_told_and_takes_nothing_away(slack: LocalSlack, chat: SlackChat) -> None:
    desk_ = desk(chat, pager=OnCall(fails=True))
    standing = await desk_.standing(clicker(slack, "zoe"), service="support-agent")
    assert (standing.role, standing.doubt) == ("viewer", "PagerDuty did not say who is on call: PagerDuty answered 500")


async def test_somebody_whom_the_directory_calls_gone_has_no_role(slack: LocalSlack, chat: SlackChat) -> None:
    known = config()
    gone = replace(known.directory, people=(Person(name="Zoe", email="zoe@example.com", active=False),))
    desk_ = RoleDesk(replace(known, directory=gone))
    assert await role(desk_, Person(name="", email="zoe@example.com")) == "nobody"
    with pytest.raises(Forbidden):
        await desk_.require(Person(name="", email="zoe@example.com"), "ask")


def test_each_role_may_what_the_ones_below_it_may() -> None:
    for needed, _ in ACTIONS.values():
        allowed = [at_least(role, needed) for role in ROLES]
        assert allowed == sorted(allowed)
