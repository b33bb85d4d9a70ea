"""Prompts in arms and conversations: an experiment, weights, and what a revert leaves behind."""

import numpy as np

from triagebot.drill.arrays import DAY, Mask, rfc3339
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say, symptom
from triagebot.drill.prompts import with_line, without_section
from triagebot.drill.rollouts import Rollout
from triagebot.drill.world import Wants


def _arm(d: Draft, share: float) -> Mask:
    place = (d.traffic.conversation * 2654435761 % 10007) / 10007
    return np.asarray(place < share, dtype=np.bool_)


def ab_on_tokens(d: Draft) -> None:
    """An experiment wins on output tokens and loses on outcome."""
    at = d.onset(least=500, most=0.8)
    share = float(d.rng.choice([0.2, 0.5]))
    mask = _arm(d, share) & (d.traffic.at >= at)
    d.options |= {"score_share": 0.5, "thumbs_share": 0.4}
    scope = {"share": f"{int(share * 100)}%"}
    change = d.cause(
        "prompt_version",
        Rollout(mask, at, scope, "share_ramp", ((at, scope),)),
        edit=without_section("clarify"),
        summary="Experiment: concise prompt",
    )
    if d.world.scores:
        d.effect("quality", change.mask, sign=-1, seen=0.45)
    else:
        d.effect("outcome", change.mask, sign=-1, seen=0.25, z=9.0)
    d.effect("out_len", change.mask, sign=-1, z=float(d.rng.uniform(9, 25)))
    say(d, "outcome")
    d.decoys(avoid=("prompt_version",))
    d.blame(
        change, notes="The arm with the new prompt saves tokens and is worse for users; the other arm is as before."
    )


def weights_moved(d: Draft) -> None:
    """Two variants were live all along; one of them was always worse, and its weight was raised."""
    t, w = d.traffic, d.world
    at = d.onset(least=300)
    low, high = float(d.rng.uniform(0.06, 0.12)), float(d.rng.uniform(0.4, 0.7))
    mask = np.where(t.at >= at, _arm(d, high), _arm(d, low))
    prompt = d.artifact("prompt_version")
    d.recorded["prompt"] = 1.0
    rollout = Rollout(mask, w.start - DAY, None, "share_ramp", ((w.start - DAY, None),))
    change = d.introduce(
        prompt, rollout, edit=with_line("tone", "Explain each step."), event=False, summary="Variant B"
    )
    symptom(d, change.mask)
    d.options["onset"] = at
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "prompt_version",
            "artifact": prompt.name,
            "author": d.person(),
            "summary": f"Variant weights {int(low * 100)}/{100 - int(low * 100)} to "
            f"{int(high * 100)}/{100 - int(high * 100)}",
            "source": "dashboard",
        }
    )
    d.decoys(avoid=("prompt_version",))
    d.blame(
        change,
        notes="No new version: the weight of a variant that was always worse was raised, which is a prompt change.",
    )


def revert_residue(d: Draft) -> None:
    """The prompt was reverted and the mean did not recover: conversations that lived under it carry it in their history."""
    t = d.traffic
    times = t.at[d.before_page]
    first, second = (float(times[int(len(times) * q)]) for q in (d.rng.uniform(0.45, 0.55), d.rng.uniform(0.72, 0.82)))
    prompt = d.artifact("prompt_version")
    d.recorded["prompt"] = max(d.recorded["prompt"], 0.8)
    change = d.introduce(
        prompt,
        d.rollout(first, "step"),
        edit=with_line("tone", "Always offer three alternatives."),
        until=second,
        event=True,
        summary="Offer alternatives",
    )
    touched = np.unique(t.conversation[change.mask])
    exposed = np.isin(t.conversation, touched) & (t.at >= first) & prompt.uses
    symptom(d, exposed)
    residue = exposed & (t.at >= second) & d.before_page
    if residue.sum() < 40 or not d.tells_apart(change.mask) or not d.tells_apart(t.at >= first):
        raise Redraw
    d.titles = (*d.titles, "still down after yesterday's revert", "metric not recovering after the rollback")
    d.decoys(avoid=("prompt_version",))
    d.blame(
        change, notes="New conversations recovered with the revert, those born under the bad version did not: residue."
    )


FAMILIES = (
    Family("ab_on_tokens", "C31", ab_on_tokens, Wants(scores=True, feedback=True)),
    Family("weights_moved", "C13", weights_moved),
    Family(
        "revert_residue",
        "C30",
        revert_residue,
        Wants(days=(5, 16), long_conversations=True),
        pairs=("S4-02/wrong guess",),
    ),
)
