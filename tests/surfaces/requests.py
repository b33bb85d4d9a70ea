"""Four hundred requests, evenly over the window, of which the second half has what changed."""

from __future__ import annotations

import numpy as np

from tests.fakes.walks import spread
from triagebot.surfaces.exposure import suspects

N = 400
AT = spread(N)
SECOND_HALF = np.arange(N) >= N // 2


def labels(before, later, mask=SECOND_HALF):
    return np.where(mask, later, before)


def one(node, changes, table_, artifacts=()):
    """The one suspect and its candidate that a node makes of these changes and requests."""
    found = suspects(node, changes, table_, artifacts)
    assert len(found) == 1, [s.change for s, _ in found]
    return found[0]
