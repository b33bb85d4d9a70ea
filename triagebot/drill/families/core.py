"""The core families: one of each node, and the three ways of having nobody to blame."""

import numpy as np

from triagebot.drill.arrays import DAY, HOUR, MINUTE, chance, rfc3339, sigmoid
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import TITLES, Family, pick_symptom, say, symptom
from triagebot.drill.knobs import KNOBS
from triagebot.drill.prompts import with_line
from triagebot.drill.traffic import EVAL
from triagebot.drill.world import Wants


def alias_moved(d: Draft) -> None:
    """The alias resolves to another dated id, for all or in steps; its behaviour changes, maybe only on some inputs."""
    at = d.onset()
    rollout = d.rollout(at)
    change = d.cause("model_alias", rollout)
    where = None
    mask = change.mask
    if chance(d.rng, 0.3):
        where, _ = d.slice(least=0.15)
        mask = mask & where
    symptom(d, mask, among=where)
    d.decoys(avoid=("model_alias",))
    d.blame(
        change,
        notes="The served id moved and the symptom follows it; everything else that moved did so at another hour.",
    )


def prompt_skew(d: Draft) -> None:
    """A prompt version is live in one region only, and only that region shows the symptom."""
    region, _ = d.slice("region", least=0.12, most=0.7)
    at = d.onset(region)
    rollout = d.rollout(at, "step", region)
    index = int(d.traffic.region[region][0])
    rollout.scope, rollout.kind = {"region": d.world.regions[index]}, "one_region"
    rollout.stages = ((at, rollout.scope),)
    change = d.cause("prompt_version", rollout, edit=with_line("tone", "Be warm and personal; greet the user by name."))
    symptom(d, change.mask)
    d.decoys()
    d.blame(change, notes="Two prompt versions are live at once; only the region with the new one shows the symptom.")


def tool_type_drift(d: Draft) -> None:
    """A third party returns a number as text; the declared schema has not changed."""
    d.options["drift_value"] = ["{} days", "approx. {}", "{}.0 (est.)"][int(d.rng.integers(3))]
    drifting = [i for i, tool in enumerate(d.world.tools) if "integer" in tool.result.values()]
    if not drifting:
        raise Redraw
    users = d.uses_tool & (d.tool == drifting[int(d.rng.integers(len(drifting)))])
    at = d.onset(users, least=40, least_before=80)
    mask = users & (d.traffic.at >= at)
    d.options["onset"] = at
    d.effect("type_drift", mask, among=users, most=0.97)
    server = d.artifact("tool_schemas")
    d.decoys(avoid=("tool_schemas",))
    say(d, "type_drift")
    d.expect(
        "implicated",
        {"node": "tool_schemas", "artifact": server.name, "owner": server.owner_email()},
        notes="A field of a live result changed its type under an unchanged declared schema; calls before that are clean.",
    )


def embedding_mismatch(d: Draft) -> None:
    """The index was rebuilt with another embedding model than the one that encodes queries."""
    at = d.onset(d.retrieves)
    corpus = d.artifact("retrieval_corpus")
    rollout = d.rollout(at, "step")

    def rebuilt(detail: dict[str, object]) -> dict[str, object]:
        name = str(detail["embedding_model"])
        head, _, number = name.rpartition("-")
        return {
            **detail,
            "embedding_model": f"{head}-{int(number) + 1}",
            "documents": int(int(str(detail["documents"])) * 1.002),
        }

    change = d.cause("retrieval_corpus", rollout, artifact=corpus, edit=rebuilt)
    d.effect("score", change.mask, sign=-1, z=float(d.rng.uniform(14, 45)))
    if chance(d.rng, 0.5):
        d.side_effect("empty", change.mask, 0.8)
    say(d, "score")
    d.decoys(avoid=("retrieval_corpus",))
    d.blame(
        change, notes="Retrieval scores fell with the rebuild, which used another embedding model than the queries."
    )


def judge_changed(d: Draft) -> None:
    """The judge of the online score changed; the product did not."""
    judge = next(a for a in d.artifacts if a.surface == "eval_freshness" and a.kind == "declared")
    at = d.onset(least=160)
    rollout = d.rollout(at, "step")

    model = chance(d.rng, 0.5)

    def rejudged(detail: dict[str, object]) -> dict[str, object]:
        head, _, number = str(detail["judge_model"]).rpartition("-")
        return {**detail, "judge_model": f"{head}-{int(number) + 1}"} if model else {**detail, "rubric": "stricter"}

    judge.polled = max(judge.polled, 6.0)
    unseen = not judge.told_by(d.world.page_at - at)
    change = d.introduce(judge, rollout, edit=rejudged, summary="Adopt the new rubric", event=True if unseen else None)
    d.effect("judge", change.mask, sign=-1 if chance(d.rng, 0.75) else 1, z=float(d.rng.uniform(9, 30)), seen=0.4)
    say(d, "judge")
    d.decoys(avoid=("eval_freshness",))
    d.blame(
        change, notes="Only the score moved, with its judge; outputs, feedback and errors did not: the ruler moved."
    )


