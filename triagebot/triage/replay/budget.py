"""What a replay may spend, and what it has spent. What could be spent is set aside before a call and settled after it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from triagebot.domain.recorded import Ask, Reply
from triagebot.errors import Refused

_CHARACTERS_A_TOKEN: Final = 3  # on the safe side: prose in English has four
_OF_A_TURN: Final = 8
MILLION: Final = 1_000_000


class Spent(Refused):
    """The cap is reached: nothing more is sent. `for_now`: what is under way may leave room for it yet."""

    def __init__(self, message: str, *, for_now: bool = False) -> None:
        super().__init__(message)
        self.for_now = for_now


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens, in the currency of the configuration. Cached input costs what `cached` says."""

    input: float
    output: float
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """By model; a name that ends with `*` stands for all that begin so, the longest first. Anything else: unknown."""

    table: Mapping[str, Price] = field(default_factory=dict)
    currency: str = "USD"

    def of(self, model: str) -> Price | None:
        if model in self.table:
            return self.table[model]
        fitting = [name for name in self.table if name.endswith("*") and model.startswith(name[:-1])]
        return self.table[max(fitting, key=len)] if fitting else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """None: no cap on it."""

    calls: int | None = 400
    tokens: int | None = 1_000_000
    money: float | None = None


@dataclass(slots=True)
class Spending:
    """`money` is None from the first call whose price is not known. `certain` False: some of it is what could have been spent."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    money: float | None = 0.0
    certain: bool = True

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    def add(self, other: Spending) -> None:
        self.calls += other.calls
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.money = None if self.money is None or other.money is None else self.money + other.money
        self.certain = self.certain and other.certain

    def as_json(self) -> dict[str, Any]:
        money = None if self.money is None else round(self.money, 6)
        return {
            "calls": self.calls,
            "input_tokens": self.tokens_in,
            "output_tokens": self.tokens_out,
            "money": money,
            "certain": self.certain,
        }

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Spending:
        return cls(
            calls=int(value["calls"]),
            tokens_in=int(value["input_tokens"]),
            tokens_out=int(value["output_tokens"]),
            money=value["money"],
            certain=bool(value.get("certain", True)),
        )


class Budget:
    """One replay's. `reserve` refuses what does not fit beside what is spent and what is under way."""

    def __init__(self, caps: Caps, prices: Prices) -> None:
        self._caps, self._prices = caps, prices
        self.spent = Spending()
        self._set_aside: dict[int, Spending] = {}
        self._next = 0
        self.settled = asyncio.Event()

    def check(self, models: Mapping[str, str]) -> None:
        """Raises Refused where a cap on money cannot be kept. `models` maps names to what they stand for in the message."""
        unknown = sorted(name for name in models if self._prices.of(name) is None)
        if self._caps.money is not None and unknown:
            raise Refused(
                f"replay.most_money is set and the price of {unknown[0]} is not known: add it to replay.prices, "
                "or take the cap away"
            )

    def expected(self, ask: Ask) -> Spending:
        """The most that one call can cost."""
        size = len(ask.system) + sum(len(str(tool)) for tool in ask.tools)
        size += sum(
            len(turn.text) + sum(len(u.arguments) for u in turn.uses) + sum(len(r.content) for r in turn.results)
            for turn in ask.turns
        )
        read = math.ceil(size / _CHARACTERS_A_TOKEN) + _OF_A_TURN * (len(ask.turns) + 1)
        return self._priced(ask.model, read, ask.max_tokens, 0, certain=False)

    def reserve(self, ask: Ask) -> int:
        """Sets aside what the call can cost, under a number for `settle`. Raises Spent."""
        wanted = self.expected(ask)
        if over := self._over(wanted):
            raise Spent(over)
        if over := self._over(wanted, *self._set_aside.values()):
            raise Spent(over, for_now=True)
        self._next += 1
        self._set_aside[self._next] = wanted
        return self._next

    def _over(self, *more: Spending) -> str:
        """What would be gone beyond; "" where nothing is."""
        total = replace(self.spent)
        for one in more:
            total.add(one)
        caps = self._caps
        if caps.calls is not None and total.calls > caps.calls:
            return f"the cap of {caps.calls:,} calls is reached"
        if caps.tokens is not None and total.tokens > caps.tokens:
            return f"the next call could go beyond the cap of {caps.tokens:,} tokens"
        if caps.money is not None and (total.money is None or total.money > caps.money):
            return f"the next call could go beyond the cap of {caps.money:g} {self._prices.currency}"
        return ""

    def settle(self, number: int, ask: Ask, reply: Reply | None) -> Spending:
        """What the call has cost. Without a reply it counts as a call: what the provider made of it is not known."""
        self._set_aside.pop(number)
        self.settled.set()
        cost = Spending(calls=1, certain=False)
        if reply is not None:
            model = ask.model if self._prices.of(reply.model) is None else reply.model
            cost = self._priced(model, reply.input_tokens, reply.output_tokens, reply.cached_tokens, certain=True)
        self.spent.add(cost)
        return cost

    def restore(self, earlier: Spending) -> None:
        """What was spent before a restart."""
        self.spent.add(earlier)

    def _priced(self, model: str, read: int, wrote: int, cached: int, *, certain: bool) -> Spending:
        price = self._prices.of(model)
        money = None
        if price is not None:
            fresh = price.input if price.cached is None else price.cached
            money = ((read - cached) * price.input + cached * fresh + wrote * price.output) / MILLION
        return Spending(calls=1, tokens_in=read, tokens_out=wrote, money=money, certain=certain)
