"""Tables of what there is, as Markdown: one function a table."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from triagebot import surfaces
from triagebot.bootstrap.kinds import registry_kinds
from triagebot.domain.nodes import TITLES
from triagebot.entrypoints.cli import COMMANDS
from triagebot.settings import SECRETS
from triagebot.settings.sections import SECTIONS
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.tree import TREE


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def nodes() -> str:
    rows = []
    for number, node in enumerate(TREE, 1):
        said = inspect.getdoc(sys.modules[f"{surfaces.__name__}.{node.name}"]) or ""
        what = said.split("\n\n")[0].partition(": ")[2] or said.split("\n\n")[0]
        rows.append((str(number), f"`{node.name}`", TITLES[node.name], what))
    return _table(("", "node", "", "what it asks"), rows)


def registries() -> str:
    return _table(("kind", "what it reads"), ((f"`{kind}`", said) for kind, said in registry_kinds()))


def commands() -> str:
    return _table(("command", ""), ((f"`triagebot {name}`", entry.help) for name, entry in COMMANDS.items()))


def settings() -> str:
    """Sections of triagebot.yaml with the environment's variables for what is secret."""
    variables = {place: f"`TRIAGEBOT_{name.upper()}`" for name, place in SECRETS.items()}
    rows = [
        (f"`{section}.{key}`", variables.get((section, key), "")) for section, keys in SECTIONS.items() for key in keys
    ]
    return _table(("triagebot.yaml", "environment"), rows)


def signals() -> str:
    rows = ((f"`{s.name}`", s.title, s.family, s.unit, {"up": "↑", "down": "↓", "both": "↕"}[s.bad]) for s in SIGNALS)
    return _table(("signal", "", "family", "unit", "bad"), rows)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "commands": commands,
    "nodes": nodes,
    "registries": registries,
    "settings": settings,
    "signals": signals,
}
