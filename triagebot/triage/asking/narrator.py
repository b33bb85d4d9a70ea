"""A language model that answers from the record by read-only look-ups, within a budget; what it says is checked by rule.

It is never asked what to do, and nothing that it says does anything: look-ups read lines that are in memory already, and its
answer is sentences that are shown where every one of them stands up to what it cites.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from triagebot.domain.recorded import Ask, Reply, ToolResult, ToolUse, Turn
from triagebot.errors import SourceFailed
from triagebot.ports import Gateway, Sentence
from triagebot.triage.asking.record import KINDS, MOST, matching, of_kind
from triagebot.triage.narrate import people_in, sentence_wrong, unsupported
from triagebot.triage.replay.budget import Budget, Caps, Prices, Spending, Spent

SENTENCES: Final = 4
ANSWER_TOKENS: Final = 700
TRIES: Final = 2  # answers, the second with what was wrong with the first

TOOLS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "name": "list_lines",
        "description": "The lines of the incident's record of one kind, each with its id.",
        "input_schema": {
            "type": "object",
            "properties": {"kind": {"type": "string", "enum": list(KINDS)}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    },
    {
        "name": "find_lines",
        "description": "The lines of the incident's record that hold any of these words, each with its id.",
        "input_schema": {
            "type": "object",
            "properties": {"words": {"type": "string", "maxLength": 200}},
            "required": ["words"],
            "additionalProperties": False,
        },
    },
)


class Words(Protocol):
    """The prompt: (system, user, hash) of a question."""

    def __call__(self, question: str, kinds: Sequence[str]) -> tuple[str, str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of it: `sentences`, or none with `not_recorded`, or none with the `reason` why nothing may be shown."""

    sentences: tuple[Sentence, ...] = ()
    not_recorded: bool = False
    reason: str = ""
    model: str = ""
    prompt_hash: str = ""
    spent: Spending = field(default_factory=Spending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrating:
    """`caps` are those of one question."""

    gateway: Gateway
    model: str
    words: Words
    prices: Prices = field(default_factory=Prices)
    caps: Caps = field(default_factory=lambda: Caps(calls=6, tokens=60_000))

    async def answer(self, known: Mapping[str, str], question: str) -> Told:
        """Never raises for the model's sake: what goes wrong is the reason."""
        budget = Budget(self.caps, self.prices)
        system, user, hash_ = self.words(question, list(KINDS))
        turns: tuple[Turn, ...] = (Turn(role="user", text=user),)
        tries, model = 0, self.model

        def told(**more: Any) -> Told:
            return Told(model=model, prompt_hash=hash_, spent=budget.spent, **more)

        while True:
            ask = Ask(model=self.model, system=system, turns=turns, tools=TOOLS, max_tokens=ANSWER_TOKENS)
            try:
                reply = await self._call(budget, ask)
            except (SourceFailed, Spent) as failed:
                return told(reason=str(failed))
            model = reply.model
            if reply.uses:
                turns = (
                    *turns,
                    Turn(role="assistant", text=reply.text, uses=reply.uses),
                    _looked_up(known, reply.uses),
                )
                continue
            tries += 1
            said = _read(reply.text)
            if said is not None and said.not_recorded:
                return told(not_recorded=True)
            wrong = ["the answer is not the JSON asked for"] if said is None else check(said.sentences, known)
            if said is not None and not wrong:
                return told(sentences=said.sentences)
            if tries >= TRIES:
                return told(reason=wrong[0])
            complaint = "Refused. What was wrong:\n" + "\n".join(wrong[:8]) + "\nAnswer again without these mistakes."
            turns = (*turns, Turn(role="assistant", text=reply.text or "(nothing)"), Turn(role="user", text=complaint))

    async def _call(self, budget: Budget, ask: Ask) -> Reply:
        number = budget.reserve(ask)
        try:
            reply = await self.gateway.call(ask)
        except BaseException:
            budget.settle(number, ask, None)
            raise
        budget.settle(number, ask, reply)
        return reply


def check(sentences: Sequence[Sentence], known: Mapping[str, str]) -> list[str]:
    """Everything that is wrong, a line each: ids exist, figures and names stand in what is cited, no markup, links or mentions."""
    if not sentences:
        return ["there is no sentence"]
    if len(sentences) > SENTENCES:
        return [f"there are {len(sentences)} sentences; {SENTENCES} are the most"]
    people = frozenset(people_in(known.values()))
    wrong = []
    for n, one in enumerate(sentences, 1):
        wrong += [f"sentence {n}: {what}" for what in sentence_wrong(one, known, people)]
        # Stricter than in a document, which a person reviews: nothing is said in words that the cited lines do not have.
        if words := unsupported(one, known):
            wrong.append(f"sentence {n}: says {', '.join(words[:5])}, which the lines that it cites do not")
    return wrong


def _looked_up(known: Mapping[str, str], uses: Sequence[ToolUse]) -> Turn:
    return Turn(role="user", results=tuple(ToolResult(id=use.id, content=_lines(known, use)) for use in uses))


def _lines(known: Mapping[str, str], use: ToolUse) -> str:
    """A look-up. Whatever is asked for, it reads the lines and nothing else."""
    try:
        given = json.loads(use.arguments or "{}")
    except (ValueError, RecursionError):
        given = {}
    given = given if isinstance(given, dict) else {}
    looks: Mapping[str, Callable[[], Mapping[str, str]]] = {
        "list_lines": lambda: of_kind(known, str(given.get("kind") or "")),
        "find_lines": lambda: matching(known, str(given.get("words") or "")[:200]),
    }
    found = looks.get(use.name, dict)()
    if not found:
        return "No line of the record."
    return "\n".join(f"{id_}: {line}" for id_, line in list(found.items())[:MOST])


def _read(text: str) -> Told | None:
    """The JSON of an answer, fenced or not; None where it is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    if found.get("not_recorded") is True:
        return Told(not_recorded=True)
    sentences = found.get("sentences")
    if not isinstance(sentences, list):
        return None
    made = []
    for one in sentences:
        cites = one.get("cites") if isinstance(one, dict) else None
        if not isinstance(cites, list) or not isinstance(one.get("text"), str):
            return None
        made.append(Sentence(text=one["text"], cites=tuple(str(c) for c in cites)))
    return Told(sentences=tuple(made))
