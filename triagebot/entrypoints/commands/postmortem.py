"""`triagebot postmortem INCIDENT`: the document of an incident, and what a person does with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.commands.act import actor
from triagebot.entrypoints.commands.freeze import by_option
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput
from triagebot.triage.handout import write_files


@click.command("postmortem")
@click.argument("incident", required=False)
@click.option("--review", "do", flag_value="review", help="You have read it: it is REVIEWED.")
@click.option("--publish", "do", flag_value="publish", help="Make it PUBLISHED; what stands in the way is told.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write Markdown, HTML and picture there.")
@click.option(
    "--actions", is_flag=True, help="List its action items; without INCIDENT those that you have still to do."
)
@by_option
@data_option
@url_option
def command(
    incident: str | None,
    do: str | None,
    by: str,
    out: Path | None,
    data: Path | None,
    url: str | None,
    *,
    actions: bool,
) -> None:
    """Print an incident's postmortem, review it or publish it.

    Asks the server that runs on the data folder.
    """
    if do and not by:
        raise BadInput(f"--{do} needs --by EMAIL: a postmortem is {do}ed by a person")
    server = Asking.of(data, url)
    if actions and not incident:
        _mine(server, actor(by))
        return
    if not incident:
        raise BadInput("which incident? triagebot postmortem INC-12; --actions alone lists what you have to do")
    path = f"/api/incidents/{incident.upper()}/postmortem"
    document = server.post(path, {"do": do, "by": by}) if do else server.get(path)
    if out is not None:
        try:
            written = write_files(document, out)
        except OSError as error:
            raise BadInput(f"{out}: cannot be written to: {error.strerror}") from error
        for file in written:
            click.echo(file)
    elif actions:
        _listed(document["actions"])
    elif do:
        click.echo(f"{document['incident']}: {document['status']}")
    else:
        click.echo(str(document["markdown"]))


def _mine(server: Asking, by: str) -> None:
    for item in server.get("/api/actions", by=by)["actions"]:
        click.echo(plain(f"{item['incident']} {item['id']}  due {item['due'] or 'some day'}  {item['text']}"))


def _listed(items: Sequence[Mapping[str, Any]]) -> None:
    for item in items:
        owner = (item["owner"] or {}).get("name") or "nobody"
        state = "done" if item["done"] else f"due {item['due'] or 'some day'}"
        click.echo(plain(f"{item['id']}  {state}  {owner}  {item['text']}"))