def provider_brownout(d: Draft) -> None:
    """The provider is slow and sheds load; its status page stays green."""
    at = d.onset(least=50, most=0.12)
    w = d.world
    mask = (d.traffic.at >= at) & d.everyone()
    if chance(d.rng, 0.3) and len(w.regions) > 1:
        region, _ = d.slice("region", least=0.2, most=0.9)
        mask &= region
    d.options["onset"] = at
    d.effect("latency", mask, z=float(d.rng.uniform(12, 40)))
    d.effect("err_5xx", mask, z=float(d.rng.uniform(3, 8)), most=0.3, primary=False)
    if chance(d.rng, 0.6):
        d.side_effect("timeout", mask, 1.6)
    d.events.append(
        {
            "at": rfc3339(at + d.rng.uniform(5, 40) * MINUTE),
            "service": w.service,
            "surface": "provider",
            "artifact": w.provider,
            "summary": "Status page: all systems operational",
            "source": "status_page",
        }
    )
    say(d, "latency")
    d.decoys()
    d.expect(
        "none_of_five",
        {"node": "provider", "artifact": w.provider},
        notes=f"Calls to {w.provider} slowed down and failed at once for every version and tenant; our own time did not grow.",
    )


def deploy_code(d: Draft) -> None:
    """A release of the service itself breaks requests where it is live."""
    at = d.onset()
    rollout = d.rollout(at, ["step", "region_ramp", "one_region"][int(d.rng.integers(3))])
    change = d.cause(
        "code",
        rollout,
        summary=["Rework the response mapper", "Move to async client", "Split the handler"][int(d.rng.integers(3))],
    )
    d.options["app_error_type"] = ["KeyError", "ValidationError", "TypeError", "JSONDecodeError"][
        int(d.rng.integers(4))
    ]
    mask = change.mask
    if chance(d.rng, 0.4):
        where, _ = d.slice(least=0.2)
        mask = mask & where
    d.effect("app_error", mask, most=0.6)
    say(d, "app_error")
    d.decoys(avoid=("code",))
    d.blame(
        change, notes="Requests fail in our own code after the model has answered, exactly where the new release runs."
    )


def quota_own_eval(d: Draft) -> None:
    """Our own nightly evaluation grew and shares the production key: 429 on users while it runs."""
    w = d.world
    minutes = float(d.rng.uniform(14, 40))
    start = float((w.page_at / MINUTE - d.rng.uniform(6, minutes)) % 1440)  # the page comes while it runs
    nights = (w.end - w.start) / DAY
    usual = max(int(len(d.traffic) * 0.02 / nights), 3)
    d.jobs(EVAL, start_minute=start, minutes=minutes * 0.4, per_run=usual)
    nights_since = float(d.rng.integers(3, max(4, min(9, int(nights * 0.6)))))
    at = np.floor((w.page_at - nights_since * DAY) / DAY) * DAY + start * MINUTE - d.rng.uniform(2, 9) * HOUR
    if at < w.start + DAY:
        raise Redraw
    d.jobs(EVAL, start_minute=start, minutes=minutes, per_run=usual * int(d.rng.integers(4, 9)), since=float(at))
    t = d.traffic
    minute = (t.at / MINUTE) % 1440
    inside = (minute >= start) & (minute <= start + minutes) & (t.at >= at)
    mask = inside & (t.key == 0)
    if (mask & (t.workload == 0) & d.before_page).sum() < 25:
        raise Redraw
    d.options |= {"workload_known": True, "onset": float(at)}
    d.effect("err_429", mask, most=0.75, z=float(d.rng.uniform(12, 30)))
    say(d, "err_429")
    cases = int(d.rng.integers(200, 400))
    suite = w.suite or "nightly-suite"
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "job",
            "artifact": f"{suite} nightly run",
            "before": f"{cases // 3} cases",
            "after": f"{cases} cases",
            "author": d.person(),
            "reference": f"https://git.{w.domain}/{w.service}/pull/{int(d.rng.integers(40, 4000))}",
            "summary": f"Grow the nightly suite by {cases - cases // 3} cases",
            "source": "ci",
        }
    )
    d.decoys(latest=False)
    d.expect(
        "none_of_five",
        {"node": "quota"},
        notes="429s fall on users of one key only while our own evaluation runs; the provider is healthy, traffic is normal.",
    )


