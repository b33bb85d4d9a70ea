"""A signal: one thing that a request's trace says about its health."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["up", "down", "both"]
Unit = Literal["rate", "ms", "tokens", "characters", "count", "score", "ratio", "days"]
Over = Literal["llm", "tool", "retrieval", "root", "any"]
Fold = Literal["max", "min", "sum", "avg", "first", "last", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A named column expression.

    `sql` is a ClickHouse expression over the normalised span columns (adapters/traces/columns.py) of one span, NULL where
    the span does not say; where `where`, a condition on the span, does not hold, the signal is NULL too. `over` chooses the
    spans of the request that it is read from, `fold` how several become one.
    `bad` is the direction that harms. `words` are the words of pages it answers to. `needs` are the columns without which
    it is absent (never zero). `title` is what a person reads. `family` groups signals that one kind of change can move:
    content, length, tool, retrieval, latency, speed (of the model), error, upstream (what the provider answers is its
    own failure), ratelimit, stream, retry, usage, cache, eval, feedback, input.
    """

    name: str
    title: str
    sql: str
    family: str = "content"
    over: Over = "llm"
    fold: Fold = "max"
    bad: Direction = "up"
    unit: Unit = "rate"
    needs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    where: str = ""

    @property
    def expression(self) -> str:
        """`sql` of any span, NULL where `where` does not hold."""
        return f"if({self.where}, {self.sql}, NULL)" if self.where else self.sql

    @property
    def subject(self) -> str:
        """What one of several alike is about: the score of `eval:NAME`, the tool of `calls:NAME`; "" of all others."""
        return self.name.partition(":")[2]

    def harmful(self, effect: float) -> bool | None:
        """Whether a movement by `effect` is in the bad direction; None where both directions may harm."""
        return None if self.bad == "both" else (effect > 0) == (self.bad == "up")

    @property
    def binary(self) -> bool:
        return self.unit == "rate"
