"""Retrieval: built wrongly, built no more, built without a source, empty for some."""

import numpy as np

from triagebot.drill.arrays import DAY, HOUR, MINUTE, chance, one
from triagebot.drill.decoys import regrown
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say
from triagebot.drill.world import Wants

RETRIEVES = Wants(flavours=("prose",), corpus=True)


def stale_index(d: Draft) -> None:
    """The refresh stopped weeks ago. The version does not change any more; the documents grow old."""
    t, w = d.traffic, d.world
    corpus = d.artifact("retrieval_corpus")
    corpus.daily = False
    stopped = w.start + float(d.rng.uniform(0.25, 0.5)) * (w.page_at - w.start)
    if w.page_at - stopped < 9 * DAY:
        raise Redraw
    corpus.kind, corpus.polled = "declared", max(corpus.polled, 6.0)
    minute = d.rng.uniform(0, 200) * MINUTE
    for night in np.arange(np.ceil(w.start / DAY) * DAY + minute, stopped, DAY):
        d.introduce(
            corpus,
            d.rollout(float(night), "step"),
            edit=regrown(1.002),
            event=False,
            harmless=True,
            summary="Nightly rebuild",
        )
    elapsed = np.maximum(t.at - stopped, 0) / DAY
    d.side_effect("age", d.everyone(), np.log1p(elapsed / float(d.rng.uniform(6, 12))))
    d.side_effect("score", d.everyone(), -0.02 * elapsed)
    d.know((t.at > stopped + 4 * DAY) & d.retrieves, 0.25, d.retrieves)
    d.options["onset"] = stopped
    say(d, "age")
    d.decoys(avoid=("retrieval_corpus",), latest=True)
    d.expect(
        "implicated",
        {"node": "retrieval_corpus", "artifact": corpus.name, "owner": corpus.owner_email()},
        notes="Nightly rebuilds stopped and documents age by a day a day; nothing else changed then.",
    )


def deleted_source(d: Draft) -> None:
    """A rebuild lost a source; only questions that need it suffer."""
    corpus = d.artifact("retrieval_corpus")
    gone = int(d.rng.integers(0, len(d.world.sources)))
    needs = d.retrieves & (d.traffic.intent % len(d.world.sources) == gone)
    at = d.onset(needs, least=50, least_before=120)

    def without(detail: dict[str, object]) -> dict[str, object]:
        sources = [s for i, s in enumerate(d.world.sources) if i != gone]
        return {**detail, "sources": sources, "documents": int(int(str(detail["documents"])) * 0.82)}

    change = d.cause("retrieval_corpus", d.rollout(at, "step"), artifact=corpus, edit=without)
    d.options["deleted_source"] = (gone, change.mask)
    d.effect("score", change.mask & needs, sign=-1, among=needs, z=float(d.rng.uniform(10, 30)))
    d.side_effect("empty", change.mask & needs, float(d.rng.uniform(0.5, 2.0)))
    say(d, one(d.rng, ["score", "empty"]))
    d.decoys(avoid=("retrieval_corpus",))
    d.blame(change, notes="The rebuild lost one source; questions that it answered fall, others do not.")


def empty_for_some(d: Draft) -> None:
    """The rebuild dropped a filter field: one region or tenant finds nothing."""
    corpus = d.artifact("retrieval_corpus")
    where, _ = d.slice(one(d.rng, ["region", "tenant"]), least=0.08, most=0.5)
    where = where & d.retrieves
    change = d.cause(
        "retrieval_corpus",
        d.rollout(d.onset(where, least=40, least_before=120), "step"),
        artifact=corpus,
        edit=regrown(0.98),
    )
    d.effect("empty", change.mask & where, among=where, most=0.85)
    say(d, "empty")
    d.decoys(avoid=("retrieval_corpus",))
    d.blame(change, notes="Empty results begin with the rebuild and only where the lost filter field is used.")


def one_bad_night(d: Draft) -> None:
    """The index is rebuilt every night; one of these nights used another chunker."""
    w = d.world
    corpus = d.artifact("retrieval_corpus")
    corpus.daily = False
    minute = d.rng.uniform(0, 240) * MINUTE
    nights = np.arange(np.ceil(w.start / DAY) * DAY + minute, w.page_at - HOUR, DAY)
    if len(nights) < 4:
        raise Redraw
    bad = int(d.rng.integers(1, len(nights) - 1))
    rollout = d.rollout(float(nights[bad]), "step")
    change = d.cause(
        "retrieval_corpus",
        rollout,
        artifact=corpus,
        edit=regrown(1.3),
        summary="Nightly rebuild",
        event=chance(d.rng, 0.5),
    )
    d.effect("score", change.mask, sign=-1, z=float(d.rng.uniform(14, 45)))
    corpus.kind, corpus.polled = "declared", 6.0
    for i, night in enumerate(nights):
        other = d.rollout(float(night), "step")
        if i == bad:
            continue
        if not d.tells_apart(other.mask) or not d.tells_apart(other.mask & corpus.uses):
            raise Redraw
        d.introduce(
            corpus,
            other,
            edit=regrown(float(d.rng.normal(1.003, 0.002))),
            harmless=True,
            summary="Nightly rebuild",
            event=change.event,
        )
    say(d, "score")
    d.decoys(int(d.rng.integers(0, 3)), avoid=("retrieval_corpus",))
    d.blame(change, notes="Of many rebuilds one begins the fall of scores; those of other nights changed nothing.")


FAMILIES = (
    Family("stale_index", "C27", stale_index, Wants(flavours=("prose",), corpus=True, days=(22, 40))),
    Family("deleted_source", "C17", deleted_source, RETRIEVES),
    Family("empty_for_some", "C17", empty_for_some, RETRIEVES),
    Family("one_bad_night", "C17", one_bad_night, Wants(flavours=("prose",), corpus=True, days=(6, 20))),
)
