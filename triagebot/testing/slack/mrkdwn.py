"""Slack's mrkdwn as plain text and as HTML. https://docs.slack.dev/messaging/formatting-message-text

The input is whatever an app or a person wrote: the text loses control characters, the HTML is escaped throughout.
"""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from triagebot.testing.slack.workspace import Workspace

_REFERENCE: Final = re.compile(r"<([^<>\n]+)>")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EMOJI: Final[dict[str, str]] = {
    "alarm_clock": "⏰", "arrow_right": "➡", "bar_chart": "📊", "bell": "🔔", "bulb": "💡", "calendar": "📅",
    "chart_with_downwards_trend": "📉", "chart_with_upwards_trend": "📈", "eyes": "👀", "fire": "🔥",
    "hourglass": "⌛", "hourglass_flowing_sand": "⏳", "information_source": "ℹ", "large_blue_circle": "🔵",
    "large_green_circle": "🟢", "large_orange_circle": "🟠", "large_red_circle": "🔴", "large_yellow_circle": "🟡",
    "link": "🔗", "lock": "🔒", "mag": "🔍", "memo": "📝", "no_entry": "⛔", "page_facing_up": "📄", "pushpin": "📌",
    "question": "❓", "red_circle": "🔴", "repeat": "🔁", "robot_face": "🤖", "rotating_light": "🚨", "shield": "🛡",
    "small_blue_diamond": "🔹", "snowflake": "❄", "stopwatch": "⏱", "thumbsdown": "👎", "thumbsup": "👍", "unlock": "🔓",
    "warning": "⚠", "white_check_mark": "✅", "white_circle": "⚪", "wrench": "🔧", "x": "❌",
}  # fmt: skip


def emoji(text: str) -> str:
    return re.sub(r":([a-z0-9_+-]+):", lambda m: EMOJI.get(m[1], m[0]), text)


def unescape(text: str) -> str:
    """The three characters that Slack wants escaped, back."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def visible(text: str) -> str:
    """Without what could move a terminal's cursor or turn its text around."""
    return _CONTROL.sub("", text)


def _reference(workspace: Workspace, inside: str) -> tuple[str, str]:
    """What a <…> reads as, and where it leads."""
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        user = workspace.users.get(target[1:])
        return f"@{user.name if user else label or target[1:]}", ""
    if target.startswith("#"):
        channel = workspace.channels.get(target[1:])
        return f"#{channel.name if channel else label or target[1:]}", ""
    if target.startswith("!date^"):
        return label or _date(target), ""
    if target.startswith("!subteam^"):
        group = workspace.usergroups.get(target.removeprefix("!subteam^"))
        return label or f"@{group.handle if group else 'group'}", ""
    if target.startswith("!"):
        return f"@{target[1:]}", ""
    return unescape(label or target.removeprefix("mailto:")), unescape(target)


def _date(target: str) -> str:
    stamp = target.split("^")[1]
    return f"{datetime.fromtimestamp(int(stamp), UTC):%Y-%m-%d %H:%M} UTC" if stamp.isdigit() else target


def to_text(workspace: Workspace, text: str) -> str:
    """For a terminal: references spelt out, bold and the like without their marks, code as it is."""

    def spelt(match: re.Match[str]) -> str:
        reads, leads = _reference(workspace, match[1])
        return f"{reads} ({leads})" if leads and leads != reads and not leads.startswith("mailto:") else reads

    plain = _REFERENCE.sub(spelt, text)
    plain = _outside_code(
        plain, lambda part: emoji(re.sub(r"(?<![\w*_~])([*_~])(?=\S)(.+?)(?<=\S)\1(?![\w*_~])", r"\2", part))
    )
    return visible(unescape(plain))


def to_html(workspace: Workspace, text: str) -> str:
    """For a page: escaped, with Slack's formatting; links only to http, https and mailto."""
    kept: list[str] = []

    def keep(markup: str) -> str:
        kept.append(markup)
        return f"\x00{len(kept) - 1}\x00"

    def referred(match: re.Match[str]) -> str:
        reads, leads = _reference(workspace, match[1])
        shown = html.escape(reads)
        if re.match(r"(https?://|mailto:)", leads):
            return keep(f'<a href="{html.escape(leads)}" rel="noreferrer noopener" target="_blank">{shown}</a>')
        return keep(f'<span class="ref">{shown}</span>')

    source = _CONTROL.sub("", text)
    source = re.sub(r"```\n?(.+?)```", lambda m: keep(f"<pre>{_escaped(m[1])}</pre>"), source, flags=re.DOTALL)
    source = re.sub(r"`([^`\n]+)`", lambda m: keep(f"<code>{_escaped(m[1])}</code>"), source)
    source = _escaped(emoji(_REFERENCE.sub(referred, source)))
    for mark, tag in (("*", "b"), ("_", "i"), ("~", "s")):
        m = re.escape(mark)
        source = re.sub(rf"(?<![\w{m}]){m}(?=\S)([^{m}\n]+?)(?<=\S){m}(?![\w{m}])", rf"<{tag}>\1</{tag}>", source)
    source = re.sub(r"(?m)^&gt; ?(.*)$", r"<blockquote>\1</blockquote>", source).replace(
        "</blockquote>\n", "</blockquote>"
    )
    source = source.replace("\n", "<br>")
    while "\x00" in source:
        source = re.sub(r"\x00(\d+)\x00", lambda m: kept[int(m[1])], source)
    return source


def _escaped(text: str) -> str:
    return html.escape(unescape(text))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts = re.split(r"(```.*?```|`[^`\n]+`)", text, flags=re.DOTALL)
    return "".join(part if part.startswith("`") else change(part) for part in parts)
