"""All families of incidents, one tuple. To add one: write it in a module here, list it in that module's tuple."""

from triagebot.drill.families import (
    application,
    core,
    evals,
    exits,
    experiments,
    models,
    prompting,
    retrieval,
    tooling,
    undecided,
    volume,
)
from triagebot.drill.family import Family

FAMILIES: tuple[Family, ...] = (
    *core.FAMILIES,
    *models.FAMILIES,
    *prompting.FAMILIES,
    *experiments.FAMILIES,
    *tooling.FAMILIES,
    *retrieval.FAMILIES,
    *evals.FAMILIES,
    *exits.FAMILIES,
    *application.FAMILIES,
    *volume.FAMILIES,
    *undecided.FAMILIES,
)

__all__ = ["FAMILIES", "Family"]
