"""Who asks what, where and when: conversations of several requests under a daily and weekly rhythm."""

from dataclasses import dataclass

import numpy as np

from triagebot.drill.arrays import DAY, HOUR, MINUTE, Floats, Ints, Mask, Rng
from triagebot.drill.world import World

INTERACTIVE, BATCH, EVAL = 0, 1, 2
WORKLOADS = ("interactive", "batch", "eval")
BIN = 15 * MINUTE


@dataclass
class Traffic:
    """One entry a request, ordered by time. `birth` is when its conversation began; `length` is user tokens."""

    at: Floats
    region: Ints
    tenant: Ints
    route: Ints
    intent: Ints
    user: Ints
    conversation: Ints
    turn: Ints
    birth: Floats
    length: Floats
    language: Ints
    workload: Ints
    key: Ints

    def __len__(self) -> int:
        return len(self.at)

    def sorted(self) -> "Traffic":
        order = np.argsort(self.at, kind="stable")
        return Traffic(**{name: getattr(self, name)[order] for name in self.__dataclass_fields__})

    def where(self, mask: Mask) -> "Traffic":
        return Traffic(**{name: getattr(self, name)[mask] for name in self.__dataclass_fields__})

    def joined(self, other: "Traffic") -> "Traffic":
        names = self.__dataclass_fields__
        return Traffic(**{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}).sorted()


def rhythm(world: World, at: Floats, offset: float) -> Floats:
    """Relative rate at the given times in a region whose clock is `offset` hours from UTC."""
    local = (at / HOUR + offset) % 24
    day = np.floor((at + offset * HOUR) / DAY).astype(np.int64)
    weekday = (day + 3) % 7  # day 0 of the epoch was a Thursday
    office = 0.15 + np.exp(-((local - 13.5) ** 2) / 22.0)
    return np.asarray(office * np.where(weekday >= 5, world.weekend, 1.0), dtype=np.float64)


def build_traffic(rng: Rng, world: World, count: int) -> Traffic:
    """`count` interactive requests between world.start and world.end."""
    # Conversations that began before the window are under way when it opens.
    warm_up = (60 if world.long_conversations else 18) * HOUR
    edges = np.arange(world.start - warm_up, world.end, BIN)
    per_conversation = 4.0 if world.long_conversations else 2.2
    n = int(count / per_conversation * 1.7 * (1 + warm_up / (world.end - world.start))) + 40
    tenant = rng.choice(len(world.tenants), n, p=world.tenant_weights)
    region = np.where(
        rng.random(n) < 0.85,
        np.array(world.tenant_region)[tenant],
        rng.choice(len(world.regions), n, p=world.region_weights),
    )
    noise = np.exp(rng.normal(0, 0.12, len(edges)))
    birth = np.empty(n)
    for i, offset in enumerate(world.offsets):
        weight = np.cumsum(rhythm(world, edges, offset) * noise)
        mask = region == i
        spots = np.searchsorted(weight / weight[-1], rng.random(int(mask.sum())))
        birth[mask] = edges[np.minimum(spots, len(edges) - 1)] + rng.random(int(mask.sum())) * BIN
    turns = 1 + rng.geometric(1 / per_conversation, n) - (rng.random(n) < 0.15)
    turns = np.maximum(turns, 1)
    intent = (rng.random(n)[:, None] > np.cumsum(world.tenant_intents[tenant], axis=1)).sum(axis=1)
    intent = np.minimum(intent, len(world.intents) - 1)
    order = rng.permutation(n)
    conversation = np.repeat(order, turns[order])
    first = np.concatenate([[0], np.cumsum(turns[order])[:-1]])
    turn = np.arange(len(conversation)) - np.repeat(first, turns[order])
    slow = 8 * HOUR if world.long_conversations else 1.5 * HOUR
    gaps = np.where(
        rng.random(len(turn)) < 0.25, rng.exponential(slow, len(turn)), rng.exponential(4 * MINUTE, len(turn))
    )
    waited = np.cumsum(np.where(turn == 0, 0.0, gaps))
    at = birth[conversation] + waited - np.repeat(waited[first], turns[order])
    keep = np.flatnonzero((at >= world.start) & (at < world.end))[:count]
    conversation, turn, at = conversation[keep], turn[keep], at[keep]
    where = tenant[conversation]
    # A tenant's routes follow its intents, as an API's customers do.
    route = (np.arange(len(world.intents))[intent[conversation]] + where) % len(world.routes)
    return Traffic(
        at=at,
        region=region[conversation],
        tenant=where,
        route=route,
        intent=intent[conversation],
        user=(
            where * 1000 + (conversation * 7919) % np.maximum((world.tenant_weights[where] * 400).astype(np.int64), 3)
        ),
        conversation=conversation,
        turn=turn,
        birth=birth[conversation],
        length=np.exp(rng.normal(4.0, 0.7, len(at)) + 0.25 * intent[conversation]).clip(8, 6000),
        language=np.minimum(
            rng.choice(len(world.languages), n, p=_language_weights(len(world.languages)))[conversation], 9
        ),
        workload=np.zeros(len(at), dtype=np.int64),
        key=where % len(world.keys),
    ).sorted()


def _language_weights(count: int) -> Floats:
    weights = np.array([0.86, 0.09, 0.05][:count])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def job_runs(
    rng: Rng,
    world: World,
    *,
    start_minute: float,
    minutes: float,
    per_run: int,
    workload: int,
    since: float | None = None,
    key: int = 0,
) -> Traffic:
    """A nightly job of our own: `per_run` requests within `minutes` from `start_minute` after midnight UTC."""
    first = np.floor((since or world.start) / DAY) * DAY + start_minute * MINUTE
    nights = np.arange(first, world.end, DAY)
    at = np.concatenate([night + np.sort(rng.random(per_run)) * minutes * MINUTE for night in nights])
    at = at[(at > (since or world.start)) & (at < world.end)]
    n = len(at)
    zeros = np.zeros(n, dtype=np.int64)
    return Traffic(
        at=at,
        region=zeros,
        tenant=zeros,
        route=zeros,
        intent=rng.integers(0, len(world.intents), n),
        user=zeros,
        conversation=10_000_000 + workload * 1_000_000 + np.arange(n),
        turn=zeros,
        birth=at.copy(),
        length=np.exp(rng.normal(4.2, 0.5, n)),
        language=zeros,
        workload=np.full(n, workload, dtype=np.int64),
        key=np.full(n, key, dtype=np.int64),
    )
