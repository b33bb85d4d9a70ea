"""Prompt versions: edited, edited behind everybody's back, ramped, weighed, reverted, and one that nobody can judge."""

from triagebot.drill.arrays import DAY, HOUR, MINUTE, chance, one
from triagebot.drill.artifacts import Change
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import TITLES, Family, pick_symptom, say, symptom
from triagebot.drill.prompts import with_line, without_section
from triagebot.drill.rollouts import Rollout
from triagebot.drill.world import Wants

SECTIONS = {
    "json": (("format", "json_invalid", 1), ("format", "fence", 1), ("rationale", "rationale", -1)),
    "label": (("format", "json_invalid", 1), ("rationale", "rationale", -1)),
    "code": (("format", "fence", 1), ("format", "preamble", 1)),
    "prose": (("safety", "unsafe", 1), ("commitments", "claim", 1), ("clarify", "clarify", -1)),
    "agent": (("commitments", "claim", 1), ("safety", "unsafe", 1), ("clarify", "clarify", -1)),
}


def section_deleted(d: Draft) -> None:
    """A clean-up deleted a section that no evaluation covers; the page comes days later, after other deploys."""
    section, knob, sign = one(d.rng, SECTIONS[d.world.flavour])
    prompt = d.artifact("prompt_version")
    at = d.onset(least=400, most=0.75)
    if d.world.page_at - at < 3 * DAY:
        raise Redraw
    prompt.kind, prompt.polled = "git", 0.0
    rollout = d.rollout(at, one(d.rng, ["step", "step", "region_ramp", "birth"]))
    change = d.cause("prompt_version", rollout, edit=without_section(section), summary="Prompt clean-up")
    d.effect(knob, change.mask, sign=sign)
    if knob in ("unsafe", "claim", "clarify"):
        # What was said can only be read; that it is worse, the online score says too.
        d.effect("quality", change.mask, sign=-1, seen=0.35, z=float(d.rng.uniform(9, 18)))
    say(d, knob)
    d.decoys(latest=True, avoid=("prompt_version",))
    d.blame(change, notes=f"The diff deletes the section {section}; what it kept in check began with that version.")


def unregistered_triggered(d: Draft) -> None:
    """A dashboard edit of weeks ago that only hurts one kind of input, woken today when that input grew; a release is near."""
    t, w = d.traffic, d.world
    where, _ = d.slice("intent", least=0.08, most=0.35)
    d.options["intent_known"] = d.world.content != "full"  # else nobody can tell what woke it
    times = t.at[d.before_page]
    first = float(times[int(len(times) * d.rng.uniform(0.3, 0.5))])
    woken = float(times[int(len(times) * d.rng.uniform(0.82, 0.95))])
    kept = ~where | (t.at >= woken) | (d.rng.random(d.n) < d.rng.uniform(0.2, 0.35))
    where = where[kept]
    d.thin(kept)
    t = d.traffic
    prompt = d.artifact("prompt_version")
    where &= prompt.uses
    d.recorded["prompt"] = 1.0
    change = d.introduce(
        prompt,
        d.rollout(first, "step"),
        edit=with_line("tone", "Feel free to explain your answer."),
        event=False,
        summary="",
        label=f"dash-{int(d.rng.integers(3, 40))}",
    )
    change.in_git = False
    prompt.kind = one(d.rng, ["git", "git", None])
    prompt.polled = 0.0
    if chance(d.rng, 0.5):
        prompt.owner_mode = one(d.rng, ["team", "inactive"])
        prompt.owner = one(d.rng, [p for p in w.people if not p.active])
    knob, sign = pick_symptom(d)
    d.effect(knob, change.mask & where, sign=sign, among=where, z=float(d.rng.uniform(12, 30)))
    if not d.tells_apart(t.at >= woken):
        raise Redraw
    release = d.rollout(woken - d.rng.uniform(1, 12) * MINUTE, one(d.rng, ["step", "one_region"]))
    if not d.tells_apart(release.mask):
        raise Redraw
    d.introduce(d.artifact("code"), release, harmless=True, event=True, summary="Release the new form")
    say(d, knob)
    d.decoys(int(d.rng.integers(0, 3)), avoid=("prompt_version", "code"))
    d.blame(
        change, notes="Introduced weeks ago by an edit that no registry knows, triggered when that kind of input grew."
    )


