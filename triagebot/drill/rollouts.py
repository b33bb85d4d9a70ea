"""Slices of the traffic, and the ways in which a change reaches it."""

from dataclasses import dataclass

import numpy as np

from triagebot.drill.arrays import HOUR, Mask, Rng, chance, one
from triagebot.drill.traffic import Traffic
from triagebot.drill.world import World

KINDS = ("step", "step", "region_ramp", "share_ramp", "birth", "one_region")


@dataclass
class Rollout:
    """Who is exposed: `mask` over requests. `scope` is what a change event would say, `stages` when each part began."""

    mask: Mask
    at: float
    scope: dict[str, str] | None = None
    kind: str = "step"
    stages: tuple[tuple[float, dict[str, str] | None], ...] = ()


def slice_of(
    rng: Rng, world: World, t: Traffic, kind: str | None, share: tuple[float, float]
) -> tuple[Mask, dict[str, str]] | None:
    """A random region, tenant, route, intent or long inputs whose share of the requests lies within `share`."""
    named = {
        "region": (t.region, world.regions),
        "tenant": (t.tenant, world.tenants),
        "route": (t.route, world.routes),
        "intent": (t.intent, world.intents),
    }
    options: list[tuple[str, Mask, dict[str, str]]] = [
        (what, codes == i, {what: name}) for what, (codes, labels) in named.items() for i, name in enumerate(labels)
    ]
    options.append(("long", t.length > np.quantile(t.length, 0.75), {"input": "long"}))
    good = [o for o in options if share[0] <= o[1].mean() <= share[1] and kind in (None, o[0])]
    if not good:
        return None
    _, mask, scope = one(rng, good)
    return mask, scope


def roll_out(rng: Rng, world: World, t: Traffic, at: float, kind: str, base: Mask) -> Rollout:
    """Exposure of `base` from `at` in one of KINDS; a single region goes at once."""
    left = world.page_at - at
    if kind == "region_ramp" and len(world.regions) > 1:
        order = rng.permutation(len(world.regions))
        gap = min(left * 0.6 / len(order), rng.uniform(0.5, 14) * HOUR)
        starts = np.empty(len(order))
        starts[order] = at + gap * np.arange(len(order))
        regions = tuple((float(starts[i]), {"region": world.regions[i]}) for i in order)
        return Rollout(base & (t.at >= starts[t.region]), at, None, kind, regions)
    if kind == "share_ramp":
        unit = t.tenant if chance(rng, 0.4) else t.conversation
        place = (unit * 2654435761 % 10007) / 10007
        gap = min(left * 0.2, rng.uniform(0.5, 20) * HOUR)
        share = np.select([t.at >= at + 2 * gap, t.at >= at + gap, t.at >= at], [1.0, 0.5, 0.15], 0.0)
        shares = ((at, {"share": "15%"}), (at + gap, {"share": "50%"}), (at + 2 * gap, {"share": "100%"}))
        return Rollout(base & (place < share), at, None, kind, shares)
    if kind == "birth":
        return Rollout(base & (t.birth >= at), at, None, kind, ((at, None),))
    return Rollout(base & (t.at >= at), at, None, "step", ((at, None),))
