"""The command line. Each command is a module with a `command`, imported when it is called: `triagebot triage` must start fast.

Exit codes: 0 done, 1 done with something to act on (`doctor`) or an error of triagebot's own, 2 bad input, 130 interrupted. What
went wrong is one line on standard error; results go to standard output and nothing else does.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import click

from triagebot.errors import TriagebotError


class Entry(NamedTuple):
    module: str
    help: str


_HERE: Final = "triagebot.entrypoints.commands"

# One line a command, in the order in which help lists them.
COMMANDS: Final[Mapping[str, Entry]] = {
    "triage": Entry(f"{_HERE}.triage", "Walk a case folder and say which surface drifted, if any."),
    "score": Entry(f"{_HERE}.score", "Score the walk on a folder of cases."),
    "init": Entry(f"{_HERE}.init", "Write triagebot.yaml, to start from or from a world.json."),
    "doctor": Entry(f"{_HERE}.doctor", "Say which surfaces can be seen, which cannot, and what to do."),
    "demo": Entry(f"{_HERE}.demo", "Send a recorded incident through a server on this machine."),
    "serve": Entry(f"{_HERE}.serve", "Receive pages, traces and changes, and tell the verdict in Slack."),
    "incidents": Entry(f"{_HERE}.incidents", "List incidents, or show one with its verdict."),
    "asof": Entry(f"{_HERE}.asof", "Say what a service served at a time, and what of it is still there."),
    "diff": Entry(f"{_HERE}.diff", "Say what users get with a change and without it, in figures and masked examples."),
    "probe": Entry(f"{_HERE}.probe", "Ask a model fixed prompts and compare its answers with a frozen reference."),
    "drill": Entry(f"{_HERE}.drill", "Rehearse: walk an invented incident with a decoy, marked as a drill."),
    "page": Entry(f"{_HERE}.page", "Walk a service now."),
    "act": Entry(f"{_HERE}.act", "Do on an incident what its buttons in Slack do, or ask about it."),
    "digest": Entry(f"{_HERE}.digest", "Say which artifacts have no owner, and what hangs on one person."),
    "reminders": Entry(f"{_HERE}.reminders", "List what somebody is to be reminded of, or put one off."),
    "changes": Entry(f"{_HERE}.changes", "List a service's recorded changes."),
    "postmortem": Entry(f"{_HERE}.postmortem", "Print an incident's postmortem, review it or publish it."),
    "replay": Entry(f"{_HERE}.replay", "Send failing requests again, as they were and with one surface swapped."),
    "status": Entry(f"{_HERE}.status", "Say whether the server is ready, what is open and what failed."),
    "freeze": Entry(
        f"{_HERE}.freeze", "Hold changes of a service's surfaces, after a preview; without TARGET, list what is held."
    ),
    "lift": Entry(f"{_HERE}.lift", "End a freeze: changes are let through again, and pins go back to what they were."),
    "gate": Entry(f"{_HERE}.gate", "Ask whether a surface may be changed now, or make the git hook that asks."),
    "audit": Entry(f"{_HERE}.audit", "List who did what, and verify that the record of it is whole."),
    "docs": Entry(f"{_HERE}.docs", "Write the README's tables from the code."),
    "version": Entry(f"{_HERE}.version", "Print the version of triagebot and of what it stands on."),
}


class LazyGroup(click.Group):
    """Knows its commands by name; help is written without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(entry.module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.command is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"it can be {', '.join(COMMANDS)}"
            raise click.UsageError(f'"{plain(args[0])}" is no command; {hint}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Names the surface that drifted when an LLM feature pages: model alias, prompt version, tool schemas, retrieval corpus or
    eval freshness, or none of them.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code. Every failure is one line."""
    # Before numpy is imported: the matrices of a walk are narrow, and OpenBLAS' threads cost it 2.6 times the time of one
    # (34,000 requests on two busy cores: 7.7 s of CPU against 3.0).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        result = cli.main(list(args) if args is not None else None, prog_name="triagebot", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except TriagebotError as error:
        return _fail(str(error), 2)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last place where an unforeseen error can be told in a line
        return _unforeseen(error)
    return result if isinstance(result, int) else 0


def _unforeseen(error: Exception) -> int:
    if os.environ.get("TRIAGEBOT_LOG", "").lower() == "debug":
        traceback.print_exception(error)
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _fail(f"an error of triagebot's own: {said} (TRIAGEBOT_LOG=debug shows where)", 1)


def plain(text: str) -> str:
    """One line without control characters: file names and titles come from others, and terminals obey them."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _fail(text: str, code: int) -> int:
    click.echo(f"triagebot: {plain(text)}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
