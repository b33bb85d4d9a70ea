"""What nobody can decide with this folder, and what has more than one answer."""

from triagebot.drill.arrays import DAY, HOUR, one
from triagebot.drill.draft import ENOUGH_TO_TELL_APART, Draft, Redraw
from triagebot.drill.family import Family, pick_symptom, say, symptom
from triagebot.drill.knobs import KNOBS
from triagebot.drill.prompts import with_line
from triagebot.drill.rollouts import Rollout
from triagebot.drill.world import Wants


def slow_drift(d: Draft) -> None:
    """A slope over the whole window, no step, no change that fits it."""
    t, w = d.traffic, d.world
    knob, sign = pick_symptom(d)
    spec = KNOBS[knob]
    top = float(d.rng.uniform(2.0, 3.2)) * (0.55 * spec.sd if not spec.rate else 1.0)
    slope = ((t.at - w.start) / (w.page_at - w.start)).clip(0, 1.2)
    d.side_effect(knob, d.everyone(), sign * top * slope)
    half = t.at >= w.start + 0.5 * (w.page_at - w.start)
    d.know(half, 0.04)
    d.options["onset"] = float(w.start + 0.3 * (w.page_at - w.start))
    say(d, knob)
    d.titles = ("quarterly review: quality keeps sliding", "slow decline over weeks", *d.titles)
    d.decoys(int(d.rng.integers(1, 4)), latest=False)
    d.expect(
        "undetermined", notes="A slope without a step: no single change began it, and what feeds it is not recorded."
    )


def before_the_window(d: Draft) -> None:
    """Retention begins with the change: a handful of requests before it, everything else after."""
    at = float(d.traffic.at[int(d.rng.integers(2, 16))]) + 1
    surface = one(d.rng, ["prompt_version", "model_alias"])
    change = d.cause(
        surface,
        d.rollout(at, "step"),
        event=True,
        edit=with_line("tone", "Be formal.") if surface == "prompt_version" else None,
    )
    knob, sign = pick_symptom(d)
    spec = KNOBS[knob]
    d.side_effect(knob, change.mask, sign * (float(d.rng.uniform(1.0, 2.2)) if spec.rate else 0.7 * spec.sd))
    say(d, knob)
    d.titles = tuple(f"{title}, maybe for longer than we keep traces" for title in d.titles)
    d.decoys(int(d.rng.integers(0, 3)), latest=False, avoid=(surface,))
    d.expect("undetermined", notes="The change is as old as the traces: there is nothing before it to compare with.")


def invisible_tenant(d: Draft) -> None:
    """One customer suffers and the attribute, the text and the trace that would show it are not kept."""
    d.recorded |= {"prompt": float(d.rng.uniform(0.25, 0.4)), "prompt_text": 0.0}
    for artifact in d.artifacts:
        if artifact.surface == "prompt_version":
            artifact.kind, artifact.polled = None, 0.0
    d.titles = (
        "support ticket nobody can reproduce: broken answers for one customer",
        "customer sends a trace id that we do not have",
        "3 % of answers unusable says one account",
    )
    d.decoys(int(d.rng.integers(0, 3)))
    d.expect(
        "undetermined",
        notes="Prompt versions are on a third of the spans, texts on none, and the ticket's trace was not kept.",
    )


def stutter(d: Draft) -> None:
    """Users call it stuttery; nothing records the chunks of a stream."""
    d.recorded["ttft"] = 0.0
    d.titles = ("streamed answers stutter", "typing effect is twitchy since Tuesday", "text arrives letter by letter")
    d.decoys(int(d.rng.integers(1, 4)))
    d.expect(
        "undetermined",
        notes="All that is recorded is flat, and the page is about gaps between chunks, which are not recorded.",
    )


def _apart(d: Draft) -> None:
    """Every cause must be told from every other one."""
    masks = [c.mask for c in d.changes if not c.harmless]
    for i, truth in enumerate(d.truths):
        for j, mask in enumerate(masks):
            if i != j and truth.info * float(((mask != truth.mask) & truth.ground).sum()) < 40:
                raise Redraw


