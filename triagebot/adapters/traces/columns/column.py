"""What a row of the table of conventions is."""

from __future__ import annotations

from dataclasses import dataclass

LC = "LowCardinality(String)"
TEXT = "String"
NUMBER = "Nullable(Float64)"
FLAG = "UInt8"


@dataclass(frozen=True, slots=True)
class Column:
    """One normalised column. `stored` is False where it is cheap to read from the Collector's own columns.

    `always` columns say something even where none of the attributes that they name occurs. `alternatives` are tried in
    order, the first that is not '' stands.
    """

    name: str
    type: str
    sql: str = "$first"
    sources: tuple[str, ...] = ()
    stored: bool = True
    always: bool = False
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """An intermediate value that several columns share: computed, never stored."""

    name: str
    type: str
    sql: str
    sources: tuple[str, ...] = ()
    always: bool = False
    alternatives: tuple[str, ...] = ()