def deploy_not_prompt(d: Draft) -> None:
    """The twin: an unregistered prompt of weeks ago is innocent and the release before the spike is not."""
    t = d.traffic
    times = t.at[d.before_page]
    prompt = d.artifact("prompt_version")
    d.recorded["prompt"] = 1.0
    old = d.introduce(
        prompt,
        d.rollout(float(times[int(len(times) * d.rng.uniform(0.25, 0.5))]), "step"),
        event=False,
        harmless=True,
        label=f"dash-{int(d.rng.integers(3, 40))}",
        edit=with_line("tone", "Sign with the team's name."),
        summary="",
    )
    old.in_git = False
    at = d.onset(least=40, most=0.15)
    change = d.cause("code", d.rollout(at, one(d.rng, ["step", "region_ramp"])), summary="Release the new form")
    d.options["app_error_type"] = one(d.rng, ["JSONDecodeError", "ValidationError"])
    d.effect("app_error", change.mask, most=0.6)
    if not d.tells_apart(old.mask):
        raise Redraw
    d.titles = (*TITLES["app_error"], *TITLES["json_invalid"])
    d.decoys(int(d.rng.integers(0, 3)), avoid=("code", "prompt_version"))
    d.blame(
        change,
        notes="The prompt that nobody registered has been there for weeks without harm; the spike came with the release.",
    )


def tone_breaks_json(d: Draft) -> None:
    """A tone edit and an unrelated fix shipped together; the prompt reached new conversations only."""
    at = d.onset(least=200)
    rollout = d.rollout(at, one(d.rng, ["birth", "share_ramp", "region_ramp"]))
    change = d.cause(
        "prompt_version",
        rollout,
        edit=with_line("tone", "Be warm and friendly."),
        event=True,
        summary="Friendlier tone",
    )
    code = d.rollout(at - d.rng.uniform(-3, 3) * MINUTE, "step")
    symptom(d, change.mask, (("preamble", 1), ("json_invalid", 1), ("fence", 1), ("apology", 1)))
    if not d.tells_apart(code.mask):
        raise Redraw
    d.introduce(d.artifact("code"), code, harmless=True, event=True, summary="Fix: retry on connection reset")
    d.decoys(int(d.rng.integers(0, 3)), avoid=("prompt_version", "code"))
    d.blame(
        change,
        notes="Prompt and code came in the same hour; the symptom follows the prompt's version, not the release's.",
    )


def rationale_stripped(d: Draft) -> None:
    """A cost refactor removed the reason from the output; nobody asked until the audit."""
    at = d.onset(least=400, most=0.8)
    d.options["rationale"] = True
    change = d.cause(
        "prompt_version",
        d.rollout(at, one(d.rng, ["step", "region_ramp"])),
        edit=without_section("rationale"),
        summary="Cut output tokens by a third",
    )
    d.effect("rationale", change.mask, sign=-1, z=40.0)
    d.side_effect("out_len", change.mask, -float(d.rng.uniform(0.15, 0.4)))
    say(d, "rationale")
    d.decoys(avoid=("prompt_version",))
    d.blame(change, notes="Outputs lost the rationale with the version that deletes its section.")


def prompt_bloat(d: Draft) -> None:
    """Twelve examples were added to the prompt: cost per request up, nothing else."""
    at = d.onset()
    examples = "\n".join(f"Example {i}: a request and its answer, in full." for i in range(12))
    change = d.cause(
        "prompt_version", d.rollout(at), edit=with_line("format", examples), summary="Add few-shot examples"
    )
    d.effect("prompt_len", change.mask, sign=1, z=float(d.rng.uniform(18, 50)))
    say(d, "prompt_len")
    d.decoys(avoid=("prompt_version",))
    d.blame(change, notes="Requests, calls and price are as before; tokens per call grew with the prompt version.")


