"""Explanations made by hand, and what is read of and decided on them."""

from __future__ import annotations

import numpy as np

from tests.fakes.walks import SERVICE, change, explanation, spread, table, weighed
from triagebot.attribution.panel import build_panel
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Suspect
from triagebot.surfaces.tree import TREE
from triagebot.triage.attribute import Attribution
from triagebot.triage.decide import decide
from triagebot.triage.read import read

N = 200
BY_NAME = {signal.name: signal for signal in SIGNALS}
TABLE = table(spread(N))


def suspect(node="prompt_version", surface="", artifact="support/system", **more):
    told = change(surface or node, artifact, **more)
    return Suspect(key=told.key, node=node, change=told, served=True, requests=90)


PROMPT = suspect()
MODEL = suspect("model_alias", artifact="m")
RELEASE = suspect("application", "code", "api")


def named(seed, by, chance=0.95, *members, **more):
    return explanation(seed, *members, best=by.key, posterior={by.key: chance, "": 1 - chance}, **more)


def unexplained(seed, *members, **more):
    return explanation(seed, *members, posterior={"": 0.97}, **more)


def found(*explanations, suspects=(PROMPT, MODEL, RELEASE), mixed=()):
    return Attribution(tuple(suspects), tuple(explanations), tuple(r for _, r in mixed), tuple(mixed), {}, None)


def panel_of(**values):
    """The panel of these signals' values, a number for each of the requests."""
    told = {name: np.asarray(one, dtype=float) for name, one in values.items()}
    signals = [BY_NAME[name] for name in told]
    return build_panel(TABLE.at, TABLE.weight, {}, {}, told, signals, np.zeros((N, 0)))


def decided(attribution, *, words=(), visible=True, blind="nothing is recorded", table=TABLE, **more):
    around = weighed(table, suspects=attribution.suspects, explanations=attribution.explanations)
    readings = read(attribution, around, TREE, SERVICE, BY_NAME, frozenset(words))
    return decide(readings, attribution, visible=visible, blind=blind, **more)


def causes(decision):
    return [r.suspect.change.artifact if r.suspect else r.node for r in decision.told]
