"""The names of the nodes: five surfaces, five exits. Outside tools rely on them."""

from __future__ import annotations

from typing import Final

SURFACES: Final = ("model_alias", "prompt_version", "tool_schemas", "retrieval_corpus", "eval_freshness")
EXITS: Final = ("provider", "quota", "application", "traffic", "telemetry")
NODES: Final = SURFACES + EXITS

# What a change event may name beside the five surfaces, and the node that answers for it.
OTHER_SURFACES: Final = {
    "code": "application",
    "config": "application",
    "flag": "application",
    "job": "application",
    "provider": "provider",
    "limit": "quota",
}
NODE_OF_SURFACE: Final = {name: name for name in SURFACES} | OTHER_SURFACES

TITLES: Final = {
    "model_alias": "Model alias",
    "prompt_version": "Prompt version",
    "tool_schemas": "Tool schemas",
    "retrieval_corpus": "Retrieval corpus",
    "eval_freshness": "Eval freshness",
    "provider": "Provider",
    "quota": "Quota",
    "application": "Application",
    "traffic": "Traffic",
    "telemetry": "Telemetry",
}
