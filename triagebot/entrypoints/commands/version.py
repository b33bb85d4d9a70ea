"""`triagebot version`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import click

from triagebot import __version__

PARTS: Final = ("chdb-core-lite", "sqlalchemy", "slack-bolt", "anthropic")


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print an object.")
def command(*, as_json: bool) -> None:
    """Print the version of triagebot and of what it stands on."""
    found = {part: text for part in PARTS if (text := _version(part))} | {"python": platform.python_version()}
    if as_json:
        click.echo(json.dumps({"triagebot": __version__} | found))
    else:
        click.echo(f"triagebot {__version__} (" + ", ".join(f"{part} {text}" for part, text in found.items()) + ")")


def _version(part: str) -> str:
    """The empty text where the distribution is not installed under this name (chdb comes under several)."""
    try:
        return version(part)
    except PackageNotFoundError:
        return ""
