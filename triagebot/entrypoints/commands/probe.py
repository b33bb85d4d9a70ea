"""`triagebot probe`: a service's fixed prompts, asked by the running server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.act import actor
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import SourceFailed

SECONDS = 600.0
SHOWN = 0.05  # features whose difference would come by chance more often than this are not named


@click.command("probe")
@click.argument("do", type=click.Choice(["run", "freeze-reference", "status"]))
@click.argument("service")
@click.option("--json", "as_json", is_flag=True, help="Print what the API answers.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the round to end.")
@by_option
@data_option
@url_option
def command(
    do: str, service: str, by: str, data: Path | None, url: str | None, *, as_json: bool, no_wait: bool
) -> None:
    """Ask a model fixed prompts and compare its answers with a frozen reference.

    What is asked stands under `probe` of the service in triagebot.yaml. `freeze-reference` keeps today's answers as what is
    usual, `run` asks now (the server does as often as is configured), `status` says what was found.
    """
    server = Asking.of(data, url)
    found = server.get("/api/probe", service=service)
    if do != "status":
        newest = _newest(found)
        server.post("/api/probe", {"service": service, "do": do, "by": actor(by)})
        if no_wait:
            click.echo("it is in the server's queue; `triagebot probe status` has the result", err=True)
            return
        found = _waited(server, service, newest)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else _told(found))


def _newest(found: dict[str, Any]) -> int:
    return max((int(run["id"]) for run in found["runs"]), default=0)


def _waited(server: Asking, service: str, newest: int) -> dict[str, Any]:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found: dict[str, Any] = server.get("/api/probe", service=service)
        if _newest(found) > newest:
            return found
        failed = [w for w in server.get("/api/work")["failed"] if w["kind"] == "probe" and w["ref"] == found["service"]]
        if failed:
            raise SourceFailed(f"the round was given up: {failed[0]['error']}")
        time.sleep(0.5)
    raise SourceFailed(f"no round has ended within {SECONDS:g} s; `triagebot status` says what waits")


def _told(found: dict[str, Any]) -> str:
    asked = f"{found['prompts']} prompts of {found['model']} every {found['every_seconds'] // 60} min"
    spent = f"{found['tokens_today']:,} of {found['tokens_a_day']:,} tokens today"
    reference = found["reference"]
    frozen = f"no reference of these prompts is frozen: triagebot probe freeze-reference {found['service']}"
    if reference:
        served = ", ".join(reference["served"])
        frozen = f"reference {reference['id']} of {reference['at']}: {reference['answers']} answers of {served}"
    lines = [plain(f"{found['service']}: {asked}; {spent}"), plain(frozen)]
    for run in found["runs"]:
        if run["kind"] == "look":
            lines += _look(run, found["level"])
    return "\n".join(lines)


def _look(run: dict[str, Any], level: float) -> list[str]:
    p_value, head = run["p_value"], f"{run['at']}  {run['answers']} answers of {', '.join(run['served'])}: "
    if p_value is None:
        return [plain(f"{head}no reference to compare with")]
    verdict = "OTHER ANSWERS than the reference" if p_value < level else "as the reference"
    told = [plain(f"{head}{verdict}, p = {p_value:.2g}")]
    for name, one in list(run["features"].items())[:3]:
        if one["q"] < SHOWN:
            said = f"{name.replace('_', ' ')} {one['reference']:g} → {one['look']:g} (q = {one['q']:.2g})"
            told.append(f"    {plain(said)}")
    return told
