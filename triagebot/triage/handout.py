"""Where people find a drafted postmortem: in the incident's thread, and as files in the server's data folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Chat, Ledger, Told
from triagebot.triage.messages.replies import postmortem_reply
from triagebot.triage.postmortem.lifecycle import files
from triagebot.triage.tell import INCIDENT, Tell

_FILE: Final = "postmortem_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """Called with a stored document, and again after it changed: the files are replaced, the reply is edited, the text is
    uploaded once for each state of the record.
    """

    ledger: Ledger
    chat: Chat
    tell: Tell
    folder: Path

    async def __call__(self, document: Mapping[str, Any]) -> None:
        id_ = str(document["incident"])
        try:
            await asyncio.to_thread(write_files, document, self.folder)
        except OSError as error:
            raise SourceFailed(f"{self.folder}: the postmortem cannot be written: {error.strerror}") from error
        incident, told = await self.ledger.incident(id_), (await self.ledger.told(id_)).get(INCIDENT)
        if incident is None:
            raise NotFound(f"{id_}: there is no such incident")
        if told is None:  # a page for a service that is not configured has no thread
            return
        await self.tell.reply(id_, "postmortem", postmortem_reply(incident, document, ""))
        state = f"{document['sources']['digest']}:{document['status']}"
        if (known := (await self.ledger.told(id_)).get(_FILE)) is not None and known.digest == state:
            return
        await self.chat.upload(
            told.posted,
            f"postmortem-{id_}.md",
            str(document["markdown"]).encode(),
            title=f"{'DRILL · ' if incident.drill else ''}{id_}: postmortem ({document['status']})",
            alt=f"The postmortem of {id_} as Markdown",
            key=f"{id_}:postmortem:{state}",
        )
        await self.ledger.save_told(id_, Told(purpose=_FILE, posted=told.posted, digest=state))


def write_files(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Each file whole or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in files(document).items():
        half = folder / f".{name}.part"
        half.write_bytes(content)
        os.replace(half, folder / name)  # noqa: PTH105  Path.replace would not say that it overwrites
        written.append(folder / name)
    return written
