"""The record of an incident as numbered lines, what can be looked up in it, and the answer by rule. Pure."""

# ruff: noqa: SIM905  # word lists are read as text, not as columns of quotation marks

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.change import Change
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.mrkdwn import clean, cut
from triagebot.domain.nodes import NODES, TITLES
from triagebot.triage.narrate import nodes_in, stem
from triagebot.triage.postmortem import show
from triagebot.triage.postmortem.compose import compose
from triagebot.triage.postmortem.fence import fenced, fenced_change, fenced_event
from triagebot.triage.postmortem.record import change_of, title_of

QUESTION: Final = 400  # characters
LINES: Final = 4  # of an answer by rule
MOST: Final = 40  # lines of one look-up
LINE: Final = 500
CHANGES: Final = 60

# What the ids of lines begin with: the kinds that can be looked up.
KINDS: Final[Mapping[str, str]] = {
    "page": "P",
    "verdict": "R",
    "symptoms": "S",
    "causes": "C",
    "replay": "X",
    "nodes": "W",
    "severity": "V",
    "next_check": "N",
    "durations": "D",
    "moments": "M",
    "fields": "F",
    "timeline": "T",
    "evidence": "E",
    "changes": "K",
}
_WORD: Final = re.compile(r"[\w:/@-][\w.:/@-]*\d[\w:/@-]*|\d+|[^\W\d_]+")
# What a question is about, by the words that it is asked with. The first kinds come first in an answer.
_ABOUT: Final = (
    (frozenset("who owner owns owned owning responsible".split()), ("causes",)),
    (frozenset("severe severity sev bad impact affected many tenants reversible".split()), ("severity",)),
    (frozenset("when since began begin start started long onset".split()), ("symptoms", "moments", "durations")),
    (frozenset("next do settle decide".split()), ("next_check", "verdict")),
    (frozenset("replay replayed reproduce reproduced swap".split()), ("replay",)),
    (
        frozenset("cause caused causes why culprit blame blamed broke sure confident confidence".split()),
        ("causes", "verdict"),
    ),
    (frozenset("symptom symptoms moved rate worse".split()), ("symptoms",)),
    (frozenset("acknowledged acked noted said happened timeline".split()), ("timeline",)),
    (frozenset("page paged title".split()), ("page",)),
    (frozenset("changed change changes touched touch deployed released rolled merged".split()), ("changes", "nodes")),
)
_SAYS_NOTHING: Final = frozenset(
    """
    a about an and any anything are at be been by can could did do does for from had has have here how i in incident is it its
    just know me of on or our please show so tell that the their there they this to triagebot us was we were what which with you
    say says saying told find found show shows shown look looked come came result results outcome
    your really then than ever still also into out up down now not no if it's anybody anyone somebody someone nobody live ok okay
    """.split()
) | frozenset(word for words, _ in _ABOUT for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """An answer by rule: lines of the record with their ids. Without lines it is not recorded; `subject` is what was not found."""

    lines: tuple[tuple[str, str], ...]
    subject: str = ""


def lines_of(
    incident: Incident, timeline: Sequence[TimelineEvent], verdict: Mapping[str, Any] | None, changes: Sequence[Change]
) -> dict[str, str]:
    """Every line by id. Text that somebody outside wrote stands in quotation marks, and proves nothing."""
    known = dict(compose(incident, [fenced_event(event) for event in timeline], fenced(verdict)).facts)
    newest = sorted(changes, key=lambda c: c.introduced.latest, reverse=True)[:CHANGES]
    for number, change in enumerate(map(fenced_change, newest), 1):
        author = show.clean(change.author.name, 80) or "unknown"
        text = f"Change of {title_of(change.surface).lower()} on record: {change_of(change.as_json())}, introduced "
        text += f"{show.interval(change.introduced)}, author {author}"
        known[f"K{number}"] = text + (f", described as {show.quoted(change.summary)}." if change.summary else ".")
    return {id_: cut(line, LINE) for id_, line in known.items()}


def of_kind(known: Mapping[str, str], kind: str) -> dict[str, str]:
    """The lines of one of KINDS; of anything else none."""
    letter = KINDS.get(kind)
    return {id_: line for id_, line in list(known.items()) if letter and id_[0] == letter}


def matching(known: Mapping[str, str], words: str) -> dict[str, str]:
    """Lines that hold any of the words, those with most of them first."""
    wanted = _stems(words)
    scored = [(len(wanted & _stems(line)), -n, id_) for n, (id_, line) in enumerate(known.items())]
    return {id_: known[id_] for score, _, id_ in sorted(scored, reverse=True)[:MOST] if score}


def by_rule(known: Mapping[str, str], question: str) -> Ruled:
    """The lines that the question is about; none where its subject stands nowhere in the record."""
    asked = {word.casefold() for word in _WORD.findall(question)}
    subjects = {word for word in asked if word not in _SAYS_NOTHING and len(word) > 2}
    nodes = nodes_in(" ".join(asked)) | _nodes(subjects)
    named = {part for node in nodes for part in node.split("_")}
    rest = {word for word in subjects if stem(word) not in {stem(n) for n in named}}
    found = [id_ for id_ in matching(known, " ".join(rest)) if rest]
    if rest and not found:
        return Ruled(lines=(), subject=", ".join(sorted(rest)[:3]))
    kinds = [kind for words, about in _ABOUT if words & asked for kind in about]
    wanted = [id_ for kind in kinds for id_ in of_kind(known, kind)]
    walked = [id_ for id_, line in of_kind(known, "nodes").items() if nodes & nodes_in(line[:60])]
    about_nodes = [id_ for id_ in wanted if nodes & nodes_in(known[id_])] if nodes else wanted
    ordered = [*walked, *(found if rest else about_nodes), *(() if rest else wanted if not nodes else ())]
    ids = list(dict.fromkeys(ordered))[:LINES]
    if not ids:
        return Ruled(lines=(), subject=", ".join(sorted(subjects)[:3]) if subjects else "")
    return Ruled(lines=tuple((id_, known[id_]) for id_ in ids))


def question_of(text: str) -> str:
    """What somebody asked when they named the bot: one line, without the mention."""
    return cut(clean(re.sub(r"<@[A-Z0-9]+(?:\|[^>]*)?>", " ", text)), QUESTION)


def _nodes(words: set[str]) -> set[str]:
    short = {node: {stem(part) for part in (*node.split("_"), *TITLES[node].lower().split())} for node in NODES}
    return {node for node, parts in short.items() if parts & {stem(word) for word in words}}


def _stems(text: str) -> set[str]:
    return {stem(w) for word in _WORD.findall(text) if (w := word.casefold()) not in _SAYS_NOTHING and len(w) > 2}
