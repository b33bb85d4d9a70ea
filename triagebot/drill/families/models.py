"""The model behind a name: moved, moved and back, moved unseen, retired."""

import numpy as np

from triagebot.drill.arrays import DAY, HOUR, chance, fingerprint, one, rfc3339
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say, symptom
from triagebot.drill.prompts import with_line
from triagebot.drill.records import polled_times
from triagebot.drill.world import Wants

MOVED = "The served id moved and the symptom follows it; everything else that moved did so at another hour."


def alias_hidden_slice(d: Draft) -> None:
    """The mean score rises a little; one cohort that pays falls."""
    where, scope = d.slice(least=0.08, most=0.3)
    d.options |= {"score_share": 0.6, "intent_known": "intent" in scope and d.world.content != "full"}
    change = d.cause("model_alias", d.rollout(d.onset(where), one(d.rng, ["step", "region_ramp", "share_ramp"])))
    d.effect("quality", change.mask & where, sign=-1, among=where, seen=0.5)
    d.side_effect("quality", change.mask & ~where, float(d.rng.uniform(0.2, 0.4)))
    d.titles = (
        "account manager: our largest customer complains",
        "renewal at risk, citing answer quality",
        "churn signal",
    )
    d.decoys(avoid=("model_alias",))
    d.blame(change, notes="The mean hides it: within one slice the score fell where the new id serves.")


def alias_improved(d: Draft) -> None:
    """A better model breaks the work-arounds of those who use it most."""
    where, _ = d.slice(one(d.rng, ["tenant", "route", "region"]), least=0.2, most=0.6)
    d.options |= {"score_share": 0.5, "thumbs_share": 0.45}
    change = d.cause("model_alias", d.rollout(d.onset(where, least=320), one(d.rng, ["step", "share_ramp"])))
    better = d.effect("quality", change.mask, sign=1, seen=0.45, z=float(d.rng.uniform(9, 16)))
    # Thumbs follow quality; where habits broke they fall all the same.
    d.side_effect("outcome", change.mask & where, -1.1 * better - float(d.rng.uniform(1.8, 2.6)))
    d.titles = (
        "ticket volume doubled although scores are up",
        "heavy users complain about the better model",
        "thumbs-down share rising",
    )
    d.decoys(avoid=("model_alias",))
    d.blame(change, notes="The score rose and the thumbs fell with the same move of the served id.")


def alias_past_window(d: Draft) -> None:
    """An old ticket: the id moved twice since, and what it saw was only under the middle one."""
    t, w = d.traffic, d.world
    times = t.at[d.before_page]
    first, second = (float(times[int(len(times) * q)]) for q in (d.rng.uniform(0.25, 0.4), d.rng.uniform(0.55, 0.72)))
    change = d.cause("model_alias", d.rollout(first, "step"))
    d.introduce(d.artifact("model_alias"), d.rollout(second, "step"), harmless=True, summary="Successor release")
    mask = change.mask & (t.at < second)
    d.recorded["model"] = max(d.recorded["model"], 0.8)
    knob = symptom(d, mask)
    day = rfc3339(float(d.rng.uniform(first + 0.3 * (second - first), second)))[:10]
    d.titles = (
        f"customer ticket dated {day}: {knob.replace('_', ' ')}, cannot be reproduced today",
        f"screenshot from {day} shows an answer that we cannot get any more",
    )
    d.decoys(avoid=("model_alias",), latest=bool(w.batch))
    d.blame(
        change, notes="At the date of the ticket the alias meant the middle id; the symptom begins and ends with it."
    )


def _probes(d: Draft, at: float, before: dict[str, float], after: dict[str, float], name: str, n: int) -> None:
    """Observations of a scheduled probe with fixed prompts: same label, distributions against a frozen reference."""
    w = d.world
    alias = d.artifact("model_alias")
    rng = d.rng
    every = float(rng.choice([6.0, 12.0, 24.0]))
    if w.page_at - at < 2.2 * every * HOUR or at - w.start < 2.2 * every * HOUR:
        raise Redraw
    for when in polled_times(rng, w.start - 2 * HOUR, w.end, every):
        base = before if when < at else after
        shown = {key: round(value * float(np.exp(rng.normal(0, 0.012))), 4) for key, value in base.items()}
        p_value = float(rng.uniform(0.05, 0.95)) if when < at else float(10 ** -rng.uniform(6, 14))
        d.observations.append(
            {
                "observed_at": rfc3339(when),
                "service": w.service,
                "surface": "model_alias",
                "artifact": alias.name,
                "fingerprint": fingerprint({"probe": name, "drifted": when >= at}),
                "label": None,
                "detail": {
                    "probe": {
                        "set": name,
                        "n": n,
                        "p_value": p_value,
                        "test": "energy distance, 2000 permutations",
                        **shown,
                    }
                },
                "source": "probe",
            }
        )


