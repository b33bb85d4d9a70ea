"""A strict local Slack for tests and the demo.

It is a real server that slack_sdk and slack_bolt talk to, it refuses what Slack refuses with Slack's own error codes,
and people in it click and type:

    async with LocalSlack() as slack:
        ana = slack.workspace.add_user("ana")
        channel = slack.workspace.add_channel("incidents")
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        await client.chat_postMessage(channel=channel.id, text="hello", blocks=[…])
        message = slack.workspace.history(channel.id)[-1]
        delivery = await slack.user("ana").click(message, "acknowledge")
"""

from triagebot.testing.slack.clock import ManualClock
from triagebot.testing.slack.delivery import Delivery
from triagebot.testing.slack.errors import CannotActError, SlackError
from triagebot.testing.slack.html import render_html
from triagebot.testing.slack.people import Person
from triagebot.testing.slack.render import render_message, render_thread
from triagebot.testing.slack.server import LocalSlack, Recorded
from triagebot.testing.slack.workspace import Channel, Message, User, View, Workspace

__all__ = [
    "CannotActError",
    "Channel",
    "Delivery",
    "LocalSlack",
    "ManualClock",
    "Message",
    "Person",
    "Recorded",
    "SlackError",
    "User",
    "View",
    "Workspace",
    "render_html",
    "render_message",
    "render_thread",
]
