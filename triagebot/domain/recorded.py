"""What traces recorded of one request's work with its models: enough to send it again, tools answering from the record.

Texts of users and prompts stand here: nothing of this module's values is logged, told in a chat or written into a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A call that a model asks for. `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool answered to the use with this id."""

    id: str
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message: `user` or `assistant`. `other` names kinds of content that cannot be sent again (image, audio …)."""

    role: str
    text: str = ""
    uses: tuple[ToolUse, ...] = ()
    results: tuple[ToolResult, ...] = ()
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One call of a model. `tools` is the JSON list of definitions as recorded, "" where none were.

    `turns` is empty where the input was not recorded. `parameters` are those that change what is answered: `max_tokens`,
    `temperature`, `top_p`, `stop` (a list). `cut` says that a text was shortened before it was stored.
    """

    at: datetime
    model_requested: str
    model_served: str
    prompt_name: str
    prompt_version: str
    system: str
    turns: tuple[Turn, ...]
    tools: str
    output: str
    asks_for_tools: bool
    failed: bool
    cut: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """One tool call as it ran: JSON text of its arguments, and its result; both "" where they were not recorded."""

    name: str
    arguments: str
    result: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request's model calls and tool runs, each oldest first. `requests` is how many requests share the trace."""

    trace_id: str
    at: datetime
    calls: tuple[RecordedCall, ...]
    runs: tuple[ToolRun, ...]
    requests: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call to be made now. `tools` are JSON objects with `name`, `description` and `input_schema`."""

    model: str
    system: str
    turns: tuple[Turn, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    max_tokens: int = 1024
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered. `finish` is `stop`, `length`, `tool_calls` or `content_filter`; `seconds` is the model's own time.

    `input_tokens` is the whole prompt, of which `cached_tokens` were read from a cache. `unsent` names recorded parameters
    that this API does not take any more.
    """

    text: str
    uses: tuple[ToolUse, ...]
    finish: str
    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    seconds: float = 0.0
    unsent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One request as it was played again: each call with its reply, and the tools that answered from the record in between."""

    key: str
    exchanges: tuple[tuple[Ask, Reply], ...]
    runs: tuple[ToolRun, ...] = ()
