"""What the writers of all conventions share.

A writer turns one neutral record (a dict, see spans.py) into attributes. A member that is None is not written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

Attributes = dict[str, Any]
Record = dict[str, Any]


def text(value: Any) -> str:
    return orjson.dumps(value).decode()


@dataclass(frozen=True)
class Convention:
    """Names of the scope and of the spans, and a writer for each kind of span."""

    scope: tuple[str, str]
    root_name: Callable[[Record], str]
    llm_name: Callable[[Record], str]
    tool_name: Callable[[Record], str]
    retrieval_name: Callable[[Record], str]
    root: Callable[[Record], Attributes]
    llm: Callable[[Record], Attributes]
    tool: Callable[[Record], Attributes]
    retrieval: Callable[[Record], Attributes]


def messages(role: str, content: str, finish: str | None = None) -> str:
    message: dict[str, Any] = {"role": role, "parts": [{"type": "text", "content": content}]}
    return text([message | ({"finish_reason": finish} if finish else {})])


def documents(r: Record) -> list[dict[str, Any]]:
    return [{"id": own, "score": score, "metadata": metadata} for own, score, metadata in r["documents"]]


def extra(r: Record) -> Attributes:
    """What no convention has and triagebot reads: written where the team took it over."""
    out: Attributes = {}
    if r.get("workload_known"):
        out["triage.workload"] = r["workload"]
        out["triage.key"] = r["key"]
    return out


@cache
def tools_of(definitions: str) -> tuple[Record, ...]:
    """The tools of a list, which hardly ever changes between two spans."""
    return tuple(orjson.loads(definitions))
