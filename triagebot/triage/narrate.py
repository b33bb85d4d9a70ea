"""Prose by a language model over the facts of an incident, checked sentence by sentence before anyone sees it.

The check is pure and knows nothing of the model. A sentence stands when it cites known facts and says only what they say: every
number, time, share, name and quotation must occur in what it cites, blame needs a cited cause, a denial needs a cited denial.
Text that somebody outside wrote stands in quotation marks within the facts; it may be quoted and proves nothing.
"""

# ruff: noqa: SIM905  # word lists are read as text, not as columns of quotation marks

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.nodes import NODES, SURFACES, TITLES
from triagebot.errors import SourceFailed
from triagebot.ports import Narrator, Prose, Sentence
from triagebot.triage.figures import Figures, figures

LONGEST: Final = 400
MOST: Final = 12
COMPLAINTS: Final = 12
_NEAR: Final = 8  # words
_QUOTE = re.compile('[“"”„]([^“”"„]*)[”"“]')
_MARKUP = re.compile(
    r"[<>`{}\[\]|*~^\\]|(?<!\w)_|_(?!\w)|://|\bwww\.|(?<!\w)[@#](?=\w)|[\w.+-]@[\w-]+\.[a-z]{2,}\b|javascript:",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_BLAME = re.compile(
    r"\b(?:caus(?:e|ed|es|ing)|because|blame[ds]?|responsible|fault|culprit|due to|led to|result(?:ed)? (?:from|in)|triggered by|"
    r"broke|introduced by|to blame|root cause|stem(?:s|med) from|explains?|explained)\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:no|not|none|nothing|never|neither|nor|nobody|without|cannot|unchanged|unaffected|unknown|clear|cleared|"
    r"ruled out|excluded|absent|missing|undetermined|\w+n['’]t|healthy|normal|steady|false alarm|harmless)\b",
    re.IGNORECASE,
)
# What may be said of a cause that was not found, where none was.
_OPEN = re.compile(
    r"\bcauses? (?:was|is|were|are|remains?) (?:not (?:determined|known|found|established)|undetermined|unknown|open)\b"
    r"|\bnone of the (?:five )?surfaces (?:explains?|caused) (?:it|them)\b",
    re.IGNORECASE,
)
# Words of English and of the trade that say nothing about one incident: they need no proof and give none.
_NEUTRAL: Final = frozenset(
    """
    about above after again against also although among another around based became because been before began begin being
    below between both came cause caused change changed changes come could detail detected detection did does doing down
    during each earlier ended even evidence first following from further gave have having held here however implicated
    incident instead into itself kept last later least less like made make many more moved near nearly next once only other
    others over rather recorded remained reported requests rose same saw seen service several shift shifted should show
    showed shown shows since some stayed still such take taken than that their them then there these they this those though
    through time took toward under until upon walked went were what when where whether which while whose will with within
    would fell fall fallen increase increased decrease decreased reached climbed dropped grew stood observed occurred
    happened found noted rise rising falling started start end lasted symptom symptoms
    """.split()
)
_MONTHS: Final = frozenset(
    "january february march april may june july august september october november december".split()
)
_FREE: Final = frozenset({"utc", "i"}) | _MONTHS


@dataclass(frozen=True, slots=True, kw_only=True)
class Narration:
    """What came of asking. `sections` is the model's prose where `accepted`, else the plain one; `reason` says why not."""

    sections: Mapping[str, tuple[Sentence, ...]]
    accepted: bool
    model: str = ""
    prompt_hash: str = ""
    reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "model": self.model,
            "prompt_hash": self.prompt_hash,
            "reason": self.reason,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


async def narrate(narrator: Narrator, plain: Mapping[str, tuple[Sentence, ...]], facts: Mapping[str, str]) -> Narration:
    """Asks for the sections of `plain`; a wrong answer is sent back once with the complaint, then `plain` stands.

    Never raises for the model's sake: a narrator that fails leaves the plain prose and its reason.
    """
    complaint, model, prompt_hash, read, wrote = "", "", "", 0, 0
    for _ in range(2):
        try:
            prose = await narrator.write(tuple(plain), facts, complaint)
        except SourceFailed as error:
            return Narration(
                sections=plain,
                accepted=False,
                model=model,
                prompt_hash=prompt_hash,
                reason=str(error),
                input_tokens=read,
                output_tokens=wrote,
            )
        model, prompt_hash = prose.model, prose.prompt_hash
        read, wrote = read + prose.input_tokens, wrote + prose.output_tokens
        wrong = check(prose, facts, tuple(plain))
        if not wrong:
            sections = {name: tuple(prose.sections[name]) for name in plain}
            return Narration(
                sections=sections,
                accepted=True,
                model=model,
                prompt_hash=prompt_hash,
                input_tokens=read,
                output_tokens=wrote,
            )
        complaint = "\n".join(wrong[:COMPLAINTS])
    return Narration(
        sections=plain,
        accepted=False,
        model=model,
        prompt_hash=prompt_hash,
        reason=wrong[0],
        input_tokens=read,
        output_tokens=wrote,
    )


def check(prose: Prose, facts: Mapping[str, str], sections: Sequence[str]) -> tuple[str, ...]:
    """Everything that is wrong, one line each, naming the sentence; empty where the prose may stand."""
    wrong = [f"section {name[:60]!r} is not asked for" for name in prose.sections if name not in sections]
    people = frozenset(people_in(facts.values()))
    for name in sections:
        sentences = prose.sections.get(name) or ()
        if not sentences:
            wrong.append(f"section {name!r} is missing or empty")
        if len(sentences) > MOST:
            wrong.append(f"section {name!r} has {len(sentences)} sentences; {MOST} are the most")
        for n, sentence in enumerate(sentences[:MOST], 1):
            wrong += [f"{name}, sentence {n}: {what}" for what in sentence_wrong(sentence, facts, people)]
    return tuple(wrong)


def sentence_wrong(sentence: Sentence, facts: Mapping[str, str], people: Collection[str] = ()) -> Iterator[str]:
    """What is wrong with one sentence against the facts that it cites."""
    shape = _shape(sentence.text)
    if shape:
        yield shape
        return
    unknown = [cite for cite in sentence.cites if cite not in facts]
    if unknown or not sentence.cites:
        yield f"cites {unknown[0][:60]!r}, which is no fact" if unknown else "cites no fact"
        return
    cited = [facts[cite] for cite in sentence.cites]
    text, bad_quotes = _unquoted(sentence.text, cited)
    for quote in bad_quotes:
        yield f"quotes {quote[:60]!r}, which is not verbatim in the facts that it cites"
    proof = "\n".join(_QUOTE.sub(" ", line) for line in cited)
    yield from _figures_wrong(figures(text), [figures(_QUOTE.sub(" ", line)) for line in cited], proof.casefold())
    yield from _names_wrong(text, proof, people)
    yield from _claims_wrong(text, sentence.cites, facts, proof)


def _shape(text: str) -> str:
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST:
        return f"has {len(text)} characters; {LONGEST} are the most"
    if any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in text):
        return "has line breaks, control or invisible characters"
    if found := _MARKUP.search(_QUOTE.sub(" ", text)):
        return f"has markup, a link or an address ({found[0]!r}): plain words only"
    return ""