def bundle(d: Draft) -> None:
    """A weekly release moved prompt, model and tool descriptions; three groups of tickets, three causes."""
    t = d.traffic
    at = d.onset(least=300, most=0.5)
    gap = (d.world.page_at - at) * 0.12
    alias = d.cause("model_alias", d.rollout(at, one(d.rng, ["share_ramp", "step"])))
    region, scope = d.slice("region", least=0.25, most=0.75)
    begun = at + float(d.rng.uniform(0, 1)) * gap
    prompt = d.cause(
        "prompt_version",
        Rollout(region & (t.at >= begun), begun, scope, "one_region", ((begun, scope),)),
        edit=with_line("tone", "Always say sorry first."),
        event=True,
    )
    index = int(d.rng.integers(0, len(d.world.tools)))
    d.options["alternative"] = index
    tools = d.cause(
        "tool_schemas",
        d.rollout(at + float(d.rng.uniform(0.5, 2)) * gap, "step"),
        event=True,
        edit=lambda ts: [
            {**x, "description": x["description"] + " Use it first."} if i == index else x for i, x in enumerate(ts)
        ],
    )
    d.effect("out_len", alias.mask, z=float(d.rng.uniform(14, 30)))
    d.effect("apology", prompt.mask, z=float(d.rng.uniform(11, 25)))
    d.effect("tool_alt", tools.mask, z=float(d.rng.uniform(12, 30)), most=0.8)
    _apart(d)
    d.titles = (
        "three kinds of tickets since the weekly release",
        "apologies, long answers, odd tool use: what did we ship?",
        "since the release several things are off",
    )
    d.decoys(int(d.rng.integers(0, 3)), avoid=("model_alias", "prompt_version", "tool_schemas"))
    d.blame(
        alias,
        prompt,
        tools,
        notes="Three symptoms with three exposures: lengths follow the model, apologies the prompt, tool choice the tools.",
    )


def two_slices(d: Draft) -> None:
    """The same complaint in two places, for two reasons, at two times."""
    t, w = d.traffic, d.world
    region, scope = d.slice("region", least=0.2, most=0.6)
    at = d.onset(region, least=150)
    prompt = d.cause(
        "prompt_version",
        Rollout(region & (t.at >= at), at, scope, "one_region", ((at, scope),)),
        event=True,
        edit=with_line("tone", "Be chatty."),
    )
    later = d.onset(~region, least=150)
    code = d.cause("code", d.rollout(later, "step", ~region))
    if abs(later - at) < 0.05 * (w.page_at - w.start):
        raise Redraw
    knob, sign = pick_symptom(d)
    d.effect(knob, prompt.mask, sign=sign)
    d.effect("app_error", code.mask, most=0.5)
    _apart(d)
    say(d, knob)
    d.decoys(int(d.rng.integers(0, 3)), avoid=("prompt_version", "code"))
    d.blame(
        prompt, code, notes="One region has the new prompt and its symptom, the others the new release and its errors."
    )


def corpus_and_tool(d: Draft) -> None:
    """Scores fell with a rebuild; tool calls are refused since a new tool list. Two causes, two symptoms."""
    at = d.onset(d.retrieves, least=120)
    corpus = d.cause(
        "retrieval_corpus",
        d.rollout(at, "step"),
        edit=lambda detail: {**detail, "embedding_model": str(detail["embedding_model"]) + "-b"},
    )
    server = d.cause(
        "tool_schemas",
        d.rollout(d.onset(d.uses_tool, least=60), "step"),
        edit=lambda ts: [{**x, "inputSchema": {**x["inputSchema"], "additionalProperties": False}} for x in ts],
    )
    d.effect("score", corpus.mask, sign=-1, z=float(d.rng.uniform(14, 40)))
    d.effect("tool_error", server.mask, most=0.7)
    _apart(d)
    d.titles = (
        "wrong articles cited and look-ups fail",
        "quality tickets of two kinds",
        "answers unusable for several reasons",
    )
    d.decoys(int(d.rng.integers(0, 3)), avoid=("retrieval_corpus", "tool_schemas"))
    d.blame(
        corpus,
        server,
        notes="Retrieval scores follow the rebuild, tool errors the tool list; neither explains the other.",
    )


