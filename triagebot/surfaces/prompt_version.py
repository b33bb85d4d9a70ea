"""Prompt version: which versions are live where, and is the text in the traces the text in the registry?"""

from __future__ import annotations

from types import MappingProxyType

from triagebot.surfaces.base import Walked


class PromptVersion(Walked):
    name = "prompt_version"
    surfaces = ("prompt_version",)
    dimensions = ("prompt", "prompt_hash")
    families = MappingProxyType(
        {
            "content": 1.0,
            "length": 0.7,
            "cut": 0.4,
            "eval": 1.0,
            "feedback": 1.0,
            "tool": 0.7,
            "usage": 0.7,
            "latency": 0.4,
            "speed": 0.7,
            "cache": 0.7,
            "retry": 0.3,
            "retrieval": 0.05,
            "stream": 0.05,
            "error": 0.1,
            "upstream": 0.05,
        }
    )
    columns = ("prompt_version", "prompt_hash")


NODE = PromptVersion()
