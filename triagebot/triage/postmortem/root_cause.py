"""Whether a root cause says anything. "Prompt regression" names a mood, not a cause; the rule wants three specific words."""

# ruff: noqa: SIM905  # word lists are read as text, not as columns of quotation marks

from __future__ import annotations

import re
import unicodedata
from typing import Final

SPECIFIC_WORDS: Final = 3

# What is said when nothing is: the names of the surfaces in general, of people in general, and of going wrong.
VAGUE: Final = frozenset(
    """
    ai agent agents alert alerts alias anomaly answer answers api app application assistant bad badly behave behaved behaves
    behavior behavior's behaviour broke broken bug bugs cause caused causes changed change changes chatbot code config
    configuration corpus data degradation degradations degrade degraded degrades degrading deploy deployed deployment
    deployments developer developers different differently dip drift drifted drifting drop dropped engineer engineers error
    errors eval evals evaluation event fail failed failing fails failure failures fault faults faulty feature fix flaky fluke
    general generation genai glitch glitches hallucinate hallucinated hallucinating hallucination hallucinations hiccup human
    humans incident incidents incorrect index infra infrastructure input inputs instability internal investigate
    investigation issue issues language large llm llms load logic low manual mess misconfiguration misconfigured mishap
    mistake mistakes misbehaved model models n na network none noise nothing operator operators outage outages output outputs
    overload people performance person persons platform poor problem problems process production prompt prompts prompting
    provider providers quality rag random regress regressed regressing regression regressions release released request
    requests response responses result results retrieval reverted root rollout schema schemas service services slip software
    something somebody someone somehow spike staff stale surface surfaces system systems tbc tbd team teams temporary thing
    things todo tool tools traffic transient trouble typo unclear undetermined unexpected unexplained unforeseen unknown
    unspecified unstable update updated updates upstream user users vendor vendors version versions weird went worse wrong
    """.split()
)
FILLER: Final = frozenset(
    """
    a about after again all also an and any are as at be because been before being but by can could did do does due during
    either every fact few for from further got had has have he her here his how i in into is it its itself just last likely
    made main mainly make many may maybe might minor more most mostly much my no not now of off on one only or other our out
    over overall own part partly perhaps pending please possible possibly presumably primarily primary probably quite rather
    really same she should simple simply since slight slightly small so some still such than that the their them then there
    these they this those through to too two under underlying unfortunately up us very via was we were what when where
    which while who why will with within without would yesterday today yet you your
    """.split()
)
# Hyphens, slashes and dots inside a word belong to it (`support/system`, `gpt-4.1`); a word of a vague word's parts is vague.
_WORD = re.compile(r"[^\W_]+(?:[-./_:@][^\W_]+)*")
_PART = re.compile(r"[-./_:@]")


def normalised(text: str) -> str:
    """Compatibility forms, no case, no accents, no invisible characters: what a reader sees is what is judged."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = (
        " " if unicodedata.category(c) in ("Zs", "Cc") else c
        for c in folded
        if unicodedata.category(c) not in ("Cf", "Mn")
    )
    return " ".join("".join(kept).split())


def specific(text: str) -> set[str]:
    """The words of a root cause that say something about this incident."""
    found = set()
    for word in _WORD.findall(normalised(text)):
        parts = [part for part in _PART.split(word) if part]
        if all(part in VAGUE or part in FILLER or (part.isdigit() and len(parts) == 1) for part in parts):
            continue
        found.add(word)
    return found


def complaint(text: str) -> str:
    """What is wrong with a root cause; "" where it says something."""
    if not normalised(text):
        return "the root cause is empty"
    words = specific(text)
    if len(words) >= SPECIFIC_WORDS:
        return ""
    shown = " ".join(text.split())[:80]
    return (
        f"the root cause says only “{shown}”: name the artifact, what changed in it from what to what, and which control "
        "was missing"
    )