def owner_gone(d: Draft) -> None:
    """Clear cause, and whoever was to answer for it has left or never was a person."""
    surface = one(d.rng, ["prompt_version", "model_alias"])
    artifact = d.artifact(surface)
    artifact.owner_mode = one(d.rng, ["team", "inactive"])
    artifact.owner = one(d.rng, [p for p in d.world.people if not p.active])
    change = d.cause(
        surface, d.rollout(d.onset()), edit=with_line("tone", "Use emoji.") if surface == "prompt_version" else None
    )
    symptom(d, change.mask)
    d.decoys(avoid=(surface,))
    d.blame(change, notes="The change is clear; ownership ends at somebody who has left or at a team's name.")


def noise_after_hours(d: Draft) -> None:
    """A quiet night, a threshold on few requests, many changes: nothing moved."""
    knob, _ = pick_symptom(d)
    say(d, knob)
    d.titles = tuple(f"{title} for 15 min" for title in d.titles[:3])
    d.decoys(int(d.rng.integers(3, 7)), latest=False)
    for _ in range(int(d.rng.integers(2, 6))):
        d.decoys(1, latest=False)
    d.expect("none_of_five", notes="Many changes, none with an effect; the alert is a short burst of chance.")


def unseen_in_one_slice(d: Draft) -> None:
    """One slice stepped; what changed lately changed for everybody, at other hours."""
    where, _ = d.slice(least=0.1, most=0.45)
    at = d.onset(where)
    d.options["onset"] = at
    symptom(d, where & (d.traffic.at >= at), among=where)
    d.decoys(int(d.rng.integers(2, 5)), latest=True)
    d.expect("undetermined", notes="A step in one slice that no recorded change reaches: something unobserved.")


def too_late_to_tell(d: Draft) -> None:
    """Two changes went out in the same quarter of an hour to the same users: one of them did it."""
    t = d.traffic
    at = d.onset(least=60, most=0.3)
    times = t.at[(t.at > at - 20) & d.before_page]
    second = float(times[min(int(d.rng.integers(1, 4)), len(times) - 1)]) + 1
    d.recorded["prompt"] = d.recorded["model"] = 1.0
    prompt = d.cause("prompt_version", d.rollout(at, "step"), event=True, edit=with_line("tone", "Be warmer."))
    if not prompt.artifact.uses.all():
        raise Redraw
    model = d.introduce(d.artifact("model_alias"), d.rollout(second, "step"), event=True, harmless=True)
    knob = symptom(d, prompt.mask)
    if d.tells_apart(model.mask, least=ENOUGH_TO_TELL_APART / 10):
        raise Redraw  # an effect as plain as this one is told by three requests
    if second - at > HOUR or d.world.page_at - at < 0.02 * DAY:
        raise Redraw
    say(d, knob)
    d.decoys(int(d.rng.integers(0, 2)), latest=False, avoid=("prompt_version", "model_alias"))
    d.expect(
        "undetermined",
        notes="Prompt and model changed within minutes for everybody; the requests in between are too few to tell.",
        either=["prompt_version", "model_alias"],
    )


FAMILIES = (
    Family("slow_drift", "C18", slow_drift, Wants(days=(15, 40), content=("full", "output"), requests=(3000, 6000))),
    Family("before_the_window", "C28", before_the_window, Wants(days=(3, 8), content=("full", "output"))),
    Family(
        "invisible_tenant",
        "C28",
        invisible_tenant,
        Wants(content=("none",), scores=False, feedback=False),
        pairs=("S1-06/no incident",),
    ),
    Family("stutter", "C22", stutter, Wants(flavours=("prose", "agent", "code"))),
    Family(
        "bundle",
        "C04",
        bundle,
        Wants(flavours=("agent",), tools=True, content=("full", "output"), requests=(3500, 6000)),
    ),
    Family("two_slices", "C04", two_slices),
    Family("corpus_and_tool", "C04", corpus_and_tool, Wants(flavours=("prose",), tools=True, corpus=True)),
    Family("owner_gone", "C08", owner_gone),
    Family("noise_after_hours", "C03", noise_after_hours, Wants(content=("full",)), pairs=("S1-06/no incident",)),
    Family("unseen_in_one_slice", "C28", unseen_in_one_slice),
    Family("too_late_to_tell", "C02", too_late_to_tell),
)
