"""`triagebot freeze`: hold changes of a service, from a terminal."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Final

import click

from triagebot.domain.times import parse_time
from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput

_WAIT_SECONDS: Final = 30.0

by_option = click.option(
    "--by", default=lambda: os.environ.get("TRIAGEBOT_BY", ""), metavar="EMAIL",
    help="Who you are: somebody in `people` of triagebot.yaml.  [$TRIAGEBOT_BY]",
)  # fmt: skip


@click.command("freeze")
@click.argument("target", required=False)
@click.argument("surfaces", nargs=-1)
@click.option("--for", "span", default="4h", show_default=True, help="How long: 30m, 4h, 2d.")
@click.option("--because", default="", help="Why; people who are refused read it.")
@click.option("--incident", default="", help="The incident it belongs to: told in its thread.")
@click.option(
    "--put-back", is_flag=True, help="Pins go back to what stood there before the verdict's cause. Takes an approver."
)
@click.option("--extend", metavar="SPAN", help="TARGET is a freeze: let it last longer by this.")
@click.option(
    "--let", "change", metavar="CHANGE", help="TARGET is a freeze: let this change through. Takes an approver."
)
@click.option("--yes", is_flag=True, help="Do not ask again after the preview.")
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@by_option
@data_option
@url_option
def command(
    target: str | None,
    surfaces: tuple[str, ...],
    span: str,
    because: str,
    incident: str,
    put_back: bool,
    extend: str | None,
    change: str | None,
    yes: bool,
    as_json: bool,
    by: str,
    data: Path | None,
    url: str | None,
) -> int:
    """Hold changes of a service's surfaces, after a preview; without TARGET, list what is held.

    TARGET is a service, or a freeze (FRZ-3) to show, to extend or to let a change through. Without SURFACES all of the service's
    are held. It stops changes, not the service. Exit 1 where something could not be held.
    """
    server = Asking.of(data, url)
    if target is None:
        found = server.get("/api/freezes")["freezes"]
        _list(found, as_json=as_json)
        return 0
    if target.upper().startswith("FRZ-"):
        _one(server, target.upper(), extend, change, because, by, as_json=as_json)
        return 0
    if extend or change:
        raise BadInput("--extend and --let are for a freeze: give its id, such as FRZ-3")
    asked = {
        "service": target,
        "surfaces": list(surfaces),
        "span": span,
        "reason": because,
        "incident": incident,
        "put_back": put_back,
        "by": _who(by),
    }
    made = server.post("/api/freezes", asked)
    if not as_json:
        _preview(made)
    if not yes and not click.confirm("Freeze?", err=True):
        click.echo(server.post(f"/api/freezes/{made['id']}", {"do": "drop", "by": by})["said"], err=True)
        return 0
    click.echo(plain(server.post(f"/api/freezes/{made['id']}", {"do": "confirm", "by": by})["said"]), err=True)
    done = _settled(server, made["id"])
    if as_json:
        click.echo(json.dumps(done, indent=2, ensure_ascii=False))
    else:
        _outcome(done)
    return 0 if not _loose(done) else 1


def _loose(done: dict[str, Any]) -> set[tuple[str, str]]:
    """Artifacts that neither a gate that somebody asks nor a pin was seen to hold."""
    kept = {(h["surface"], h["artifact"]) for h in done["holds"] if h["state"] in ("held", "pinned", "elsewhere")}
    return {(h["surface"], h["artifact"]) for h in done["holds"]} - kept


def _one(
    server: Asking, id_: str, extend: str | None, change: str | None, because: str, by: str, *, as_json: bool
) -> None:
    path = f"/api/freezes/{id_}"
    if extend:
        click.echo(plain(server.post(path, {"do": "extend", "by": _who(by), "span": extend})["said"]), err=True)
    if change:
        asked = {"do": "let", "by": _who(by), "change": change, "reason": because}
        click.echo(plain(server.post(path, asked)["said"]), err=True)
    found = server.get(path)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _outcome(found)


def _settled(server: Asking, id_: str) -> dict[str, Any]:
    """The freeze once every hold has come to something."""
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        found: dict[str, Any] = server.get(f"/api/freezes/{id_}")
        if found["status"] != "applying" or time.monotonic() > end:
            return found
        time.sleep(0.1)


def _who(by: str) -> str:
    if not by:
        raise BadInput("--by EMAIL is missing: every freeze has somebody who made it ($TRIAGEBOT_BY)")
    return by


def _preview(made: dict[str, Any]) -> None:
    click.echo(plain(f"{made['id']}  {made['service']} for {made['span'] // 60} min: nothing is held yet"))
    for line in made["lines"]:
        click.echo(f"  {plain(line)}")
    for warning in made["warnings"]:
        click.echo(f"  ! {plain(warning)}")


def _outcome(found: dict[str, Any]) -> None:
    end = parse_time(found["expires_at"]) if found["expires_at"] else None
    until = f" until {end:%Y-%m-%d %H:%M}Z" if end and found["status"] in ("applying", "in_force") else ""
    click.echo(
        plain(f"{found['id']}  {found['service']}  {found['status']}{until}  by {found['by']}  {found['reason']}")
    )
    for line in found["lines"]:
        click.echo(f"  {plain(line)}")
    for one in found["let_through"]:
        click.echo(f"  {plain(one['change'])} is let through by {plain(one['by'])}")


def _list(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found:
        _outcome(one)
    if not found:
        click.echo("nothing is frozen", err=True)
