"""`triagebot gate`: may this be changed now? For pipelines, jobs and git hooks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from triagebot.entrypoints.asking import Asking
from triagebot.entrypoints.cli import plain
from triagebot.entrypoints.hooks import KINDS, Hook
from triagebot.entrypoints.options import data_option, url_option
from triagebot.errors import BadInput, Forbidden, NotFound, Refused, SourceFailed

_HELD = 1


class _GateGroup(click.Group):
    """`triagebot gate SERVICE SURFACE` asks; `triagebot gate hook …` makes the script. No service is called `hook`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            return "ask", self.commands["ask"], args
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Options may come first, as in `triagebot gate --by ci desk prompt_version`.
        if args and args[0] not in (*self.commands, "--help", "-h"):
            args = ["ask", *args]
        return super().parse_args(ctx, args)


@click.group("gate", cls=_GateGroup, no_args_is_help=True)
def command() -> None:
    """Ask whether a surface may be changed now, or make the git hook that asks.

    `triagebot gate SERVICE SURFACE` exits with 0 where it may, 1 where it is held, 2 for bad input.
    """


@command.command("ask", hidden=True)
@click.argument("service")
@click.argument("surface")
@click.option(
    "--artifact", default="", help="The prompt, model, table … as triagebot.yaml calls it; else the whole surface."
)
@click.option(
    "--change", "changes", multiple=True, help="What is to be published: a commit, a version. May be repeated."
)
@click.option(
    "--by",
    default=lambda: os.environ.get("CI_JOB_NAME") or os.environ.get("GITHUB_WORKFLOW") or "cli",
    help="Who asks.",
)
@click.option(
    "--unreachable",
    type=click.Choice(["closed", "open"]),
    default=lambda: os.environ.get("TRIAGEBOT_GATE_UNREACHABLE", "closed"),
    help="The answer where the server cannot be asked.  [closed]",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "check", "actions"]), default="text",
    help="check: a GitHub check run's body. actions: a workflow annotation.",
)  # fmt: skip
@data_option
@url_option
def ask(
    service: str,
    surface: str,
    artifact: str,
    changes: tuple[str, ...],
    by: str,
    unreachable: str,
    form: str,
    data: Path | None,
    url: str | None,
) -> int:
    """May SURFACE of SERVICE be changed now? 0: it may. 1: it is held, or nobody can say. 2: bad input.

    Give --change, so that what an approver lets through is let through. Asks with $TRIAGEBOT_GATE_TOKEN, else as other commands.
    """
    query: dict[str, Any] = {"service": service, "surface": surface, "artifact": artifact, "by": by, "change": changes}
    try:
        answer = Asking.of(data, url, token=os.environ.get("TRIAGEBOT_GATE_TOKEN", "")).gate(query)
    except (Refused, Forbidden):
        raise
    except (SourceFailed, NotFound) as error:
        if isinstance(error, NotFound) and not _unserved(error):
            raise
        return _unanswered(str(error), unreachable)
    _show(answer, form)
    return 0 if answer["open"] else _HELD


@command.command("hook")
@click.argument("service")
@click.argument("surface")
@click.option("--url", required=True, help="The triagebot server, as the repository's machine reaches it.")
@click.option("--kind", type=click.Choice(KINDS), default="pre-receive", show_default=True)
@click.option("--artifact", default="", help="As triagebot.yaml calls it; else the whole surface.")
@click.option("--path", default="", help="Only commits that touch this file or folder.")
@click.option("--ref", default="", help="Only this branch, as refs/heads/main.")
@click.option("--unreachable", type=click.Choice(["closed", "open"]), default="closed", show_default=True)
@click.option(
    "--install", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Put it into this repository."
)
def hook(
    service: str,
    surface: str,
    url: str,
    kind: str,
    artifact: str,
    path: str,
    ref: str,
    unreachable: str,
    install: Path | None,
) -> None:
    """Print the hook that asks the gate before a push, or install it.

    It is plain sh with git and curl. The token stands in the file triagebot-token beside it, or in $TRIAGEBOT_GATE_TOKEN.
    """
    made = Hook(
        kind=kind,
        url=url,
        service=service,
        surface=surface,
        artifact=artifact,
        path=path,
        ref=ref,
        unreachable=unreachable,
    )
    if install is None:
        click.echo(made.script(), nl=False)
        return
    file = made.install(install)
    click.echo(file)
    if not (file.parent / "triagebot-token").exists():
        click.echo(f"now put the gate's token into {file.parent / 'triagebot-token'} (chmod 600)", err=True)


def _unserved(error: NotFound) -> bool:
    """No server to ask, unlike a name that the server does not know."""
    return "no triagebot serve runs" in str(error)


def _unanswered(why: str, unreachable: str) -> int:
    if unreachable not in ("closed", "open"):
        raise BadInput(f"TRIAGEBOT_GATE_UNREACHABLE: {unreachable[:40]!r} is neither closed nor open")
    if unreachable == "open":
        click.echo(plain(f"open: the gate cannot be asked ({why}), and it was asked to let through then"), err=True)
        return 0
    click.echo(plain(f"held: the gate cannot be asked ({why}), so nobody knows whether this is frozen"), err=True)
    return _HELD


def _show(answer: dict[str, Any], form: str) -> None:
    line = plain(str(answer["line"]))
    if form == "json":
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    elif form == "check":
        check = {
            "name": f"triagebot freeze: {answer['service']} {answer['surface']}",
            "status": "completed",
            "conclusion": "success" if answer["open"] else "failure",
            "output": {"title": "May be changed" if answer["open"] else "Frozen", "summary": line},
        }
        click.echo(json.dumps(check, ensure_ascii=False))
    elif form == "actions":
        kind = "notice" if answer["open"] else "error"
        # https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands: % and line breaks are escaped
        click.echo(f"::{kind} title=triagebot::{line.replace('%', '%25')}")
    else:
        click.echo(line)
