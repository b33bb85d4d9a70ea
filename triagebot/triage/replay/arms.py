"""The arms: a request as it was, and with exactly one surface swapped."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from triagebot.domain.recorded import Ask, RecordedCall
from triagebot.triage.replay.plan import SERVED, ArmSpec
from triagebot.triage.replay.prepare import NotReplayable, definitions

_SLOT: Final = re.compile(r"\{\{\s*([A-Za-z_][\w.]{0,60})\s*\}\}|\{([A-Za-z_]\w{0,60})\}")
_LONGEST_TEMPLATE: Final = 200_000


class Arm(Protocol):
    """`spec` says what it is; `swap` makes one call's ask another."""

    @property
    def spec(self) -> ArmSpec: ...

    def swap(self, call: RecordedCall, ask: Ask) -> Ask:
        """Raises NotReplayable where this call does not use the surface, or the swap cannot be made in it."""
        ...


@dataclass(frozen=True, slots=True)
class AsServed:
    spec: ArmSpec = field(default_factory=lambda: ArmSpec(key=SERVED))

    def swap(self, call: RecordedCall, ask: Ask) -> Ask:
        return ask


@dataclass(frozen=True, slots=True)
class OtherModel:
    """`model` is what the gateway calls the earlier one. An alias that this call does not go by is left alone."""

    spec: ArmSpec
    model: str

    def swap(self, call: RecordedCall, ask: Ask) -> Ask:
        names = {call.model_requested.strip('"'), call.model_served.strip('"')}
        if self.spec.artifact and not names & {self.spec.artifact, self.spec.after}:
            raise NotReplayable("it does not go by this model alias")
        if ask.model == self.model:
            raise NotReplayable("it was served by this version already")
        return replace(ask, model=self.model)


@dataclass(frozen=True, slots=True)
class OtherPrompt:
    """`text` takes the place of `served`, the text that the registry holds for the version served; None where it holds none."""

    spec: ArmSpec
    text: str
    served: str | None

    def swap(self, call: RecordedCall, ask: Ask) -> Ask:
        if call.prompt_name and self.spec.artifact and call.prompt_name != self.spec.artifact:
            raise NotReplayable("it does not use this prompt")
        system = _exchanged(ask.system, self.served, self.text)
        if system.strip() == ask.system.strip():
            raise NotReplayable("it was served by this version already")
        return replace(ask, system=system)


@dataclass(frozen=True, slots=True)
class OtherTools:
    """`text` is a JSON list of definitions; those of `served` give way to them, tools of others stay."""

    spec: ArmSpec
    text: str
    served: str | None

    def swap(self, call: RecordedCall, ask: Ask) -> Ask:
        if not ask.tools:
            raise NotReplayable("it was given no tools")
        put = definitions(self.text)
        own = {str(tool["name"]) for tool in put}
        if self.served is not None:
            own |= {str(tool["name"]) for tool in definitions(self.served)}
        kept = [tool for tool in ask.tools if str(tool["name"]) not in own]
        if self.served is not None and len(kept) == len(ask.tools):
            raise NotReplayable("it does not use these tools")
        tools = (*(put if self.served is None else (*kept, *put)),)
        if _same(tools, ask.tools):
            raise NotReplayable("it was served by this version already")
        return replace(ask, tools=tools)


def _same(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    return sorted(json.dumps(t, sort_keys=True) for t in one) == sorted(json.dumps(t, sort_keys=True) for t in other)


def _exchanged(system: str, served: str | None, text: str) -> str:
    """The recorded prompt with the other version's text. Raises NotReplayable where it cannot be told what to exchange."""
    if served is None:
        if _SLOT.search(text):
            raise NotReplayable("the earlier prompt is a template, and the served one is not on record")
        return text
    old, new = served.strip(), text.strip()
    if not old:
        raise NotReplayable("the registry's text of the served prompt is empty")
    if system.strip() == old:
        values: Mapping[str, str] = {}
    elif system.count(old) == 1:
        return system.replace(old, new)
    else:
        values = slots(old, system.strip())
    missing = {name for name in _names(new) if name not in values and name not in _names(old)}
    if missing and values:
        raise NotReplayable("the earlier prompt wants a value that was not recorded")
    return _SLOT.sub(lambda m: values.get(m[1] or m[2], m[0]), new)


def _names(template: str) -> set[str]:
    return {m[1] or m[2] for m in _SLOT.finditer(template)}


def slots(template: str, filled: str) -> Mapping[str, str]:
    """What was filled into a template's `{{name}}` and `{name}`. Raises NotReplayable where the text is no filling of it.

    Literal parts are looked for from left to right, each at its first place: no pattern is made of what a template holds.
    """
    if len(template) > _LONGEST_TEMPLATE or len(filled) > 4 * _LONGEST_TEMPLATE:
        raise NotReplayable("its prompt is too long to be compared with its template")
    values: dict[str, str] = {}
    wrong = NotReplayable("its prompt is not the text that the registry holds for the version served")
    literals, names, at = [], [], 0
    for match in _SLOT.finditer(template):
        literals.append(template[at : match.start()])
        names.append(match[1] or match[2])
        at = match.end()
    literals.append(template[at:])
    if not names or not filled.startswith(literals[0]) or not filled.endswith(literals[-1]):
        raise wrong
    place, end = len(literals[0]), len(filled) - len(literals[-1])
    for name, literal in zip(names, literals[1:], strict=True):
        last = literal is literals[-1] and name == names[-1]
        found = end if last or not literal else filled.find(literal, place, end)
        if found < place or (not literal and not last):
            raise wrong
        value = filled[place:found]
        if values.setdefault(name, value) != value:
            raise wrong
        place = found + len(literal)
    return values


def fingerprint(text: str) -> str:
    """What is shown and stored of a text: never the text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
