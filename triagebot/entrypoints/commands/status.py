"""`triagebot status`: whether the server is well."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.options import data_option, url_option


@click.command("status")
@data_option
@url_option
def command(data: Path | None, url: str | None) -> int:
    """Say whether the server is ready, what is open and what failed.

    Exit code 0: ready and nothing was given up; 1: something needs doing.
    """
    server = Asking.of(data, url)
    down, work = server.ready(), server.get("/api/work")
    opened = server.get("/api/incidents", status="open")["incidents"]
    queue = work["queue"]
    click.echo(f"{server.url}: {'something is down' if down else 'ready'}")
    for name, why in down.items():
        click.echo(plain(f"  {name}: {why}"))
    click.echo(f"open incidents: {', '.join(one['id'] for one in opened) or 'none'}")
    click.echo(f"work: {queue['ready']} waiting, {queue['leased']} running, {queue['failed']} given up")
    for one in work["failed"]:
        click.echo(plain(f"  {one['kind']} {one['ref']} after {one['attempts']} attempts: {one['error']}"))
    return 1 if down or work["failed"] else 0