def _unquoted(text: str, cited: Sequence[str]) -> tuple[str, list[str]]:
    """The sentence without its quotations, and those of them that no cited fact holds verbatim."""
    held = " ".join(cited).casefold()
    bad = [m[1] for m in _QUOTE.finditer(text) if m[1].strip().rstrip(".,;").casefold() not in held or len(m[1]) > 200]
    return _QUOTE.sub(" \x00 ", text), bad


def _figures_wrong(said: Figures, proofs: Sequence[Figures], proof: str) -> Iterator[str]:
    numbers = [number for known in proofs for number in known.numbers]
    stamps = [stamp for known in proofs for stamp in known.stamps]
    names = {name for known in proofs for name in known.names}
    for number in said.numbers:
        if not any(number.same(known) for known in numbers):
            yield f"says {number.text!r}, a figure that the facts it cites do not hold"
    for date, clock in said.stamps:
        if not any(known_date.endswith(date) and known_clock.startswith(clock) for known_date, known_clock in stamps):
            yield f"says {' '.join(filter(None, (date.lstrip('-'), clock)))!r}, a time that the facts it cites do not hold"
    names |= {part for name in names for part in re.split(r"[/@:]", name)}
    for name in said.names:
        if name not in names:
            yield f"names {name!r}, which the facts it cites do not"
    for word in said.proportions:
        if not re.search(rf"\b{re.escape(word)}\b", proof):
            yield f"says {word!r}: give the figure from the facts instead"


def _names_wrong(text: str, proof: str, people: Collection[str]) -> Iterator[str]:
    """Nodes, people and anything else capitalised inside the sentence must be named by the facts it cites."""
    words = {word.casefold() for word in _WORD.findall(proof)}
    for node in nodes_in(text) - nodes_in(proof):
        yield f"names the node {TITLES[node]!r}, which the facts it cites do not"
    tokens = list(_WORD.finditer(text))
    for token, after in itertools.zip_longest(tokens, tokens[1:]):
        bare = token[0].casefold().removesuffix("'s").removesuffix("’s")
        if not token[0][0].isupper() or bare in words | _FREE:
            continue
        opener = text[: token.start()].rstrip()[-1:] in ("", ".", ":", ";")
        if not opener or bare in people or (after is not None and _acts(text, token, after)):
            yield f"names {token[0][:60]!r}, which the facts it cites do not"


