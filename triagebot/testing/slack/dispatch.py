"""The way from Slack to the app: HTTP mode where a request URL is set, Socket Mode otherwise."""

from collections.abc import Iterable
from typing import Any, Final

from triagebot.testing.slack.delivery import Delivery, EnvelopeType
from triagebot.testing.slack.http_mode import HttpMode
from triagebot.testing.slack.payloads import event_callback
from triagebot.testing.slack.socket_mode import SocketMode
from triagebot.testing.slack.workspace import Workspace

DEFAULT_EVENTS: Final = frozenset(
    {
        "app_home_opened",
        "app_mention",
        "channel_archive",
        "channel_rename",
        "link_shared",
        "member_joined_channel",
        "member_left_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "reaction_added",
        "user_change",
    }
)


class Dispatcher:
    """`deliveries` keeps everything that was sent to the app, in order."""

    def __init__(self, workspace: Workspace, socket: SocketMode, events: Iterable[str]) -> None:
        self.workspace = workspace
        self.socket = socket
        self.http: HttpMode | None = None
        self.events = set(events)
        self.base_url = ""
        self.deliveries: list[Delivery] = []

    async def deliver(
        self, kind: EnvelopeType, payload: dict[str, Any], by: str = "", retry: tuple[int, str] | None = None
    ) -> Delivery:
        delivery = Delivery(kind, payload, by=by)
        self.deliveries.append(delivery)
        await (self.http or self.socket).deliver(delivery, retry)
        return delivery

    async def event(self, event: dict[str, Any], by: str = "", *, subscribed_as: str | None = None) -> Delivery | None:
        """Deliver an event if the app subscribes to its type, as event_callback."""
        if (subscribed_as or event["type"]) not in self.events:
            return None
        return await self.deliver("events_api", event_callback(self.workspace, event), by)

    async def again(self, delivery: Delivery, attempt: int = 1, reason: str = "http_timeout") -> Delivery:
        """The same thing once more, as Slack retries an event that was not acknowledged: same event_id."""
        return await self.deliver(delivery.kind, delivery.payload, delivery.by, (attempt, reason))

    def response_url(self, channel: str, user: str, message_ts: str | None = None, *, command: bool = False) -> str:
        made = self.workspace.new_response_url(channel, user, message_ts)
        return f"{self.base_url}/{'commands' if command else 'actions'}/{self.workspace.team_id}/{made.secret}"