def same_name_probed(d: Draft) -> None:
    """Same id, other behaviour; the scheduled probe with fixed prompts saw it."""
    at = d.onset()
    mask = d.rollout(at, "step").mask
    d.recorded["model"] = 1.0
    d.options["onset"] = at
    alias = d.artifact("model_alias")
    symptom(d, mask)
    _probes(
        d,
        at + d.rng.uniform(0, 0.3) * HOUR,
        {"median_output_tokens": 92.0, "refusals": 0.02, "score": 0.91},
        {"median_output_tokens": 119.0, "refusals": 0.06, "score": 0.86},
        f"canary-{int(d.rng.integers(16, 40))}",
        120,
    )
    d.decoys(avoid=("model_alias",))
    d.expect(
        "implicated",
        {"node": "model_alias", "artifact": alias.name, "owner": alias.owner_email()},
        notes="The id did not move; fixed prompts got other answers from the hour of the onset: behaviour under an unchanged name.",
    )


def same_name_unprobed(d: Draft) -> None:
    """Same id, other behaviour, no probe: open."""
    at = d.onset()
    d.recorded |= {"model": 1.0, "fingerprint": 1.0}
    d.options["onset"] = at
    symptom(d, d.rollout(at, "step").mask)
    d.decoys()
    d.expect(
        "undetermined",
        notes="Every recorded version is constant; a model that moved under its name is likely and not proven.",
    )


def confidence_recalibrated(d: Draft) -> None:
    """A vendor recalibrated its confidence; a frozen reference set shows it, accuracy does not move."""
    at = d.onset()
    d.recorded["model"] = 1.0
    d.options["onset"] = at
    alias = d.artifact("model_alias")
    d.effect("confidence", d.rollout(at, "step").mask, sign=1, z=float(d.rng.uniform(15, 45)))
    say(d, "confidence")
    _probes(
        d,
        at,
        {"median_confidence": 0.78, "accuracy": 0.93},
        {"median_confidence": 0.91, "accuracy": 0.93},
        "frozen-reference",
        200,
    )
    d.decoys(avoid=("model_alias",))
    d.expect(
        "implicated",
        {"node": "model_alias", "artifact": alias.name, "owner": alias.owner_email()},
        notes="Confidence on the frozen reference set rose at the same id while accuracy did not; the gate's constant is stale.",
    )


def tokenizer_upgrade(d: Draft) -> None:
    """A new id cuts the same bytes into more tokens: the cached prefix no longer matches, the outputs are the same."""
    at = d.onset()
    change = d.cause("model_alias", d.rollout(at, one(d.rng, ["step", "region_ramp"])))
    d.recorded["cache"] = 1.0
    d.effect("cache", change.mask, sign=-1, z=float(d.rng.uniform(14, 40)))
    d.side_effect("tokens_per_byte", change.mask, float(d.rng.uniform(0.04, 0.11)))
    say(d, "tokens_per_byte")
    d.decoys(avoid=("model_alias",))
    d.blame(
        change, notes="Identical prompts count more tokens under the new id and its cached prefix is gone in one step."
    )


def wrong_axis_ramp(d: Draft) -> None:
    """Ramped by share of users while only hard inputs break: the onset is the first step of the ramp."""
    where, _ = d.slice("long", least=0.1, most=0.4)
    at = d.onset(where, least=160)
    change = d.cause("model_alias" if chance(d.rng, 0.5) else "prompt_version", d.rollout(at, "share_ramp"))
    symptom(d, change.mask & where, among=where)
    d.titles = (*d.titles, "one customer with long documents reports corruption")
    d.decoys(avoid=(change.artifact.surface,))
    d.blame(
        change, notes="Only long inputs break, in the share of users that the ramp has reached, from its first step on."
    )


