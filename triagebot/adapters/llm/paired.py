"""Turns as every messages API wants them: each tool result belongs to a call before it, and ids are plain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from triagebot.domain.recorded import ToolResult, ToolUse, Turn
from triagebot.errors import GatewayRefused


def paired(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with ids of our own, since recorders leave ids out, repeat them, or use characters that an API refuses.

    A result without an id answers the oldest open call. Turns that hold nothing are left out. Raises GatewayRefused where a
    call and its result do not fit together: no API takes that.
    """
    found: list[Turn] = []
    waiting: list[tuple[str, str]] = []  # (recorded id, our own)
    number = 0
    for turn in turns:
        results = []
        for result in turn.results:
            match = next((pair for pair in waiting if pair[0] == result.id), None)
            if match is None and waiting and not (result.id and any(pair[0] for pair in waiting)):
                match = waiting[0]
            if match is None:
                raise GatewayRefused("a recorded tool result has no call that it answers", reach="request")
            waiting.remove(match)
            results.append(ToolResult(id=match[1], content=result.content, failed=result.failed))
        if waiting and (turn.role == "assistant" or not turn.results):
            raise GatewayRefused("a recorded tool call has no result", reach="request")
        uses = []
        for use in turn.uses:
            number += 1
            waiting.append((use.id, f"call_{number}"))
            uses.append(ToolUse(id=f"call_{number}", name=use.name, arguments=use.arguments))
        if uses or results or turn.text.strip():
            _append(found, replace(turn, uses=tuple(uses), results=tuple(results)))
    if waiting:
        raise GatewayRefused("a recorded tool call has no result", reach="request")
    if not found or found[-1].role == "assistant":
        raise GatewayRefused("the recorded input does not end with a message to the model", reach="request")
    return found


def _append(found: list[Turn], turn: Turn) -> None:
    """Neighbours of one role become one: recorders write a message for each tool result, and APIs want them together."""
    if found and found[-1].role == turn.role:
        last = found.pop()
        text = "\n\n".join(part for part in (last.text, turn.text) if part.strip())
        turn = replace(turn, text=text, uses=last.uses + turn.uses, results=last.results + turn.results)
    found.append(turn)
