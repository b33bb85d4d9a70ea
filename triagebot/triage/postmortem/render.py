"""Document to Markdown and HTML. Every value is escaped unless a template's own author wrote it; templates see no raw text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from triagebot.domain.people import Owner
from triagebot.triage.postmortem import show
from triagebot.triage.postmortem.document import ActionItem, Document

# CommonMark's punctuation that can start or close something: https://spec.commonmark.org/0.31.2/#backslash-escapes.
# The pipe is GitHub's tables; `&` would start an entity; `~` strikes through.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|&~!])")
_LINE_START = re.compile(r"^(\s*)([-+=]|\d+[.)])")
_AUTOLINK = re.compile(r"(?i)(https?|ftp|mailto)(:)|(www)(\.)")


class Plain(str):
    """Markdown that a filter has made safe."""

    __slots__ = ()


def escape_markdown(text: Any) -> Plain:
    """Text as Markdown that shows it and does nothing: one line, no links, no HTML, no table cells."""
    if isinstance(text, Plain):
        return text
    line = " ".join(str("" if text is None else text).split())
    line = _SPECIAL.sub(r"\\\1", line)
    line = _LINE_START.sub(
        lambda found: f"{found[1]}\\{found[2]}" if not found[2][0].isdigit() else _ordered(found), line
    )
    # Bare addresses become links on GitHub; an escaped colon or dot keeps them text.
    return Plain(_AUTOLINK.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", line))


def _ordered(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:-1]}\\{found[2][-1]}"


def fenced(text: str, language: str = "") -> Plain:
    """A code block whose fence is longer than any run of backticks inside."""
    runs = [len(run) for run in re.findall(r"`+", text)]
    fence = "`" * max(3, *(n + 1 for n in runs), 3)
    return Plain(f"{fence}{language}\n{text}\n{fence}")


def safe_link(link: str) -> str:
    """The link where it is http(s) to a host, else "": a document must not carry `javascript:` or a local path."""
    try:
        parts = urlsplit(link)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        return ""
    return link if usable and not re.search(r"[\s<>\"'\\]", link) else ""


def _markdown_link(link: str, text: str) -> Plain:
    usable = safe_link(link)
    if not usable:
        return escape_markdown(link or text)
    return Plain(f"[{escape_markdown(text)}](<{usable}>)")


def cites_markdown(cites: Iterable[str]) -> Plain:
    return Plain(f" ({escape_markdown(shown)})") if (shown := _cited(cites)) else Plain("")


def cites_html(cites: Iterable[str]) -> Markup:
    ids = list(cites)
    if not ids or len(ids) > 6:
        return Markup('<span class="cite">{}</span>').format(_cited(ids)) if ids else Markup("")
    links = Markup(" ").join(Markup('<a href="#{}">{}</a>').format(anchor(id_), id_) for id_ in ids)
    return Markup('<span class="cite">{}</span>').format(links)


def _cited(cites: Iterable[str]) -> str:
    """`W1 to W10` for long runs, else the ids."""
    ids = list(cites)
    return f"{ids[0]} to {ids[-1]}" if len(ids) > 6 else ", ".join(ids)


def anchor(id_: str) -> str:
    """An HTML id for a fact: `E3` becomes `f-E3`; anything but letters, digits and hyphens becomes a hyphen."""
    return "f-" + re.sub(r"[^A-Za-z0-9-]", "-", id_)


def person(owner: Owner | None) -> str:
    if owner is None:
        return "nobody yet"
    return f"{owner.name} ({owner.email})" if owner.email and owner.email != owner.name else owner.name


def day(value: date | None) -> str:
    return value.isoformat() if value else "no date yet"


_FILTERS: Final[Mapping[str, Any]] = {
    "person": person,
    "day": day,
    "safe_link": safe_link,
    "anchor": anchor,
    "span": show.span,
}


@cache
def _environment(kind: str) -> Environment:
    """`finalize` escapes every value that a Markdown template prints, as autoescape does for HTML."""
    markdown = kind == "md"
    environment = Environment(
        loader=PackageLoader("triagebot", "templates/postmortem"),
        autoescape=not markdown,  # noqa: S701  # Markdown is escaped by `finalize`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=escape_markdown if markdown else None,
    )
    environment.filters |= dict(_FILTERS)
    environment.filters["cites"] = cites_markdown if markdown else cites_html
    if markdown:
        environment.filters |= {"fenced": fenced, "link": _markdown_link}
    return environment


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a person sees around the built document: its state, edits and who wrote the prose."""

    status: str
    owner: Owner | None
    root_cause: str
    reviewed_by: Owner | None
    published_at: str
    actions: tuple[ActionItem, ...]
    obstacles: tuple[str, ...]
    narrator: Mapping[str, Any]
    picture: str
    picture_alt: str
    picture_name: str


def markdown(document: Document, view: View) -> str:
    text = _environment("md").get_template("document.md.j2").render(d=document, v=view)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html_page(document: Document, view: View) -> str:
    """Self-contained: styles and picture inline, no script, nothing fetched."""
    picture = Markup(inline_svg(view.picture, view.picture_alt)) if view.picture else ""  # noqa: S704  # our own drawing
    return _environment("html").get_template("document.html.j2").render(d=document, v=view, picture=picture)


def inline_svg(svg: str, alt: str) -> str:
    """Matplotlib's file as an element: without the XML declaration and doctype, scaling, and named for screen readers."""
    start = svg.find("<svg")
    if start < 0:
        return ""
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    return body.replace("<svg", f'<svg role="img" aria-label="{html.escape(alt, quote=True)}"', 1)