def eval_saturated(d: Draft) -> None:
    """All green, and the suite no longer tells good from bad: users feel what it cannot."""
    at = d.onset(least=200)
    d.suite_saturated = True
    d.options["score_share"] = 0.4
    change = d.cause("prompt_version", d.rollout(at), edit=with_line("tone", "Keep every answer to one sentence."))
    d.effect("quality", change.mask, sign=-1, seen=0.35)
    say(d, "quality")
    d.decoys(avoid=("prompt_version", "eval_freshness"))
    d.blame(change, notes="A suite at 98 % cannot clear anything; the online score fell with the prompt version.")


def unmeasurable(d: Draft) -> None:
    """A prompt did change and the page is about tone, but nothing that could show tone is recorded."""
    at = d.onset()
    d.cause(
        "prompt_version",
        d.rollout(at, one(d.rng, ["step", "one_region"])),
        event=True,
        edit=with_line("tone", "Be playful."),
        summary="Playful tone",
    )
    d.titles = (
        "wrong-tone replies reported by two customers",
        "customers say the bot became rude",
        "tone of answers is off",
    )
    d.options["onset"] = at
    d.decoys(int(d.rng.integers(0, 3)))
    d.expect(
        "undetermined",
        notes="A change is on record and no text, score or feedback is: neither blame nor clearance is possible.",
    )


def closest_is_innocent(d: Draft) -> None:
    """Skew by region; an index rebuild, a release and an old evaluation lie closer to the page."""
    region, scope = d.slice("region", least=0.15, most=0.7)
    at = d.onset(region, least=120)
    rollout = Rollout(region & (d.traffic.at >= at), at, scope, "one_region", ((at, scope),))
    change: Change = d.cause("prompt_version", rollout, edit=with_line("tone", "Use exclamation marks!"))
    symptom(d, change.mask)
    d.suite_runs_until = at - 2 * DAY
    corpus = d.artifact("retrieval_corpus")
    for _ in range(20):
        build = d.rollout(float(d.world.page_at - d.rng.uniform(0.4, 30) * HOUR), "step")
        if build.at > at and d.tells_apart(build.mask) and d.tells_apart(build.mask & corpus.uses):
            d.introduce(corpus, build, harmless=True, event=True, summary="Scheduled rebuild")
            break
    else:
        raise Redraw
    d.decoys(int(d.rng.integers(1, 4)), latest=True)
    d.blame(
        change,
        notes="The nearest changes are innocent: only the region with the new prompt is affected, since its hour.",
    )


FAMILIES = (
    Family("section_deleted", "C14", section_deleted, Wants(days=(7, 40), content=("full", "output"), scores=True)),
    Family(
        "unregistered_triggered",
        "C01",
        unregistered_triggered,
        Wants(days=(10, 40), content=("full", "output"), size=1.15),
        pairs=("S2-08/deploy at 14:05",),
    ),
    Family("deploy_not_prompt", "C01", deploy_not_prompt, Wants(days=(10, 40)), pairs=("S2-08/deploy at 14:05",)),
    Family(
        "tone_breaks_json",
        "C13",
        tone_breaks_json,
        Wants(flavours=("json", "label", "code"), content=("full", "output")),
    ),
    Family(
        "rationale_stripped",
        "C13",
        rationale_stripped,
        Wants(flavours=("json", "prose", "label"), content=("full", "output")),
    ),
    Family("prompt_bloat", "C26", prompt_bloat),
    Family("eval_saturated", "C19", eval_saturated, Wants(suite=True, scores=True), pairs=("S2-10/healthy eval",)),
    Family("unmeasurable", "C28", unmeasurable, Wants(content=("none",), scores=False, feedback=False)),
    Family(
        "closest_is_innocent",
        "C02",
        closest_is_innocent,
        Wants(flavours=("prose",), corpus=True, suite=True),
        pairs=("S3-04/S1-12",),
    ),
)
