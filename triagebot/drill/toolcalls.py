"""Names, arguments and results of tool calls, right and wrong."""

from collections.abc import Callable
from typing import Any

import orjson

from triagebot.drill.draft import Draft
from triagebot.drill.requests import Outcome
from triagebot.drill.world import Tool


class ToolCalls:
    """The calls of each request. `salt` makes values differ between requests."""

    def __init__(self, draft: Draft, outcome: Outcome, salt: list[int]) -> None:
        self.d, self.o, self.w, self.salt = draft, outcome, draft.world, salt
        self.drift_field = {
            tool.name: next((n for n, kind in tool.result.items() if kind == "integer"), "") for tool in self.w.tools
        }

    def call(self, i: int, call: int, error: str | None) -> tuple[str, str, str]:
        """Name, arguments and result of one tool call, as JSON texts."""
        salt = self.salt[i] + call
        chosen = self.d.tool[i]
        if call == 0 and self.o.flags["tool_alt"][i]:
            chosen = self.d.options.get("alternative", len(self.w.tools) - 1)
        elif call:
            chosen = (chosen + call) % len(self.w.tools)
        tool = self.w.tools[chosen]
        arguments = _text(self._arguments(i, tool, salt, wrong=error == "invalid_arguments"))
        if error == "unknown_tool":
            return self.d.options.get("vanished", tool.name + "_v0"), arguments, _text({"error": error})
        if error == "invalid_arguments":
            return tool.name, arguments, _text({"error": error, "message": "unknown or missing parameter"})
        if error:
            return tool.name, arguments, _text({"error": error})
        return tool.name, arguments, _text(self._result(i, tool, salt))

    def _arguments(self, i: int, tool: Tool, salt: int, *, wrong: bool) -> dict[str, Any]:
        """Arguments as the list in force wants them. Wrong ones keep the old name where one was renamed, else lack one."""
        mask, renamed = self.d.options.get("renamed_mask"), self.d.options.get("renamed", {})
        now = renamed if mask is not None and mask[i] else {}
        made = {
            (field if wrong else now.get(field, field)): f"{field[:3]}-{salt % 9973}" if kind == "string" else salt % 5
            for field, kind in tool.required.items()
        }
        if wrong and not now:
            made.pop(next(iter(made)))
        return made

    def _result(self, i: int, tool: Tool, salt: int) -> dict[str, Any]:
        rows = int(self.o.rows[i]) if tool.rows else 2
        kinds: dict[str, Callable[[str], Any]] = {
            "string": lambda field: f"{field[:2]}{salt % 977}",
            "integer": lambda field: rows if field == "count" else salt % 12,
            "number": lambda field: round(salt % 90000 / 100, 2),
            "array": lambda field: [
                {"id": f"o-{(salt + k) % 99991}", "total": (salt + k) % 500} for k in range(min(rows, 40))
            ],
        }
        result = {field: kinds[kind](field) for field, kind in tool.result.items()}
        drifted = self.drift_field[tool.name]
        if self.o.flags["type_drift"][i] and drifted:
            result[drifted] = self.d.options.get("drift_value", "{} days").format(result[drifted])
        return result


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
