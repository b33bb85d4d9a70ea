"""Which source attributes feed which normalised column: one literal table for every convention that triagebot reads.

A row is `Column(name, type, sql, sources)`. `sources` are attribute names, first match wins; `$first` in `sql` stands for
the first of them that is set. Other tokens, expanded by `normalise.py`:

`A[a|b]`  first of these span attributes that is set ('' where none is)      `R[a|b]`  the same over resource attributes
`N[a|b]`  the same as Float64, NULL where none is set or it is no number     `H[a|b]`  whether one of them is set
`@name`   another column or step of this table

Names come from the OpenTelemetry semantic conventions (old and new GenAI names), OpenInference, OpenLLMetry (traceloop),
Langfuse, MLflow, the Vercel AI SDK, Pydantic AI, Google ADK and LangSmith; `triage.*` are triagebot's own, for what no
convention covers.
"""

from __future__ import annotations

from triagebot.adapters.traces.columns.callers import ENVIRONMENT, WHO
from triagebot.adapters.traces.columns.calls import IDENTITY, MODEL_AND_PROMPT, RETRIEVAL, TOOLS
from triagebot.adapters.traces.columns.column import Column, Step
from triagebot.adapters.traces.columns.outcomes import EVALUATION, OUTCOME, TIMING, USAGE
from triagebot.adapters.traces.columns.steps import STEPS

COLUMNS: tuple[Column, ...] = (
    *IDENTITY,
    *MODEL_AND_PROMPT,
    *TOOLS,
    *RETRIEVAL,
    *USAGE,
    *OUTCOME,
    *WHO,
    *ENVIRONMENT,
    *TIMING,
    *EVALUATION,
)

__all__ = ["COLUMNS", "STEPS", "Column", "Step"]
