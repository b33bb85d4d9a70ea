"""Prompt version: which versions are live where, and is the text in the traces the text in the registry?"""

from __future__ import annotations

from triagebot.surfaces.base import Walked


class PromptVersion(Walked):
    name = "prompt_version"
    surfaces = ("prompt_version",)
    dimensions = ("prompt", "prompt_hash")
    families = frozenset(
        {"content", "tool", "usage", "eval", "feedback", "latency", "cache", "retry", "retrieval", "stream"}
    )
    columns = ("prompt_version", "prompt_hash")


NODE = PromptVersion()