def traffic_mix(d: Draft) -> None:
    """Inputs changed: an intent or a tenant with another rate grew. Within each slice nothing moved."""
    kind = ["intent", "tenant", "long"][int(d.rng.integers(3))]
    if kind == "long" and d.world.content != "full":
        raise Redraw  # tokens alone hardly tell long inputs from long contexts
    where, _ = d.slice(kind, least=0.06, most=0.3)
    d.options["intent_known"] = kind == "intent" and d.world.content != "full"  # else nobody can tell what grew
    at = d.onset(least=250, most=0.5)
    # The slice has always been worse; it is thinned out before the onset so that only its share moves.
    knob, sign = pick_symptom(d)
    kept = ~where | (d.traffic.at >= at) | (d.rng.random(d.n) < float(d.rng.uniform(0.08, 0.2)))
    where = where[kept]
    d.thin(kept)
    before, after = d.traffic.at < at, (d.traffic.at >= at) & d.before_page
    d.effect(knob, where, sign=sign, z=float(d.rng.uniform(14, 40)), primary=False)
    if where[after].mean() < 2.2 * where[before].mean() or (where & before).sum() < 25:
        raise Redraw
    if not moved_overall(d, knob, at):
        raise Redraw
    d.know(d.traffic.at >= at, 0.2)
    d.options |= {"onset": at, "slice": kind}
    say(d, knob)
    d.decoys()
    d.expect(
        "none_of_five",
        {"node": "traffic"},
        notes=f"The rate within every {kind} is what it was; the share of a {kind} that was always worse grew.",
    )


def moved_overall(d: Draft, knob: str, at: float) -> bool:
    """Whether the mean over all requests moves visibly at a time, given the predictor as it stands."""
    predictor = d.predictor(knob)
    value = sigmoid(predictor) if KNOBS[knob].rate else predictor
    before, after = value[d.traffic.at < at], value[(d.traffic.at >= at) & d.before_page]
    middle = float(value.mean())
    spread = np.sqrt(middle * (1 - middle)) if KNOBS[knob].rate else KNOBS[knob].sd
    return bool(abs(after.mean() - before.mean()) >= 6.5 * spread * np.sqrt(1 / len(before) + 1 / len(after)))


def nothing_changed(d: Draft) -> None:
    """The page is noise or a mood; changes around it are real and without effect."""
    knob, _ = pick_symptom(d)
    say(d, knob)
    d.decoys(int(d.rng.integers(2, 6)), latest=chance(d.rng, 0.5))
    d.expect(
        "none_of_five", notes="Nothing that can be measured moved; what changed in the registries is without effect."
    )


def unobserved_step(d: Draft) -> None:
    """Behaviour stepped, and no registry, event or attribute shows what did it."""
    at = d.onset()
    rollout = d.rollout(at, "step")
    mask = rollout.mask
    if chance(d.rng, 0.35):
        where, _ = d.slice(least=0.15)
        mask = mask & where
    d.options["onset"] = at
    symptom(d, mask)
    d.decoys(int(d.rng.integers(1, 5)))
    d.expect(
        "undetermined",
        notes="Something stepped; every version that is recorded is constant across the step or moved at another hour.",
    )


def weak_effect(d: Draft) -> None:
    """A change came minutes or hours ago: too few requests to say whether it did anything."""
    t = d.traffic
    times = t.at[d.before_page]
    few = int(d.rng.integers(6, 22))
    at = float(times[-few] - 5)
    surface = ["prompt_version", "model_alias"][int(d.rng.integers(2))]
    change = d.cause(surface, d.rollout(at, "step"))
    knob, sign = pick_symptom(d)
    d.side_effect(
        knob, change.mask, sign * float(d.rng.uniform(0.0, 0.5)) * (1.0 if KNOBS[knob].rate else KNOBS[knob].sd)
    )
    d.titles = TITLES[knob]
    d.options["onset"] = at
    d.decoys(int(d.rng.integers(0, 3)), latest=False, avoid=(surface,))
    d.expect(
        "undetermined", notes=f"{few} requests since the change: neither an effect nor its absence can be shown yet."
    )


FAMILIES = (
    Family("alias_moved", "C11", alias_moved, pairs=("S0-07/S1-01", "S4-06/S1-01")),
    Family("prompt_skew", "C13", prompt_skew),
    Family(
        "tool_type_drift", "C15", tool_type_drift, Wants(flavours=("prose", "agent"), tools=True, content=("full",))
    ),
    Family("embedding_mismatch", "C17", embedding_mismatch, Wants(flavours=("prose",), corpus=True)),
    Family("judge_changed", "C19", judge_changed, Wants(judge=True, scores=True)),
    Family("provider_brownout", "C21", provider_brownout, pairs=("S1-09/S0-10", "S4-09/S0-10")),
    Family("deploy_code", "C03", deploy_code),
    Family("quota_own_eval", "C23", quota_own_eval, Wants(days=(6, 25)), pairs=("S3-08/S3-03",)),
    Family("traffic_mix", "C20", traffic_mix, Wants(content=("full", "output"))),
    Family("nothing_changed", "C03", nothing_changed, Wants(content=("full", "full", "output"))),
    Family("unobserved_step", "C28", unobserved_step),
    Family("weak_effect", "C20", weak_effect, Wants(days=(3, 9))),
)
