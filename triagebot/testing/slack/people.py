"""Acting as a person: what they type and click, sent to the app as Slack sends it.

Every act returns a Delivery. An act that Slack's client would not let them do raises CannotActError.
"""

from typing import Any

from triagebot.testing.slack import hooks, payloads
from triagebot.testing.slack.blocks import elements_of
from triagebot.testing.slack.delivery import Delivery
from triagebot.testing.slack.dispatch import Dispatcher
from triagebot.testing.slack.errors import CannotActError, SlackError
from triagebot.testing.slack.inputs import STATEFUL, entered, find_element, initial_state, is_empty, option_of
from triagebot.testing.slack.methods.views import replace, show, stack_of
from triagebot.testing.slack.shapes import user_json, view_json
from triagebot.testing.slack.workspace import Channel, Message, User, View


class Person:
    def __init__(self, dispatcher: Dispatcher, user: User) -> None:
        self._dispatcher = dispatcher
        self._workspace = dispatcher.workspace
        self.user = user

    @property
    def id(self) -> str:
        return self.user.id

    # -- what they see --------------------------------------------------------------------------------------------

    @property
    def modal(self) -> View | None:
        """The modal on top of those they have open."""
        stack = stack_of(self._workspace, self.id)
        return stack[-1] if stack else None

    @property
    def home(self) -> View | None:
        return self._workspace.homes.get(self.id)

    def ephemerals(self, channel: Channel | str | None = None) -> list[Message]:
        """Messages that only they see, oldest first."""
        where = self._channel(channel).id if channel is not None else None
        mine = [m for m in self._workspace.ephemerals if m.ephemeral_for == self.id]
        return [m for m in mine if where in (None, m.channel)]

    # -- writing --------------------------------------------------------------------------------------------------

    async def slash(self, command: str, text: str = "", channel: Channel | str = "") -> Delivery:
        """A slash command. What the acknowledgement says is posted to them, or to all with response_type in_channel."""
        where = self._inside(channel)
        url = self._dispatcher.response_url(where.id, self.id, command=True)
        payload = payloads.slash_command(self._workspace, self.user, where, command, text, url)
        delivery = await self._dispatcher.deliver("slash_commands", payload, self.id)
        if delivery.acked and delivery.body:
            body = delivery.body if isinstance(delivery.body, dict) else {"text": delivery.body}
            try:
                hooks.respond(self._workspace, self._workspace.response_urls[url.rpartition("/")[2]], body)
            except SlackError as error:
                delivery.error = "dispatch_unknown_error"
                delivery.problems.append(str(error))
        return delivery

    async def message(self, channel: Channel | str, text: str, thread_ts: str | None = None) -> Delivery | None:
        """Write in a channel or a thread; None where the app is not told, as in a channel that its bot is not in."""
        return await self.send(self.write(channel, text, thread_ts))

    def write(self, channel: Channel | str, text: str, thread_ts: str | None = None) -> Message:
        """Only store the message: for complaints that were there before the app."""
        return self._workspace.post(self._inside(channel).id, self.id, text, thread_ts=thread_ts)

    async def send(self, message: Message) -> Delivery | None:
        channel = self._workspace.channels[message.channel]
        bot = self._workspace.bot
        if bot.id not in channel.members:
            return None
        delivery = await self._dispatcher.event(
            payloads.message_event(self._workspace, message), self.id, subscribed_as=payloads.subscription(channel)
        )
        if bot.mention in message.text and not channel.is_direct:
            mention = payloads.message_event(self._workspace, message, "app_mention")
            delivery = await self._dispatcher.event(mention, self.id) or delivery
        return delivery

    async def mention(self, channel: Channel | str, text: str, thread_ts: str | None = None) -> Delivery | None:
        """A message that names the app's bot; the app_mention's delivery."""
        return await self.message(channel, f"{self._workspace.bot.mention} {text}", thread_ts)

    async def direct_message(self, text: str) -> Delivery | None:
        return await self.message(self._workspace.open_direct([self.id]), text)

    async def share_link(self, channel: Channel | str, url: str) -> Delivery | None:
        """Post a link of a domain that the app unfurls."""
        message = self.write(channel, f"<{url}>")
        event = {
            "type": "link_shared",
            "channel": message.channel,
            "user": self.id,
            "message_ts": message.ts,
            "unfurl_id": f"{message.channel}.{message.ts}",
            "source": "conversations_history",
            "links": [{"url": url, "domain": url.split("/")[2]}],
        }
        return await self._dispatcher.event(event, self.id)

    async def react(self, message: Message, name: str) -> Delivery | None:
        message.reactions.setdefault(name, []).append(self.id)
        item = {"type": "message", "channel": message.channel, "ts": message.ts}
        event = {"type": "reaction_added", "user": self.id, "reaction": name, "item": item, "item_user": message.user}
        return await self._dispatcher.event(event, self.id)

    async def open_home(self) -> Delivery | None:
        self._must_be_active()
        channel = self._workspace.open_direct([self.id])
        event: dict[str, Any] = {"type": "app_home_opened", "user": self.id, "channel": channel.id, "tab": "home"}
        if self.home is not None:
            event["view"] = view_json(self._workspace, self.home)
        return await self._dispatcher.event(event, self.id)

    async def become(self, **flags: bool) -> Delivery | None:
        """An administrator changes the account: `is_restricted=True` makes a member a guest."""
        for name, value in flags.items():
            setattr(self.user, name, value)
        about = user_json(self._workspace, self.user)
        event = {"type": "user_change", "user": about, "cache_ts": int(self._workspace.clock())}
        return await self._dispatcher.event(event, self.id)

    # -- clicking -------------------------------------------------------------------------------------------------

    async def click(self, where: Message | View, action_id: str, *, block_id: str | None = None) -> Delivery:
        """A button. The message is taken as stored: one that was replaced since has the new buttons only."""
        return await self.press(where, find_element(where_blocks(where), action_id, block_id))

    async def press(self, where: Message | View, hit: tuple[dict[str, Any], dict[str, Any]]) -> Delivery:
        """A button that was on screen: given as (block, element), it may be gone from the message since."""
        block, element = hit
        if element["type"] not in ("button", "icon_button"):
            raise CannotActError(f"{element['action_id']} is a {element['type']}, not a button")
        action = {"action_id": element["action_id"], "block_id": block["block_id"], "text": element["text"]}
        action |= {name: element[name] for name in ("value", "url", "style") if name in element}
        return await self._act(where, {**action, "type": element["type"]})

    async def choose(
        self, where: Message | View, action_id: str, value: Any, *, block_id: str | None = None
    ) -> Delivery | None:
        """Pick in a menu, tick boxes, pick a date. None where the element only speaks when the view is submitted."""
        block, element = find_element(where_blocks(where), action_id, block_id)
        if element["type"] == "overflow":
            entry: dict[str, Any] = {"type": "overflow", "selected_option": option_of(element, value)}
        else:
            entry = self._enter(where, block, element, value)
        if block["type"] == "input" and not block.get("dispatch_action"):
            return None
        return await self._act(where, {"action_id": action_id, "block_id": block["block_id"], **entry})

    async def select_user(
        self, where: Message | View, action_id: str, user: "User | Person", *, block_id: str | None = None
    ) -> Delivery | None:
        return await self.choose(where, action_id, user.id, block_id=block_id)

    def fill(self, where: Message | View, action_id: str, value: Any, *, block_id: str | None = None) -> None:
        """Type or pick without telling the app."""
        self._enter(where, *find_element(where_blocks(where), action_id, block_id), value)

    async def shortcut(self, callback_id: str, message: Message | None = None) -> Delivery:
        """A message shortcut, or a global one where no message is given."""
        self._must_be_active()
        if message is None:
            payload = payloads.global_shortcut(self._workspace, self.user, callback_id)
        else:
            self._inside(message.channel)
            url = self._dispatcher.response_url(message.channel, self.id, message.ts)
            payload = payloads.message_shortcut(self._workspace, self.user, callback_id, message, url)
        return await self._dispatcher.deliver("interactive", payload, self.id)

    # -- modals ---------------------------------------------------------------------------------------------------

    async def submit(self, view: View | None = None, values: dict[str, Any] | None = None) -> Delivery:
        """Fill in `values` by action_id and submit the modal on top (or `view`).

        Afterwards the modal is closed, replaced, covered or still there with errors, as the answer says.
        """
        view = self._open_view(view)
        for action_id, value in (values or {}).items():
            self.fill(view, action_id, value)
        if "submit" not in view.body:
            raise CannotActError("the modal has no submit button")
        for block in view.body["blocks"]:
            if block["type"] == "input" and not block.get("optional"):
                for element in elements_of(block):
                    if is_empty(view.values[block["block_id"]][element["action_id"]]):
                        raise CannotActError(f"{element['action_id']} is required and empty")
        payload = payloads.view_submission(self._workspace, self.user, view)
        delivery = await self._dispatcher.deliver("interactive", payload, self.id)
        if delivery.acked:
            try:
                self._after_submission(view, delivery)
            except SlackError as error:
                delivery.error = "dispatch_unknown_error"
                delivery.problems.append(str(error))
        return delivery

    def _after_submission(self, view: View, delivery: Delivery) -> None:
        body = delivery.body if isinstance(delivery.body, dict) else {}
        action = body.get("response_action")
        if action is None:
            view.is_open = False
        elif action == "clear":
            for one in stack_of(self._workspace, self.id):
                one.is_open = False
        elif action == "errors":
            known = {b["block_id"] for b in view.body["blocks"] if b["type"] == "input"}
            stray = set(body["errors"]) - known
            if stray or not body["errors"]:
                raise SlackError(
                    "invalid_errors", f"errors name blocks that are no inputs of the view: {sorted(stray)}"
                )
        elif action == "update":
            replace(self._workspace, view, body["view"])
        elif action == "push":
            show(self._workspace, self.id, body["view"], view)
        else:
            raise SlackError("invalid_response_action", str(action))

    async def close(self, view: View | None = None) -> Delivery | None:
        """Cancel the modal; the app is told where the view asked for it with notify_on_close."""
        view = self._open_view(view)
        view.is_open = False
        if not view.body.get("notify_on_close"):
            return None
        payload = payloads.view_closed(self._workspace, self.user, view, is_cleared=False)
        return await self._dispatcher.deliver("interactive", payload, self.id)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _must_be_active(self) -> None:
        if self.user.deleted:
            raise CannotActError(f"{self.user.name} is deactivated")

    def _channel(self, channel: Channel | str) -> Channel:
        return channel if isinstance(channel, Channel) else self._workspace.channel(channel)

    def _inside(self, channel: Channel | str) -> Channel:
        self._must_be_active()
        found = self._channel(channel)
        if self.id not in found.members:
            raise CannotActError(f"{self.user.name} is not in {found.name or found.id}")
        if found.is_archived:
            raise CannotActError(f"{found.name} is archived")
        return found

    def _open_view(self, view: View | None) -> View:
        self._must_be_active()
        found = view or self.modal
        if found is None or not found.is_open:
            raise CannotActError(f"{self.user.name} has no modal open")
        return found

    def _enter(
        self, where: Message | View, block: dict[str, Any], element: dict[str, Any], value: Any
    ) -> dict[str, Any]:
        if element["type"] not in STATEFUL:
            raise CannotActError(f"{element['action_id']} is a {element['type']}: nothing to enter")
        entry = entered(element, value)
        self._values(where)[block["block_id"]][element["action_id"]] = entry
        return entry

    def _values(self, where: Message | View) -> dict[str, dict[str, Any]]:
        if isinstance(where, View):
            return where.values
        mine = self._workspace.message_values.setdefault((where.channel, where.ts, self.id), {})
        for block_id, entries in initial_state(where_blocks(where)).items():
            for action_id, entry in entries.items():
                mine.setdefault(block_id, {}).setdefault(action_id, entry)
        return mine

    async def _act(self, where: Message | View, action: dict[str, Any]) -> Delivery:
        self._must_be_active()
        if isinstance(where, View):
            payload = payloads.view_action(self._workspace, self.user, where, action)
        else:
            if (
                where.ephemeral_for not in (None, self.id)
                or self.id not in self._workspace.channels[where.channel].members
            ):
                raise CannotActError(f"{self.user.name} cannot see this message")
            url = self._dispatcher.response_url(where.channel, self.id, where.ts)
            payload = payloads.message_action(self._workspace, self.user, where, action, self._values(where), url)
        return await self._dispatcher.deliver("interactive", payload, self.id)


def where_blocks(where: Message | View) -> list[dict[str, Any]]:
    if isinstance(where, View):
        return list(where.body["blocks"])
    return [*where.blocks, *(b for a in where.attachments for b in a.get("blocks", []))]
