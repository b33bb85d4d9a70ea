"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="The server's data folder.  [$TRIAGEBOT_DATA or ./triagebot-data]"
)
url_option = click.option("--url", help="The server, where it is on another machine; with $TRIAGEBOT_API_TOKEN.")
