"""`triagebot docs`: the tables of the README, made from the code that they describe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from triagebot.entrypoints.tables import TABLES
from triagebot.errors import BadInput, Refused

_BLOCK: Final = re.compile(r"<!-- table:(?P<name>[a-z]+) -->\n(?P<body>.*?)<!-- /table -->", re.DOTALL)


@click.command("docs")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default=Path("README.md"))
@click.option("--check", is_flag=True, help="Change nothing; fail where a table is not up to date.")
def command(file: Path, *, check: bool) -> None:
    """Write the README's tables from the code.

    A table stands between `<!-- table:NAME -->` and `<!-- /table -->`.
    """
    try:
        before = file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}") from error
    named = [match["name"] for match in _BLOCK.finditer(before)]
    for name in named:
        if name not in TABLES:
            raise BadInput(f"{file}: there is no table {name!r}; it can be {', '.join(TABLES)}")
    if missing := [name for name in TABLES if name not in named]:
        raise BadInput(f"{file}: has no place for the tables {', '.join(missing)}")
    after = _BLOCK.sub(
        lambda match: f"<!-- table:{match['name']} -->\n{TABLES[match['name']]()}<!-- /table -->", before
    )
    if before == after:
        return
    if check:
        raise Refused(f"{file}: its tables are not up to date; run `triagebot docs {file}`")
    file.write_text(after, encoding="utf-8")
    click.echo(f"{file}: written", err=True)
