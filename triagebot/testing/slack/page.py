"""The web page at GET /: channels and threads, live, with buttons that work, for one person at a time.

Plain forms do the acting; a few lines of script refresh what is shown. A form carries the page's key, so that another
site open in the same browser cannot post here, and nothing is loaded from anywhere else.
"""

import hashlib
import hmac
import secrets
from html import escape
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from triagebot.testing.slack.assets import LAYOUT, SCRIPT, STYLE
from triagebot.testing.slack.delivery import Delivery
from triagebot.testing.slack.dispatch import Dispatcher
from triagebot.testing.slack.errors import CannotActError
from triagebot.testing.slack.html import Controls, HtmlRenderer, current, plain
from triagebot.testing.slack.inputs import STATEFUL, find_element
from triagebot.testing.slack.people import Person, where_blocks
from triagebot.testing.slack.workspace import Channel, Message, User, View

_TYPED: Final = ("plain_text_input", "email_text_input", "url_text_input", "number_input")


class WorkingControls(Controls):
    """Buttons and menus as forms. In a view, inputs are fields of the view's own form."""

    def __init__(self, page: "Page", hidden: str) -> None:
        self.page = page
        self.hidden = hidden

    def element(self, where: Message | View, block: dict[str, Any], element: dict[str, Any]) -> str:
        name = f"{block['block_id']}/{element['action_id']}"
        if block["type"] == "input":
            return self._field(where, block, element, f"value:{name}")
        if element["type"] in ("button", "icon_button"):
            style = element.get("style", "")
            inner = f'<button class="{style}" name="do" value="click">{plain(element["text"])}</button>'
        elif "select" in element["type"] or element["type"] in ("overflow", "radio_buttons"):
            inner = f'<input type="hidden" name="do" value="choose">{self._menu(where, block, element, "value", "data-now")}'
        else:
            return super().element(where, block, element)
        return f"<form method=post action=/act>{self.hidden}{self._target(where, block, element)}{inner}</form>"

    def _target(self, where: Message | View, block: dict[str, Any], element: dict[str, Any]) -> str:
        place = {"view": where.id} if isinstance(where, View) else {"message": f"{where.channel}/{where.ts}"}
        return hidden({**place, "block_id": block["block_id"], "action_id": element["action_id"]})

    def _field(self, where: Message | View, block: dict[str, Any], element: dict[str, Any], name: str) -> str:
        kind = element["type"]
        form = 'form="modal"'
        if kind in _TYPED:
            value = escape(str(current(where, block, element) or ""))
            hint = escape(element.get("placeholder", {}).get("text", ""))
            if element.get("multiline"):
                return f'<textarea {form} name="{escape(name)}" rows="4" placeholder="{hint}">{value}</textarea>'
            return f'<input {form} name="{escape(name)}" value="{value}" placeholder="{hint}">'
        if kind in ("datepicker", "timepicker"):
            return f'<input {form} type="{kind.removesuffix("picker")}" name="{escape(name)}">'
        return self._menu(where, block, element, name, form)

    def _menu(
        self, where: Message | View, block: dict[str, Any], element: dict[str, Any], name: str, attribute: str
    ) -> str:
        kind = element["type"]
        many = kind.startswith("multi_") or kind == "checkboxes"
        now = current(where, block, element) if kind in STATEFUL else None
        chosen = {one["value"] if isinstance(one, dict) else one for one in (now if isinstance(now, list) else [now])}
        choices = self.page.choices(element)
        first = (
            "" if many else f"<option value=''>{escape(element.get('placeholder', {}).get('text', 'Choose…'))}</option>"
        )
        listed = "".join(
            f'<option value="{escape(value)}"{" selected" if value in chosen else ""}>{escape(label)}</option>'
            for value, label in choices
        )
        return f'<select {attribute}{" multiple" if many else ""} name="{escape(name)}">{first}{listed}</select>'


