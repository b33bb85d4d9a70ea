"""The order of the walk: by the cost of the check, not by prior guilt. A sixth surface is a line here."""

from __future__ import annotations

from typing import Final

from triagebot.surfaces import (
    application,
    eval_freshness,
    model_alias,
    prompt_version,
    provider,
    quota,
    retrieval_corpus,
    telemetry,
    tool_schemas,
    traffic,
)
from triagebot.surfaces.contract import Node

TREE: Final[tuple[Node, ...]] = (
    model_alias.NODE,
    prompt_version.NODE,
    tool_schemas.NODE,
    retrieval_corpus.NODE,
    eval_freshness.NODE,
    provider.NODE,
    quota.NODE,
    application.NODE,
    traffic.NODE,
    telemetry.NODE,
)
NODES: Final = {node.name: node for node in TREE}
