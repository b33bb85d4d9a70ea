"""A message and its thread as plain text, for a terminal."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from triagebot.testing.slack.blocks import elements_of
from triagebot.testing.slack.mrkdwn import to_text, visible
from triagebot.testing.slack.workspace import Channel, File, Message, Workspace


def render_thread(workspace: Workspace, channel: Channel | str, ts: str, *, width: int = 100) -> str:
    """The message, what hangs below it and its replies, oldest first. Safe to print: no control characters."""
    where = channel if isinstance(channel, Channel) else workspace.channel(channel)
    first, *replies = workspace.thread(where.id, ts)
    lines = [f"#{visible(where.name) or where.id}", *_message(workspace, first, "", width)]
    if replies:
        lines.append(f"  {len(replies)} {'reply' if len(replies) == 1 else 'replies'}")
    for reply in replies:
        lines += _message(workspace, reply, "  │ ", width)
    return "\n".join(lines) + "\n"


def render_message(workspace: Workspace, message: Message, *, width: int = 100) -> str:
    return "\n".join(_message(workspace, message, "", width)) + "\n"


def clock_time(ts: str) -> str:
    return f"{datetime.fromtimestamp(float(ts), UTC):%H:%M:%S}"


def author(workspace: Workspace, message: Message) -> str:
    return message.username or workspace.users[message.user].real_name


def _message(workspace: Workspace, message: Message, prefix: str, width: int) -> Iterator[str]:
    marks = " (app)" if message.bot_id else ""
    marks += " (only visible to one person)" if message.ephemeral_for else ""
    marks += " (edited)" if message.edited_ts else ""
    yield f"{prefix}{visible(author(workspace, message))}{marks}  {clock_time(message.ts)}"
    for line in _body(workspace, message):
        folded = textwrap.wrap(line, width - len(prefix) - 2, break_long_words=False, break_on_hyphens=False) or [""]
        if line.startswith(("    ", "`")) or len(line) <= width - len(prefix) - 2:
            folded = [line]
        for part in folded:
            yield f"{prefix}  {part}".rstrip()


def _body(workspace: Workspace, message: Message) -> Iterator[str]:
    if message.tombstone:
        yield "This message was deleted."
        return
    if message.blocks:
        for block in message.blocks:
            yield from _block(workspace, block)
    else:
        yield from to_text(workspace, message.text).splitlines()
    for attachment in message.attachments:
        for name in ("pretext", "title", "text"):
            if attachment.get(name):
                yield from ("▌ " + line for line in to_text(workspace, attachment[name]).splitlines())
        for block in attachment.get("blocks", []):
            yield from ("▌ " + line for line in _block(workspace, block))
    yield from (_file(workspace.files[f]) for f in message.files)
    if message.reactions:
        yield "  ".join(f":{name}: {len(who)}" for name, who in message.reactions.items())


def _file(file: File) -> str:
    if file.deleted:
        return "This file was deleted."
    label = "image" if file.mimetype.startswith("image/") else "file"
    return f"[{label}: {visible(file.title or file.name)}, {file.length:,} bytes]"


def _text(workspace: Workspace, obj: dict[str, Any]) -> str:
    return to_text(workspace, obj["text"]) if obj["type"] == "mrkdwn" else visible(obj["text"])


def _block(workspace: Workspace, block: dict[str, Any]) -> Iterator[str]:
    kind = block["type"]
    if kind == "divider":
        yield "─" * 40
    elif kind == "header":
        yield _text(workspace, block["text"]).upper()
    elif kind in ("section", "alert"):
        yield from _section(workspace, block)
    elif kind == "context":
        parts = [e["alt_text"] if e["type"] == "image" else _text(workspace, e) for e in block["elements"]]
        yield from " · ".join(parts).splitlines()
    elif kind in ("actions", "context_actions", "input"):
        label = [_text(workspace, block["label"])] if kind == "input" else []
        yield "  ".join([*label, *(element_label(e) for e in elements_of(block))])
    elif kind == "image":
        yield f"[image: {visible(block['alt_text'])}]"
    elif kind == "markdown":
        yield from visible(block["text"]).splitlines()
    elif kind == "table":
        yield from _table(block)
    elif kind == "rich_text":
        yield from rich_text(workspace, block).splitlines()
    else:
        yield f"[{kind}]"


def _section(workspace: Workspace, block: dict[str, Any]) -> Iterator[str]:
    if "text" in block:
        yield from _text(workspace, block["text"]).splitlines()
    for field in block.get("fields", []):
        yield from ("• " + _text(workspace, field).replace("\n", ": ", 1)).splitlines()
    for element in elements_of(block):
        yield element_label(element)


def element_label(element: dict[str, Any]) -> str:
    """How a button or a menu reads: [Acknowledge], [Name owner ▾]."""
    if element["type"] in ("button", "workflow_button", "icon_button"):
        return f"[{visible(element['text']['text'])}]"
    placeholder = element.get("placeholder", {}).get("text", element["type"].replace("_", " "))
    return f"[{visible(placeholder)} ▾]" if "select" in element["type"] else f"[{visible(placeholder)}]"


def cell_text(cell: dict[str, Any]) -> str:
    return str(cell["text"]) if cell["type"] == "raw_text" else "".join(_rich_parts(cell))


def _table(block: dict[str, Any]) -> Iterator[str]:
    rows = [[visible(cell_text(cell)).replace("\n", " ") for cell in row] for row in block["rows"]]
    widths = [max(len(row[n]) if n < len(row) else 0 for row in rows) for n in range(max(len(row) for row in rows))]
    for row in rows:
        yield "    " + "  ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)).rstrip()


def _rich_parts(value: Any) -> Iterator[str]:
    for element in value.get("elements", []):
        if "elements" in element:
            yield from _rich_parts(element)
            yield "\n"
        else:
            shown = element.get("text") or element.get("url") or element.get("user_id") or element.get("name")
            yield str(shown or element.get("fallback", ""))


def rich_text(workspace: Workspace, block: dict[str, Any]) -> str:
    return visible("".join(_rich_parts(block))).strip("\n")