class Page:
    """Routes for the page. `viewer` is who sees and clicks, unless the address says ?as=USER."""

    def __init__(self, dispatcher: Dispatcher, viewer: str | None = None) -> None:
        self.dispatcher = dispatcher
        self.workspace = dispatcher.workspace
        self.viewer = viewer
        self.key = secrets.token_urlsafe(16)
        self.notice: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.show), web.get("/fragment", self.fragment), web.post("/act", self.act)]

    def choices(self, element: dict[str, Any]) -> list[tuple[str, str]]:
        """What a menu offers, as (value, label)."""
        if "users" in element["type"]:
            return [(u.id, f"@{u.name}") for u in self.workspace.users.values() if not u.deleted and not u.is_bot]
        if "channels" in element["type"] or "conversations" in element["type"]:
            return [
                (c.id, f"#{c.name}") for c in self.workspace.channels.values() if not c.is_direct and not c.is_archived
            ]
        groups = [option for group in element.get("option_groups", []) for option in group["options"]]
        return [(o["value"], o["text"]["text"]) for o in [*element.get("options", []), *groups]]

    # -- showing --------------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.Response:
        user, channel = self._viewing(request)
        if user is None:
            return web.Response(text="The workspace has nobody in it yet.")
        nonce = secrets.token_urlsafe(12)
        query = urlencode(
            {"as": user.id, "channel": channel.id if channel else "", "home": request.query.get("home", "")}
        )
        document = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(self.workspace.name)} · local Slack</title>'
            f'<meta name="viewport" content="width=device-width"><style nonce="{nonce}">{STYLE}{LAYOUT}</style></head>'
            f'<body data-source="/fragment?{escape(query)}"><div id="live">{self._live(request, user, channel)}</div>'
            f'{self._composer(user, channel)}<script nonce="{nonce}">{SCRIPT}</script></body></html>'
        )
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"  # noqa: E501
        return web.Response(text=document, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def fragment(self, request: web.Request) -> web.Response:
        user, channel = self._viewing(request)
        live = self._live(request, user, channel) if user is not None else ""
        return web.json_response({"version": hashlib.sha256(live.encode()).hexdigest(), "html": live})

    def _viewing(self, request: web.Request) -> tuple[User | None, Channel | None]:
        if request.url.host not in ("127.0.0.1", "localhost", "::1"):
            raise web.HTTPForbidden(text="this page answers to loopback names only")
        people = [u for u in self.workspace.users.values() if not u.is_bot and not u.deleted]
        wanted = request.query.get("as") or self.viewer or ""
        user = next((u for u in people if wanted in (u.id, u.name, u.email)), people[0] if people else None)
        mine = self._channels(user) if user else []
        return user, next((c for c in mine if c.id == request.query.get("channel")), mine[0] if mine else None)

    def _channels(self, user: User) -> list[Channel]:
        return [c for c in self.workspace.channels.values() if user.id in c.members]

    def _live(self, request: web.Request, user: User, channel: Channel | None) -> str:
        here = hidden({"key": self.key, "as": user.id, "channel": channel.id if channel else ""})
        renderer = HtmlRenderer(self.workspace, WorkingControls(self, here))
        at_home = bool(request.query.get("home"))
        if at_home:
            home = self.workspace.homes.get(user.id)
            title = f"{escape(self.workspace.bot.real_name)} · Home"
            body = (
                "".join(renderer.block(home, b) for b in home.body["blocks"])
                if home
                else "<p class=empty>Nothing published.</p>"
            )
        elif channel is not None:
            title, body = self._title(channel), renderer.channel(channel, user.id)
        else:
            title, body = "No channels", ""
        notice = self.notice.get(user.id, "")
        flash = f'<p class="flash">{escape(notice)}</p>' if notice else ""
        sidebar = self._sidebar(user, None if at_home else channel, here)
        return f"{sidebar}<main><h2>{title}</h2>{flash}{body}</main>{self._modal(renderer, user, here)}"

    def _title(self, channel: Channel) -> str:
        if channel.is_direct:
            return escape(", ".join(self.workspace.users[u].real_name for u in sorted(channel.members)))
        marks = (" 🔒" if channel.kind == "private" else "") + (" (archived)" if channel.is_archived else "")
        return f"#{escape(channel.name)}{marks}"

    def _sidebar(self, user: User, shown: Channel | None, here: str) -> str:
        links = "".join(
            f'<a class="{"on" if c is shown else ""}" href="/?{urlencode({"as": user.id, "channel": c.id})}">{self._title(c)}</a>'
            for c in self._channels(user)
        )
        home = f"<form method=post action=/act>{here}<button name=do value=home>App Home</button></form>"
        return (
            f"<nav><b>{escape(self.workspace.name)}</b><div class=me>{escape(user.real_name)}</div>{links}{home}</nav>"
        )

    def _modal(self, renderer: HtmlRenderer, user: User, here: str) -> str:
        view = Person(self.dispatcher, user).modal
        if view is None:
            return ""
        blocks = "".join(renderer.block(view, b) for b in view.body["blocks"])
        submit = view.body.get("submit")
        go = f"<button form=modal class=primary name=do value=submit>{plain(submit)}</button>" if submit else ""
        close = plain(view.body["close"]) if view.body.get("close") else "Cancel"
        form = f"<form id=modal method=post action=/act>{here}{hidden({'view': view.id})}</form>"
        foot = f"<div class=foot><button form=modal name=do value=close>{close}</button>{go}</div>"
        return f"<div class=shade><section class=modal><h2>{plain(view.body['title'])}</h2>{form}{blocks}{foot}</section></div>"

    def _composer(self, user: User, channel: Channel | None) -> str:
        if channel is None:
            return ""
        here = hidden({"key": self.key, "as": user.id, "channel": channel.id, "do": "say"})
        hint = f"Message {self._title(channel)}, or a /command"
        field = f'<input name=text autocomplete=off placeholder="{hint}">'
        return f"<form id=composer method=post action=/act>{here}{field}</form>"

    # -- acting ---------------------------------------------------------------------------------------------------

    async def act(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = {name: str(value) for name, value in form.items()}
        if not hmac.compare_digest(given.get("key", "").encode(), self.key.encode()):
            return web.Response(status=403, text="this page has been restarted: reload it")
        try:
            person = Person(self.dispatcher, self.workspace.user(given["as"]))
            delivery = await self._act(person, given, {name: [str(v) for v in form.getall(name)] for name in form})
            self.notice[person.id] = _told(delivery)
        except CannotActError as error:
            self.notice[given["as"]] = str(error)
        except KeyError as error:
            return web.Response(status=400, text=f"missing or unknown: {error}")
        back = {
            "as": given["as"],
            "channel": given.get("channel", ""),
            **({"home": "1"} if given.get("do") == "home" else {}),
        }
        return web.Response(status=303, headers={"Location": f"/?{urlencode(back)}"})

    async def _act(self, person: Person, given: dict[str, str], lists: dict[str, list[str]]) -> Delivery | None:
        do = given["do"]
        if do == "home":
            return await person.open_home()
        if do == "say":
            return await self._say(person, given["channel"], given["text"].strip())
        where = self._place(given)
        if do == "close" and isinstance(where, View):
            return await person.close(where)
        if do == "submit" and isinstance(where, View):
            self._fill(person, where, lists)
            return await person.submit(where)
        if do == "click":
            return await person.click(where, given["action_id"], block_id=given["block_id"])
        return await person.choose(where, given["action_id"], given["value"] or None, block_id=given["block_id"])

    async def _say(self, person: Person, channel: str, text: str) -> Delivery | None:
        if text.startswith("/"):
            command, _, rest = text.partition(" ")
            return await person.slash(command, rest, channel)
        return await person.message(channel, text) if text else None

    def _place(self, given: dict[str, str]) -> Message | View:
        if "view" in given:
            homes = {view.id: view for view in self.workspace.homes.values()}
            return {**homes, **self.workspace.views}[given["view"]]
        channel, _, ts = given["message"].partition("/")
        found = self.workspace.find_message(channel, ts)
        if found is None:
            raise CannotActError("that message is gone")
        return found

    def _fill(self, person: Person, where: Message | View, lists: dict[str, list[str]]) -> None:
        for name, values in lists.items():
            if name.startswith("value:"):
                block_id, _, action_id = name.removeprefix("value:").partition("/")
                _, element = find_element(where_blocks(where), action_id, block_id)
                many = element["type"].startswith("multi_") or element["type"] == "checkboxes"
                person.fill(where, action_id, values if many else values[0] or None, block_id=block_id)


def _told(delivery: Delivery | None) -> str:
    """What Slack would show: an app that did not answer, or what is wrong with a submission."""
    if delivery is None:
        return ""
    if delivery.errors:
        return "; ".join(delivery.errors.values())
    return f"The app did not take that: {delivery.error}" if delivery.error else ""


def hidden(values: dict[str, str]) -> str:
    return "".join(f'<input type="hidden" name="{escape(n)}" value="{escape(v)}">' for n, v in values.items())
