"""Real things for registries to look at: git repositories with chosen times and authors, and how to open a registry."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from triagebot.adapters.registries.base import Surroundings
from triagebot.adapters.registries.catalogue import open_registry
from triagebot.domain.service import RegistryEntry
from triagebot.domain.times import Window
from triagebot.ports import Registry

T0 = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = Window(T0 - 40 * DAY, T0 + 40 * DAY)
PLACE = "services.desk.registries[0]"


def entry(kind: str, surface: str = "prompt_version", artifact: str = "desk/system", **options: Any) -> RegistryEntry:
    return RegistryEntry(surface=surface, artifact=artifact, kind=kind, options=options, place=PLACE)


def opened(
    kind: str, root: Path, surface: str = "prompt_version", artifact: str = "desk/system", **options: Any
) -> Registry:
    return open_registry(entry(kind, surface, artifact, **options), Surroundings(service="desk", root=root))


class Repository:
    """A git repository under `path`. Times are given in hours from T0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--template=", "--initial-branch=main", ".")

    def git(
        self, *arguments: str, at: float = 0, authored: float | None = None, who: str = "Maria", by: str = ""
    ) -> str:
        when, wrote = T0 + at * HOUR, T0 + (at if authored is None else authored) * HOUR
        committer = by or who
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": who,
            "GIT_AUTHOR_EMAIL": f"{who.lower()}@example.com",
            "GIT_COMMITTER_NAME": committer,
            "GIT_COMMITTER_EMAIL": f"{committer.lower()}@example.com",
            "GIT_AUTHOR_DATE": wrote.isoformat(),
            "GIT_COMMITTER_DATE": when.isoformat(),
        }
        done = subprocess.run(["git", *arguments], cwd=self.path, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text if isinstance(text, bytes) else text.encode())

    def commit(self, message: str, files: dict[str, str | bytes] | None = None, **when: Any) -> str:
        """The full id of the commit."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message, **when)
        return self.git("rev-parse", "HEAD")


def mcp_script(body: str) -> str:
    """An MCP server by hand: answers each line of JSON-RPC with what `answer` gives for its method."""
    return f"""
import json, sys, time
INIT = {{"protocolVersion": "2025-06-18", "capabilities": {{"tools": {{}}}}, "serverInfo": {{"name": "liar", "version": "0"}}}}
def answer(message):
    method = message.get("method")
    if method == "initialize":
        return {{"result": INIT}}
    if method == "tools/list":
        {body}
    return {{"error": {{"code": -32601, "message": "no"}}}}
for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        print(json.dumps({{"jsonrpc": "2.0", "id": message["id"], **answer(message)}}), flush=True)
"""