_ACTS: Final = frozenset(
    """acknowledged added approved broke caused changed decided deleted deployed did edited failed forgot ignored introduced knew
    merged missed owned owns pressed published pushed removed reverted reviewed said shipped signed switched updated
    wrote""".split()
)
_THINGS: Final = frozenset(
    """a an another each it its nobody nothing one somebody someone somewhere that the their these they this those what which who it
    requests responses traffic tenants users customers operators responders engineers people we i you he she there""".split()
)


def _acts(text: str, first: re.Match[str], second: re.Match[str]) -> bool:
    """Whether a sentence starts with somebody who does something ("Bob merged …", "Bob's change")."""
    if first[0].casefold() in _THINGS or text[first.end() : second.start()].strip():
        return False
    return second[0].casefold() in _ACTS or first[0].endswith(("'s", "’s"))


def nodes_in(text: str) -> set[str]:
    lowered = text.casefold()
    return {node for node in NODES if node in lowered or (" " in TITLES[node] and TITLES[node].casefold() in lowered)}


def _claims_wrong(text: str, cites: Sequence[str], facts: Mapping[str, str], proof: str) -> Iterator[str]:
    """Blame, denial and support: what a plain comparison of words can tell of a sentence's meaning."""
    causes = {id_: line for id_, line in facts.items() if re.fullmatch(r"C\d+", id_)}
    blamed = _OPEN.sub(" ", text) if not any(nodes_in(line) & set(SURFACES) for line in causes.values()) else text
    if blame := _BLAME.search(blamed):
        named = {node for cite in cites for node in nodes_in(causes.get(cite, ""))}
        if not causes.keys() & set(cites):
            yield f"says {blame[0]!r} without citing a cause (C1, C2 …)"
        elif others := nodes_in(text) - named:
            yield f"blames {', '.join(sorted(others))}, which the causes it cites do not name"
    words = {stem(word) for word in _WORD.findall(text) if _telling(word)}
    held = {stem(word) for word in _WORD.findall(proof)}
    if (denial := _DENIAL.search(text)) and not any(words & near for near in _denied(proof)):
        yield f"says {denial[0]!r}, and the facts it cites do not deny that"
    if len(words & held) * 2 < len(words):
        yield f"says more than the facts it cites ({', '.join(sorted(words - held)[:5])})"
    elif not words and not re.search(r"\d", text):
        yield "says nothing of the facts it cites"


def _denied(proof: str) -> Iterator[set[str]]:
    """For each denial in the facts, the words around it: what it may be taken to deny."""
    for line in proof.splitlines():
        for match in _DENIAL.finditer(line):
            around = _WORD.findall(line[: match.start()])[-_NEAR:] + _WORD.findall(line[match.end() :])[:_NEAR]
            yield {stem(word) for word in around if _telling(word)}


def _telling(word: str) -> bool:
    lowered = word.casefold()
    return len(word) > 3 and lowered not in _NEUTRAL and lowered not in _MONTHS and not _DENIAL.fullmatch(word)


def stem(word: str) -> str:
    """Crude on purpose: enough to see that `requested` and `requests` are about the same thing."""
    lowered = word.casefold().removesuffix("'s").removesuffix("’s")
    for suffix in ("ations", "ation", "ingly", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s", "e"):
        if lowered.endswith(suffix) and len(lowered) - len(suffix) >= 4:
            return lowered.removesuffix(suffix)
    return lowered


def says_something(text: str) -> bool:
    """Whether a text blames or denies: a mere name does neither."""
    return bool(_BLAME.search(text) or _DENIAL.search(text))


def unsupported(sentence: Sentence, facts: Mapping[str, str]) -> list[str]:
    """Words of a sentence that say something and stand in none of the facts that it cites, quotations aside."""
    held = {stem(w) for cite in sentence.cites for w in _WORD.findall(_QUOTE.sub(" ", facts.get(cite, "")))}
    words = _WORD.findall(_QUOTE.sub(" ", sentence.text))
    return sorted({word for word in words if _telling(word) and stem(word) not in held})


def people_in(lines: Iterable[str]) -> Iterator[str]:
    """Names of people in the facts: what stands after author, owner or by."""
    for line in lines:
        for match in re.finditer(r"\b(?:author|owner|by) ((?:[^\W\d_][\w'’.-]*\s?){1,4})", _QUOTE.sub(" ", line)):
            yield from (word.casefold() for word in _WORD.findall(match[1]) if word[0].isupper())
