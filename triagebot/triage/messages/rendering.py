"""Templates to messages. A folder a message; in it, each `{% block KIND_NAME %}` becomes one Slack block of that kind.

Every value that a template prints is escaped, except what is `Mrkdwn` already. Values never become templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2

from triagebot.domain.limits import fit
from triagebot.domain.mrkdwn import Mrkdwn, clean, code, cut, escape, link, unformatted
from triagebot.ports import Message

TEMPLATES: Final = Path(__file__).parents[2] / "templates"


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    # Jinja's own autoescape is HTML's, with numeric entities that Slack would show as they stand: finalize does it here.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(code=code, link=link, site=_site, clip=_clip)
    return environment


def compile_templates() -> None:
    """All of them at once, some 0.1 s, so that nobody's click has to wait for a template that is used for the first time."""
    environment = _environment()
    for name in environment.list_templates(extensions=["j2"]):
        if not name.startswith(("postmortem/", "prompts/")):  # they have environments of their own
            environment.get_template(name)


def _site(url: str) -> Mrkdwn:
    """A link that shows where it leads: the name of the host, never words of the sender."""
    try:
        host = urlsplit(clean(url)).hostname or ""
    except ValueError:
        host = ""
    return link(url, host) if host else Mrkdwn("")


def _clip(value: str, limit: int) -> str:
    return cut(clean(value), limit)


def render(name: str, values: Mapping[str, Any], *, actions: Sequence[Mapping[str, Any]] = (), at: str = "") -> Message:
    """The message of the template `name` with buttons below it. `at` is the id of the block of buttons.

    The block `text` is what notifications show; blocks that come out empty are left out.
    """
    text = ""
    blocks: list[dict[str, Any]] = []
    for block, body in rendered(name, values):
        kind = block.partition("_")[0]
        if kind == "text":
            text = unformatted(body)
        elif body and kind == "section":
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": body}})
        elif body:
            blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": body}]})
    if actions:
        blocks.append({"type": "actions", "block_id": at, "elements": list(actions)})
    fitted, fitted_blocks = fit(text, blocks)
    return Message(text=fitted, blocks=tuple(fitted_blocks))


def render_parts(name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sections of the template `name`, for messages that repeat one."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": body}} for _, body in rendered(name, values) if body]


def rendered(name: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The template's blocks by name, in its order, without empty lines."""
    template = _environment().get_template(f"{name}.j2")
    context = template.new_context(dict(values))
    return [(block, _tidy("".join(write(context)))) for block, write in template.blocks.items()]


def _tidy(body: str) -> str:
    return "\n".join(line.rstrip() for line in body.strip().splitlines() if line.strip())
