"""Who asks the gate before changing an artifact, and who changes it without asking."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from triagebot.adapters.holds.base import BaseBrake
from triagebot.adapters.registries.options import Options
from triagebot.errors import SourceFailed

MARK: Final = "triagebot-gate"
_HOOKS: Final = ("pre-receive", "update", "pre-push")


class GateBrake(BaseBrake):
    """A tool that asks the gate: a pipeline, a refresh job, a publishing script. `by` is the name that it gives when it asks."""

    kind = "gate"
    holds = True

    def configure(self, options: Options) -> None:
        self.by = options.text("by")
        self.title = self.by

    async def look(self) -> str:
        return ""  # only its asking shows that it asks


class JobBrake(BaseBrake):
    """A job that changes the artifact and asks nobody: a freeze cannot hold it, and says so."""

    kind = "job"

    def configure(self, options: Options) -> None:
        self.title = options.text("name")

    async def look(self) -> str:
        return ""


class GitHookBrake(BaseBrake):
    """A repository on this machine whose hook asks the gate (`triagebot gate hook … --install`)."""

    kind = "git_hook"
    holds = True

    def configure(self, options: Options) -> None:
        self.repo = options.path("repo")
        self.hook = options.choice("hook", _HOOKS, "pre-receive")
        self.title = f"the {self.hook} hook of {self.repo.name}"

    async def look(self) -> str:
        """Raises SourceFailed unless the hook is there, can be run, and is ours."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> str:
        folder = self.repo / ".git" if (self.repo / ".git").is_dir() else self.repo
        file = folder / "hooks" / self.hook
        what = f"{self.repo.name} has no {self.hook} hook that asks the gate"
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise SourceFailed(f"{what}: `triagebot gate hook` installs it", permanent=True) from error
        if MARK not in text:
            raise SourceFailed(f"{what}: the one that is there is somebody else's", permanent=True)
        if not os.access(file, os.X_OK):
            raise SourceFailed(f"{what}: it is there and cannot be run (chmod +x {_short(file)})", permanent=True)
        return f"{self.title} asks it"


def _short(file: Path) -> str:
    return "/".join(file.parts[-3:])
