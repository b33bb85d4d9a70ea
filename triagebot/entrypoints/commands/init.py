"""`triagebot init`: writes triagebot.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from triagebot.settings import FILE_NAME
from triagebot.triage.init import write_from_world, write_starter


@click.command("init")
@click.option("--from", "world", type=click.Path(path_type=Path), help="A world.json, or the folder that has one.")
@click.option(
    "--out", type=click.Path(path_type=Path), help=f"Where to write it; {FILE_NAME} beside the world, or here."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def command(world: Path | None, out: Path | None, *, force: bool) -> None:
    """Write triagebot.yaml, to start from or from a world.json."""
    if world is None:
        written = write_starter(out or Path(FILE_NAME), force=force)
        remarks: tuple[str, ...] = ("every member is explained in it; `triagebot doctor` says what can be seen",)
    else:
        written, remarks = write_from_world(world, out, force=force)
    for remark in remarks:
        click.echo(remark, err=True)
    click.echo(f"wrote {written}")
