"""`triagebot changes SERVICE [24h]`: what changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from triagebot.domain.times import format_span, parse_time
from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.options import data_option, url_option


@click.command("changes")
@click.argument("service")
@click.argument("span", default="24h")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@data_option
@url_option
def command(service: str, span: str, data: Path | None, url: str | None, *, as_json: bool) -> None:
    """List a service's recorded changes.

    SPAN is how far back: 30m, 24h, 7d. Asks the server that runs on the data folder.
    """
    found = Asking.of(data, url).get("/api/changes", service=service, span=span)["changes"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for change in found:
        click.echo(plain(_line(change)))
    if not found:
        click.echo(f"no change of {service} is on record in the last {span}", err=True)


def _line(change: dict[str, Any]) -> str:
    first, last = (parse_time(change["introduced"][end]) for end in ("earliest", "latest"))
    when = f"{last:%Y-%m-%d %H:%M}Z" + (f" (within {format_span(last - first)})" if first != last else "")
    who = (change.get("author") or {}).get("name") or "unknown"
    moved = " → ".join(part for part in (change.get("before"), change.get("after")) if part)
    parts = (when, change["surface"], change["artifact"], moved, f"by {who}", change.get("summary", ""))
    return "  ".join(part for part in parts if part)
