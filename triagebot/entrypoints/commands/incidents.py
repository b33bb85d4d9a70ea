"""`triagebot incidents`: what is open, and what was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.options import data_option, url_option


@click.command("incidents")
@click.argument("incident", required=False)
@click.option("--service", help="Only this service's.")
@click.option("--status", type=click.Choice(["open", "resolved"]), help="Only these.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print what the API answers; of one incident, verdict and timeline too."
)
@data_option
@url_option
def command(
    incident: str | None, service: str | None, status: str | None, data: Path | None, url: str | None, *, as_json: bool
) -> None:
    """List incidents, or show one with its verdict.

    Asks the server that runs on the data folder.
    """
    server = Asking.of(data, url)
    if incident:
        _show(server.get(f"/api/incidents/{incident.upper()}"), as_json=as_json)
        return
    query = {name: value for name, value in (("service", service), ("status", status)) if value}
    found = server.get("/api/incidents", **query)["incidents"]
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found:
        click.echo(plain(f"{one['id']:8} {one['status']:9} {one['opened_at']}  {one['service']}  {one['title']}"))
    if not found:
        click.echo("no incident is on record", err=True)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from triagebot.triage.messages.plain import plain_text  # noqa: PLC0415 - templates are not needed for JSON

    click.echo(plain(f"{found['id']}  {found['status']}  {found['service']}  {found['title']}"))
    if found["verdict"] is None:
        click.echo("there is no verdict yet")
        return
    click.echo(plain_text(found["verdict"]))