def eval_green_stale(d: Draft) -> None:
    """The suite is green and older than the change: it clears nothing and causes nothing."""
    at = d.onset()
    d.suite_runs_until = at - d.rng.uniform(0.5, 5) * DAY
    change = d.cause(one(d.rng, ["model_alias", "prompt_version"]), d.rollout(at))
    symptom(d, change.mask)
    d.decoys(avoid=(change.artifact.surface, "eval_freshness"))
    d.blame(change, notes="The last evaluation ran before the change; it is why nobody noticed, not what broke.")


def wrong_revert(d: Draft) -> None:
    """The prompt was taken back and nothing got better, because it was the model."""
    t, w = d.traffic, d.world
    at = d.onset(least=260, most=0.5)
    change = d.cause("model_alias", d.rollout(at, "step"))
    symptom(d, change.mask)
    prompt = d.artifact("prompt_version")
    times = t.at[(t.at > at) & d.before_page]
    for _ in range(20):
        began = at + d.rng.normal(0, 6) * HOUR
        ended = float(times[int(len(times) * d.rng.uniform(0.35, 0.65))])
        if not w.start + DAY / 2 < began < ended:
            continue
        guess = (t.at >= began) & (t.at < ended)
        if d.tells_apart(guess) and d.tells_apart(t.at >= began):
            d.introduce(
                prompt,
                d.rollout(began, "step"),
                edit=with_line("tone", "Thank the user first."),
                until=ended,
                harmless=True,
                event=True,
            )
            break
    else:
        raise Redraw
    d.titles = (*d.titles, "reverted the prompt, still bad", "revert did not help")
    d.decoys(int(d.rng.integers(0, 3)), avoid=("model_alias", "prompt_version"))
    d.blame(
        change,
        notes="New and old conversations are equally bad after the revert: it was the served id, not the prompt.",
    )


def model_retired(d: Draft) -> None:
    """The provider has switched the id off: 404 for those who still ask for it."""
    w = d.world
    at = d.onset(least=25, most=0.3)
    mask = d.rollout(at, one(d.rng, ["step", "region_ramp", "share_ramp"])).mask
    d.options["onset"] = at
    d.effect("err_404", mask, z=float(d.rng.uniform(15, 60)), most=0.99)
    alias = d.artifact("model_alias")
    alias.content = {"retires_at": rfc3339(at)[:10]}
    say(d, "err_5xx")
    d.decoys(avoid=("model_alias",))
    d.expect(
        "none_of_five",
        {"node": "provider", "artifact": w.provider},
        notes="Calls fail with model_not_found from the published retirement date on; nothing of ours moved.",
    )


def long_ago(d: Draft) -> None:
    """Introduced weeks before the page; what changed this week is innocent."""
    t = d.traffic
    times = t.at[d.before_page]
    at = float(times[int(len(times) * d.rng.uniform(0.12, 0.35))]) + 1
    surface = one(d.rng, ["model_alias", "prompt_version", "prompt_version"])
    change = d.cause(surface, d.rollout(at))
    symptom(d, change.mask)
    d.decoys(int(d.rng.integers(2, 6)), latest=True, avoid=(surface,))
    d.blame(change, notes="The symptom began weeks before the page, with a change that everybody has forgotten.")


FAMILIES = (
    Family("alias_hidden_slice", "C20", alias_hidden_slice, Wants(scores=True)),
    Family(
        "alias_improved", "C31", alias_improved, Wants(scores=True, feedback=True, size=1.15), pairs=("S4-06/S1-01",)
    ),
    Family("alias_past_window", "C29", alias_past_window, Wants(days=(14, 40))),
    Family("same_name_probed", "C12", same_name_probed, pairs=("S0-07/S1-01",)),
    Family("same_name_unprobed", "C12", same_name_unprobed, pairs=("S0-07/S1-01",)),
    Family(
        "confidence_recalibrated",
        "C12",
        confidence_recalibrated,
        Wants(flavours=("label",), content=("full", "output")),
    ),
    Family("tokenizer_upgrade", "C26", tokenizer_upgrade, Wants(cache=True, content=("full",)), pairs=("S3-06/S3-02",)),
    Family("wrong_axis_ramp", "C20", wrong_axis_ramp),
    Family("eval_green_stale", "C18", eval_green_stale, Wants(suite=True)),
    Family("wrong_revert", "C30", wrong_revert, pairs=("S4-02/wrong guess",)),
    Family("model_retired", "C21", model_retired),
    Family("long_ago", "C01", long_ago, Wants(days=(22, 40))),
)
