"""Bayes factors of "this exposure moved this signal" against "it did not", in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triagebot.attribution.panel import Column
from triagebot.attribution.thresholds import EFFECT_SCALES, MIN_EVENTS, MIN_SIDE, NORMAL_FROM

Array = NDArray[np.float64]


def log_bayes_factor(z2: Array, information: Array) -> Array:
    """Ln BF of an effect with a normal prior, averaged over EFFECT_SCALES standard deviations.

    `z2` is the squared z of the effect, `information` the exposed variance left after adjustment (e'Pe), in requests.
    """
    parts = []
    for scale in EFFECT_SCALES:
        g = scale**2 * information
        parts.append(0.5 * z2 * g / (1 + g) - 0.5 * np.log1p(g))
    stacked = np.stack(parts)
    top = stacked.max(axis=0)
    return np.asarray(top + np.log(np.exp(stacked - top).mean(axis=0)))


def weigh_exposures(column: Column, exposures: Array) -> tuple[Array, Array]:
    """(ln BF, effect) of every exposure (panel rows x k, values 0 to 1) on one signal; effect in the signal's scaled unit.

    Exposures that leave too few requests or events on a side get a ln BF of 0: they say nothing.
    """
    group = column.group
    own = exposures[group.rows]
    residual = group.residual(own)
    information = np.einsum("ij,ij->j", residual, residual)
    product = column.residual @ residual
    exposed = own.sum(axis=0)
    usable = (exposed >= MIN_SIDE) & (own.shape[0] - exposed >= MIN_SIDE) & (information > 1e-6 * max(1, own.shape[0]))
    safe = np.where(usable, information, 1.0)
    effect = np.where(usable, product / safe, 0.0)
    # The variance with the effect taken out: a large effect must not hide in the noise that it makes itself.
    total = column.sigma2 * max(1, own.shape[0])
    left = np.maximum(total - np.where(usable, product**2 / safe, 0.0), 0.02 * total) / max(1, own.shape[0])
    z2 = np.where(usable, product**2 / (safe * left), 0.0)
    if column.binary:
        z2 = guard_rare(z2, product, safe, column.rate, column.raw.size)
    return np.where(usable, log_bayes_factor(z2 / column.dispersion, information), 0.0), effect


def guard_rare(z2: Array, product: Array, information: Array, rate: float | Array, n: int) -> Array:
    """A handful of rare events looks enormous to a normal approximation: there the Poisson deviance of the contrast holds.

    `product` is the excess of events in the contrast, `information` its size in requests, `rate` the share with events.
    """
    rare = np.minimum(rate, 1 - np.asarray(rate))
    excess = np.where(np.asarray(rate) <= 0.5, product, -product)
    expected = np.maximum(information * rare, 1e-9)
    seen = np.maximum(expected + excess, 0.0)
    deviance = 2 * (np.where(seen > 0, seen * np.log(np.maximum(seen, 1e-12) / expected), 0.0) - (seen - expected))
    guarded = np.where(expected < NORMAL_FROM, np.minimum(z2, np.maximum(deviance, 0.0)), z2)
    return np.asarray(np.where(rare * n < MIN_EVENTS, 0.0, guarded))
