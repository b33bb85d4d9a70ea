"""Where people find a drafted postmortem: in the incident's thread, and as files in the server's data folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from triagebot.errors import NotFound, SourceFailed
from triagebot.ports import Chat, Ledger, Posted, Told
from triagebot.triage.locks import Locks
from triagebot.triage.messages.replies import postmortem_reply, withheld_reply
from triagebot.triage.postmortem.lifecycle import files
from triagebot.triage.tell import INCIDENT, Tell

_FILE: Final = "postmortem_file"
CANVAS: Final = "postmortem_canvas"
_PICTURE: Final = re.compile(r"^!\[[^\n]*\n", re.MULTILINE)  # a file beside the document, which a canvas does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class Handout:
    """Called with a stored document, and again after it changed: the files are replaced, the reply is edited, the canvas is
    rewritten; where the chat has no canvases the text is uploaded, once for each state of the record, in place of the last. A
    channel in which guests or another organisation read is told that there is one, and its hash.

    Workers, clicks and the job that tells again may all ask at once: one after another hands out what is stored by then, so
    that an older state never comes to stand beside a newer one.
    """

    ledger: Ledger
    chat: Chat
    tell: Tell
    folder: Path
    _locks: Locks = field(default_factory=Locks)

    async def __call__(self, document: Mapping[str, Any]) -> None:
        id_ = str(document["incident"])
        async with self._locks.of(id_):
            await self._hand_out(id_, await self.ledger.document(id_) or document)

    async def _hand_out(self, id_: str, document: Mapping[str, Any]) -> None:
        try:
            await asyncio.to_thread(write_files, document, self.folder)
        except OSError as error:
            raise SourceFailed(f"{self.folder}: the postmortem cannot be written: {error.strerror}") from error
        incident, told = await self.ledger.incident(id_), (await self.ledger.told(id_)).get(INCIDENT)
        if incident is None:
            raise NotFound(f"{id_}: there is no such incident")
        if told is None:  # a page for a service that is not configured has no thread
            return
        if not await self.tell.circle.room(told.posted.channel):
            withheld = self.tell.circle.mark(document["markdown"])
            await self.tell.reply(id_, "postmortem", withheld_reply(incident, document, withheld))
            return
        state = f"{document['sources']['digest']}:{document['status']}"
        canvas = await self._canvas(id_, told, document)
        await self.tell.reply(id_, "postmortem", postmortem_reply(incident, document, canvas))
        known = (await self.ledger.told(id_)).get(_FILE)
        if canvas or (known is not None and known.digest == state):
            return
        await self.chat.upload(
            told.posted,
            f"postmortem-{id_}.md",
            str(document["markdown"]).encode(),
            title=f"{'DRILL · ' if incident.drill else ''}{id_}: postmortem ({document['status']})",
            alt=f"The postmortem of {id_} as Markdown",
            key=f"{id_}:postmortem:{state}",
            replaces=True,
        )
        await self.ledger.save_told(id_, Told(purpose=_FILE, posted=told.posted, digest=state))

    async def _canvas(self, id_: str, told: Told, document: Mapping[str, Any]) -> str:
        """The link of the document's canvas, rewritten where it says something else by now; "" where there can be none."""
        text = _PICTURE.sub("", str(document["markdown"]))
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        before = (await self.ledger.told(id_)).get(CANVAS)
        if before is not None and before.digest == digest:
            return before.posted.link
        title, known = f"{id_}: postmortem", before.posted.ts if before else ""
        for done in ("", digest):  # made and noted first, then shown: of two that a killed process made, one is
            # That there can be none is noted too, so that it is not asked for again before the text changes.
            known, link = await self.chat.canvas(told.posted, title, text, known=known) or ("", "")
            posted = Posted(channel=told.posted.channel, ts=known, link=link)
            noted = Told(purpose=CANVAS, posted=posted, digest=done if known else digest)
            await self.ledger.save_told(id_, noted)
            if not known:
                break
        return posted.link


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
