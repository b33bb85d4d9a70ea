"""Weighs candidate changes, one unobserved rival and "nothing changed" on every signal, and peels causes off one by one.

Each round takes the signal that says most, finds what explains it (with the signals that moved together with it), and takes
that exposure out of all signals before the next round: what is left over is another cause, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.board import Board
from triagebot.attribution.fitting import BESIDE
from triagebot.attribution.hypotheses import Candidate, Cause, Explanation
from triagebot.attribution.panel import Column, Group, Panel, Slice, orthonormal
from triagebot.attribution.scan import Moved, scan
from triagebot.attribution.stories import explain, shared
from triagebot.attribution.thresholds import MAX_CAUSES, NAMED, PRIOR_CANDIDATE

Array = NDArray[np.float64]
A_TRACE = 0.3  # of what is plain is a trace
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Weighing:
    """`explanations`, the strongest first; none where nothing moved that can be told from chance. `perhaps` are the signals that
    moved rather than not, and not so surely that it is told, with the ln odds that they did.
    """

    explanations: tuple[Explanation, ...]
    perhaps: Mapping[str, float]


def weigh(
    panel: Panel, candidates: Sequence[Candidate], slices: Sequence[Slice], causes: Sequence[Cause] = ()
) -> Weighing:
    """`causes` are what there is beside the candidates: something unobserved is one of them."""
    columns = dict(panel.columns)
    explained: list[Explanation] = []
    perhaps: dict[str, float] = {}
    open_names = set(columns)
    scanned: dict[str, tuple[Column, Moved]] = {}
    for _ in range(MAX_CAUSES + 2):
        live = [columns[name] for name in columns if name in open_names]
        if not live:
            break
        # What a round leaves as it is says in the next what it said.
        scanned = {name: one for name, one in scanned.items() if columns[name] is one[0]}
        told = scan(panel, [column for column in live if column.signal.name not in scanned], slices)
        scanned |= {name: (columns[name], one) for name, one in told.items()}
        moved = {c.signal.name: scanned[c.signal.name][1] for c in live if c.signal.name in scanned}
        board = Board.build(live, candidates, moved, causes).sharpened(panel, slices)
        seed = board.seed(len(slices))
        if seed is None:
            perhaps = board.perhaps()
            break
        open_names &= board.stirred()
        explanation, exposure = explain(board, panel, seed, slices)
        lit = _in_the_light_of(explanation, explained)
        if lit.posterior[lit.best] < NAMED:
            known = {e.best for e in _sure(explained)}
            witness = board.witness(panel, seed, lit.posterior, known, len(slices))
            if witness is not None:
                explanation, exposure = explain(board, panel, witness, slices)
        # A signal that follows something else clearly better is another symptom: it is left as it is for the next round.
        others = board.others(panel, explanation, exposure, len(slices))
        both = shared(board, panel, others, exposure, len(slices))
        others -= both
        columns |= _condition(panel, {n: c for n, c in columns.items() if n in open_names - others}, exposure)
        mine = [m for m in explanation.members if m.signal not in others]
        after = scan(panel, [columns[m.signal] for m in mine], slices[:1])
        wholly = [
            m for m in mine if m.signal not in both and (m.signal not in after or after[m.signal].best < 0.5 * m.best)
        ]
        members = (*wholly, *(m for m in mine if m.signal in both))
        explained.append(replace(explanation, members=members))
        open_names -= {explanation.seed.signal, *(m.signal for m in wholly)}
    return Weighing(tuple(_in_the_light_of(explanation, explained) for explanation in explained), perhaps)


def _in_the_light_of(explanation: Explanation, all_: Sequence[Explanation]) -> Explanation:
    """A change that is certain to have done one thing need not be doubted for another that it fits as well; that it did a little
    is no word on what is plain.
    """
    least = A_TRACE * explanation.strength
    sure = {e.best for e in _sure(all_) if e is not explanation and e.strength >= least}
    if not sure or explanation.best in sure:
        return explanation
    raised = {key: p * BESIDE / PRIOR_CANDIDATE if key in sure else p for key, p in explanation.posterior.items()}
    total = sum(raised.values()) / max(1 - explanation.nothing, 1e-9)
    posterior = {key: p / total for key, p in raised.items()}
    best = max(posterior, key=lambda key: posterior[key])
    if best not in sure:
        return explanation
    return replace(explanation, posterior=posterior, best=best, variant="")


def _sure(explanations: Sequence[Explanation]) -> list[Explanation]:
    """Those whose change is certain."""
    return [e for e in explanations if e.best and e.posterior[e.best] >= SURE]


def _condition(panel: Panel, columns: dict[str, Column], exposure: Array) -> dict[str, Column]:
    """Takes an exposure out of every signal, by adding it to the basis of each group of rows.

    With it go its products with the strata: a change that hurts one route more than another is one cause, not two.
    """
    groups: dict[int, Group] = {}
    result: dict[str, Column] = {}
    products = exposure[:, None] * np.concatenate([np.ones((panel.size, 1)), panel.strata], axis=1)
    for name, column in columns.items():
        old = column.group
        if id(old) not in groups:
            groups[id(old)] = _widened(old, products)
        group = groups[id(old)]
        added = group.basis[:, old.basis.shape[1] :]
        residual = column.residual - added @ (added.T @ column.residual)
        squares = float(residual @ residual)
        sigma2 = max(squares / max(1.0, old.rows.size - group.basis.shape[1]), 1e-12)
        result[name] = replace(column, group=group, residual=residual, sigma2=sigma2, squares=squares)
    return result


def _widened(group: Group, products: Array) -> Group:
    residual = group.residual(products[group.rows])
    norms = np.linalg.norm(residual, axis=0)
    residual = residual[:, norms > 1e-6]
    if residual.shape[1] == 0:
        return group
    added = orthonormal(residual)
    # Twice is enough: the second projection removes what rounding left of the old basis.
    added = orthonormal(added - group.basis @ (group.basis.T @ added))
    return replace(group, basis=np.concatenate([group.basis, added], axis=1))
