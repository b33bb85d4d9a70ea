"""Messages, threads and views as HTML: everything escaped, images inline, nothing fetched from elsewhere."""

import base64
from html import escape
from typing import Any, Final

from triagebot.testing.slack.assets import STYLE
from triagebot.testing.slack.blocks import elements_of
from triagebot.testing.slack.inputs import STATEFUL
from triagebot.testing.slack.mrkdwn import emoji, to_html, visible
from triagebot.testing.slack.render import author, cell_text, clock_time, rich_text
from triagebot.testing.slack.workspace import Channel, File, Message, View, Workspace

_INLINE_IMAGES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
_PREVIEW_LINES: Final = 14


class Controls:
    """How interactive elements are drawn: switched off here, as in a picture; page.py draws working ones."""

    def element(self, where: Message | View, block: dict[str, Any], element: dict[str, Any]) -> str:
        if element["type"] in ("button", "workflow_button", "icon_button"):
            return f'<span class="button {element.get("style", "")}">{plain(element["text"])}</span>'
        hint = element.get("placeholder", {}).get("text", element["type"].replace("_", " "))
        return f'<span class="button menu">{escape(hint)}</span>'


class HtmlRenderer:
    def __init__(self, workspace: Workspace, controls: Controls | None = None) -> None:
        self.workspace = workspace
        self.controls = controls or Controls()

    def channel(self, channel: Channel, viewer: str | None = None) -> str:
        """All threads of a channel, oldest first; with what only the viewer sees."""
        shown = list(self.workspace.history(channel.id))
        private = [m for m in self.workspace.ephemerals if m.channel == channel.id and m.ephemeral_for == viewer]
        in_channel = [m for m in private if m.thread_ts is None]
        parts = []
        for message in sorted([*shown, *in_channel], key=lambda m: m.ts):
            replies = (
                [] if message.is_reply or message.ephemeral_for else self.workspace.thread(channel.id, message.ts)[1:]
            )
            replies += [m for m in private if m.thread_ts == message.ts and not message.is_reply]
            parts.append(self.thread(message, sorted(replies, key=lambda m: m.ts)))
        return "".join(parts) or '<p class="empty">No messages yet.</p>'

    def thread(self, message: Message, replies: list[Message]) -> str:
        below = ""
        if replies:
            count = f"{len(replies)} {'reply' if len(replies) == 1 else 'replies'}"
            below = f'<div class="replies"><div class="count">{count}</div>{"".join(map(self.message, replies))}</div>'
        return f'<article class="thread">{self.message(message)}{below}</article>'

    def message(self, message: Message) -> str:
        name = author(self.workspace, message)
        badge = '<span class="badge">APP</span>' if message.bot_id else ""
        edited = '<span class="quiet"> (edited)</span>' if message.edited_ts else ""
        only = '<div class="quiet">Only visible to you</div>' if message.ephemeral_for else ""
        avatar = f'<div class="avatar {"app" if message.bot_id else ""}">{escape(name[:1].upper())}</div>'
        head = f'<div class="head"><b>{escape(visible(name))}</b>{badge}<time>{clock_time(message.ts)}</time></div>'
        body = f"{only}{head}{self.body(message)}{edited}"
        return f'<div class="message{" private" if message.ephemeral_for else ""}">{avatar}<div class="content">{body}</div></div>'

    def body(self, message: Message) -> str:
        if message.tombstone:
            return '<p class="quiet">This message was deleted.</p>'
        parts = [self.block(message, b) for b in message.blocks] or [f"<p>{to_html(self.workspace, message.text)}</p>"]
        parts += [self._attachment(message, a) for a in message.attachments]
        parts += [self.file(self.workspace.files[f]) for f in message.files]
        if message.reactions:
            chips = "".join(
                f'<span class="chip">{emoji(f":{escape(n)}:")} {len(w)}</span>' for n, w in message.reactions.items()
            )
            parts.append(f"<div>{chips}</div>")
        return "".join(parts)

    def _attachment(self, message: Message, attachment: dict[str, Any]) -> str:
        inside = "".join(
            f"<p>{to_html(self.workspace, attachment[n])}</p>"
            for n in ("pretext", "title", "text")
            if attachment.get(n)
        )
        inside += "".join(self.block(message, b) for b in attachment.get("blocks", []))
        return f'<div class="attachment">{inside}</div>'

    def file(self, file: File) -> str:
        """An image in place, the first lines of a text, a card for anything else."""
        title, content = escape(visible(file.title or file.name)), file.content or b""
        if file.deleted:
            return '<div class="file quiet">This file was deleted.</div>'
        if file.mimetype in _INLINE_IMAGES:
            data = base64.b64encode(content).decode()
            alt = escape(file.alt_txt or file.title)
            return f'<figure><figcaption>{title}</figcaption><img alt="{alt}" src="data:{file.mimetype};base64,{data}"></figure>'
        preview = ""
        if file.mimetype.startswith("text/") or file.name.endswith((".md", ".json", ".yaml", ".txt")):
            lines = content.decode("utf-8", "replace").splitlines()[:_PREVIEW_LINES]
            preview = f"<pre>{escape(visible(chr(10).join(lines)))}</pre>"
        return f'<div class="file"><b>{title}</b> <span class="quiet">{len(content):,} bytes</span>{preview}</div>'

    def text(self, obj: dict[str, Any]) -> str:
        return to_html(self.workspace, obj["text"]) if obj["type"] == "mrkdwn" else plain(obj)

    def block(self, where: Message | View, block: dict[str, Any]) -> str:
        draw = getattr(self, f"_{block['type']}", None)
        return draw(where, block) if draw else f'<p class="quiet">[{escape(block["type"])}]</p>'

    def elements(self, where: Message | View, block: dict[str, Any]) -> str:
        return "".join(self.controls.element(where, block, e) for e in elements_of(block))

    def _divider(self, where: Message | View, block: dict[str, Any]) -> str:
        return "<hr>"

    def _header(self, where: Message | View, block: dict[str, Any]) -> str:
        return f"<h3>{plain(block['text'])}</h3>"

    def _section(self, where: Message | View, block: dict[str, Any]) -> str:
        text = f"<div>{self.text(block['text'])}</div>" if "text" in block else ""
        fields = "".join(f"<div>{self.text(f)}</div>" for f in block.get("fields", []))
        side = self.elements(where, block)
        accessory = block.get("accessory", {})
        if accessory.get("type") == "image":
            side = self._image(where, accessory)
        fields = f'<div class="fields">{fields}</div>' if fields else ""
        return f'<div class="section"><div class="main">{text}{fields}</div>{side}</div>'

    _alert = _section

    def _context(self, where: Message | View, block: dict[str, Any]) -> str:
        parts = [
            self._image(where, e) if e["type"] == "image" else f"<span>{self.text(e)}</span>" for e in block["elements"]
        ]
        return f'<div class="context">{"".join(parts)}</div>'

    def _actions(self, where: Message | View, block: dict[str, Any]) -> str:
        return f'<div class="actions">{self.elements(where, block)}</div>'

    _context_actions = _actions

    def _input(self, where: Message | View, block: dict[str, Any]) -> str:
        optional = ' <span class="quiet">(optional)</span>' if block.get("optional") else ""
        hint = f'<div class="quiet">{plain(block["hint"])}</div>' if "hint" in block else ""
        return f'<div class="input"><b>{plain(block["label"])}</b>{optional}{self.elements(where, block)}{hint}</div>'

    def _image(self, where: Message | View, block: dict[str, Any]) -> str:
        """An uploaded file in place; a picture from elsewhere only as a link: the page fetches nothing."""
        file = self.workspace.files.get(block.get("slack_file", {}).get("id", ""))
        if file is not None:
            return self.file(file)
        url, alt = escape(block.get("image_url", "")), escape(block["alt_text"])
        return f'<a href="{url}" rel="noreferrer noopener" target="_blank">[image: {alt}]</a>'

    def _markdown(self, where: Message | View, block: dict[str, Any]) -> str:
        return f'<div class="markdown">{escape(visible(block["text"]))}</div>'

    def _rich_text(self, where: Message | View, block: dict[str, Any]) -> str:
        return f'<div class="markdown">{escape(rich_text(self.workspace, block))}</div>'

    def _table(self, where: Message | View, block: dict[str, Any]) -> str:
        head, *rows = ["".join(f"<td>{escape(visible(cell_text(c)))}</td>" for c in row) for row in block["rows"]]
        return f"<table><thead><tr>{head}</tr></thead>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def plain(obj: dict[str, Any]) -> str:
    """A plain_text object: emoji but no formatting."""
    return emoji(escape(visible(obj["text"])))


def current(where: Message | View, block: dict[str, Any], element: dict[str, Any]) -> Any:
    """What a view's element holds now."""
    member, preset = STATEFUL[element["type"]]
    if isinstance(where, View):
        return where.values.get(block["block_id"], {}).get(element["action_id"], {}).get(member)
    return element.get(preset)


def render_html(workspace: Workspace, channel: Channel | str) -> str:
    """One channel as a document that stands alone: for files, pictures and reports."""
    where = channel if isinstance(channel, Channel) else workspace.channel(channel)
    body = HtmlRenderer(workspace).channel(where)
    title = escape(f"#{where.name}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>'
        f'<body><main><h2>{title}</h2><div id="messages">{body}</div></main></body></html>'
    )
