"""All families of incidents, one tuple. To add one: write it in a module here, list it in that module's tuple."""

from triagebot.drill.families import core, evals, exits, models, prompting, retrieval, tooling, undecided
from triagebot.drill.family import Family

FAMILIES: tuple[Family, ...] = (
    *core.FAMILIES,
    *models.FAMILIES,
    *prompting.FAMILIES,
    *tooling.FAMILIES,
    *retrieval.FAMILIES,
    *evals.FAMILIES,
    *exits.FAMILIES,
    *undecided.FAMILIES,
)

__all__ = ["FAMILIES", "Family"]
