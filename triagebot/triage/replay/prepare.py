"""A recorded request as something that can be sent again, or the reason why it cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from triagebot.domain.recorded import Ask, Recorded, RecordedCall, ToolResult, ToolRun, ToolUse, Turn
from triagebot.errors import TriagebotError

_QUOTED: Final = '"'


class NotReplayable(TriagebotError):
    """A request that cannot be replayed, or not further. The message is the reason that is counted; it holds no text of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A request to be replayed: where each of its dialogues with a model begins, and what its tools answered.

    `rounds` is how many calls a dialogue may make: one more than the record has in all.
    """

    trace_id: str
    starts: tuple[RecordedCall, ...]
    runs: tuple[ToolRun, ...]
    rounds: int

    @property
    def begun_at(self) -> RecordedCall:
        return self.starts[0]


def ready(recorded: Recorded) -> Ready:
    """Raises NotReplayable."""
    if recorded.requests > 1:
        raise NotReplayable("its trace holds several requests")
    calls = [call for call in recorded.calls if not (call.failed and not call.output)] or list(recorded.calls)
    if not calls:
        raise NotReplayable("no model call was recorded")
    if not calls[-1].turns:
        raise NotReplayable("its input was not recorded")
    starts = _starts(calls)
    for call in starts:
        if call.cut:
            raise NotReplayable("a recorded text was cut short")
        kinds = {kind for turn in call.turns for kind in turn.other}
        if kinds:
            raise NotReplayable("it holds content that is not text")
        if not (call.model_served or call.model_requested):
            raise NotReplayable("no model is named")
    return Ready(trace_id=recorded.trace_id, starts=starts, runs=recorded.runs, rounds=len(recorded.calls) + 1)


def _starts(calls: Sequence[RecordedCall]) -> tuple[RecordedCall, ...]:
    """The calls that begin a dialogue: a call whose input goes on from an earlier one's is reached by replaying that."""
    found: list[RecordedCall] = []
    for call in calls:
        if call.turns and not any(_goes_on(call, earlier) for earlier in found):
            found.append(call)
    return tuple(found)


def _goes_on(call: RecordedCall, earlier: RecordedCall) -> bool:
    return call.system == earlier.system and call.turns[: len(earlier.turns)] == earlier.turns


def asked(call: RecordedCall, *, models: Mapping[str, str], max_tokens: int) -> Ask:
    """The call as it was. `models` says under which name the gateway knows a recorded model.

    Raises NotReplayable where what the model was given is not all on record.
    """
    model = (call.model_served or call.model_requested).strip(_QUOTED)
    tools = definitions(call.tools) if call.tools else ()
    if not call.system and (call.prompt_name or call.prompt_version):
        raise NotReplayable("its prompt's text is not on record")
    if not tools and (call.asks_for_tools or any(turn.uses for turn in call.turns)):
        raise NotReplayable("its tool definitions are not on record")
    return Ask(
        model=models.get(model, model),
        system=call.system,
        turns=call.turns,
        tools=tools,
        max_tokens=int(call.parameters.get("max_tokens", max_tokens)),
        parameters={name: value for name, value in call.parameters.items() if name != "max_tokens"},
    )


def definitions(text: str) -> tuple[Mapping[str, Any], ...]:
    """Tool definitions as `name`, `description` and `input_schema`, whoever wrote them. Raises NotReplayable."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotReplayable("its tool definitions cannot be read") from error
    found = []
    for tool in listed if isinstance(listed, list) else ():
        inner = tool.get("function") if isinstance(tool, Mapping) else None
        one = inner if isinstance(inner, Mapping) else tool
        if not isinstance(one, Mapping) or not isinstance(one.get("name"), str):
            raise NotReplayable("its tool definitions cannot be read")
        names = ("input_schema", "inputSchema", "parameters", "parameters_json_schema")
        schema = next((one[name] for name in names if isinstance(one.get(name), Mapping)), {"type": "object"})
        found.append({"name": one["name"], "description": str(one.get("description") or ""), "input_schema": schema})
    return tuple(found)


class Record:
    """Tools of one trial, answering from what was recorded: the same call, the same result; each as often as it came."""

    def __init__(self, runs: Sequence[ToolRun]) -> None:
        self._left: dict[tuple[str, str], list[ToolRun]] = {}
        for run in runs:
            self._left.setdefault((run.name, canonical(run.arguments)), []).append(run)

    def answer(self, use: ToolUse) -> ToolRun:
        """Raises NotReplayable where this call was never made, or its result was not recorded."""
        known = self._left.get((use.name, canonical(use.arguments)))
        if not known:
            raise NotReplayable("it called a tool in a way that the record has no result for")
        run = known.pop(0) if len(known) > 1 else known[0]
        if not run.result:
            raise NotReplayable("a tool's result was not recorded")
        return replace(run, arguments=use.arguments)


def canonical(arguments: str) -> str:
    """Arguments as text in which equal ones are equal: keys in order, white space gone, 1.0 as 1."""
    try:
        return json.dumps(_plain(json.loads(arguments or "{}")), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return arguments


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def answered(turns: Sequence[Turn], text: str, uses: Sequence[ToolUse], runs: Sequence[ToolRun]) -> tuple[Turn, ...]:
    """The dialogue with the model's answer and its tools' results."""
    results = tuple(
        ToolResult(id=use.id, content=run.result, failed=run.failed) for use, run in zip(uses, runs, strict=True)
    )
    return (*turns, Turn(role="assistant", text=text, uses=tuple(uses)), Turn(role="user", results=results))
