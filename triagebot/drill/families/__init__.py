"""All families of incidents, one tuple. To add one: write it in a module here, list it in that module's tuple."""

from triagebot.drill.families import core
from triagebot.drill.family import Family

FAMILIES: tuple[Family, ...] = (*core.FAMILIES,)

__all__ = ["FAMILIES", "Family"]
