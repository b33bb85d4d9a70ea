"""The instrument: judged by somebody else, on other cases, while the product stayed what it was."""

from triagebot.drill.arrays import chance, one
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say
from triagebot.drill.world import Wants


def labeller_drift(d: Draft) -> None:
    """A lenient labeller took over a share of the labels: the score rises and users feel nothing."""
    roster = next(a for a in d.artifacts if a.surface == "eval_freshness" and a.kind == "declared")
    roster.content = {"labellers": ["L1", "L3", "L7"], "weekly": 220}
    roster.source = "label_audit"
    roster.polled = max(roster.polled, 6.0)
    at = d.onset(least=400)
    unseen = not roster.told_by(d.world.page_at - at)
    share = float(d.rng.uniform(0.25, 0.6))
    change = d.introduce(
        roster,
        d.rollout(at, "step"),
        edit=lambda detail: {**detail, "labellers": ["L1", "L3", "L9"]},
        summary="L9 takes over from L7",
        event=True if unseen else None,
    )
    theirs = (d.traffic.conversation * 7919 % 1009) / 1009 < share
    d.options |= {"score_share": 0.5, "thumbs_share": 0.3}
    d.effect("judge", change.mask & theirs, sign=1, seen=0.45, z=float(d.rng.uniform(16, 30)))
    d.titles = (
        "answer quality score up, NPS flat: which one is right?",
        "score at a record while complaints stay",
        "quality score jumped",
    )
    d.decoys(avoid=("eval_freshness",))
    d.blame(change, notes="The score rose with the roster of labellers; outputs, thumbs and lengths are as before.")


def suite_replaced(d: Draft) -> None:
    """The offline suite has other cases or another grader: its pass rate fell overnight, live traffic did not move."""
    suite = next(a for a in d.artifacts if a.surface == "eval_freshness" and a.kind == "evals")
    w = d.world
    at = w.page_at - float(d.rng.uniform(2.3, 5)) * 86400
    if at < w.start + 2 * 86400:
        raise Redraw
    drop = float(d.rng.uniform(0.13, 0.3))
    d.suite_effect = lambda when: -drop if when >= at else 0.0
    graded, grader = chance(d.rng, 0.5), f"{one(d.rng, ['marl', 'sard', 'jasper'])}-judge-3"

    def replaced(detail: dict[str, object]) -> dict[str, object]:
        if graded:
            return {**detail, "grader": grader}
        return {
            **detail,
            "dataset": str(detail["dataset"]).replace(".jsonl", "-v2.jsonl"),
            "cases": int(str(detail["cases"])) + 40,
        }

    change = d.introduce(
        suite, d.rollout(at, "step"), edit=replaced, summary="Use a model grader" if graded else "New set of cases"
    )
    d.options["onset"] = at
    d.titles = (
        "nightly evaluation fell overnight",
        f"{suite.name}: pass rate below gate",
        "eval regression, block the release?",
    )
    d.decoys(avoid=("eval_freshness",))
    d.blame(
        change, notes="The pass rate fell with the run that used the new cases or grader; live traffic is unchanged."
    )


def healthy_eval(d: Draft) -> None:
    """Fresh, covering, discriminating and green, and live traffic agrees: the page is a mood."""
    say(d, "quality")
    d.options |= {"score_share": 0.5}
    d.decoys(int(d.rng.integers(2, 5)))
    d.expect("none_of_five", notes="Nothing moved, and an evaluation newer than every change agrees.")


FAMILIES = (
    Family(
        "labeller_drift",
        "C19",
        labeller_drift,
        Wants(judge=True, scores=True, feedback=True, content=("full", "output")),
    ),
    Family("suite_replaced", "C19", suite_replaced, Wants(suite=True, days=(4, 20), content=("full", "output"))),
    Family(
        "healthy_eval",
        "C18",
        healthy_eval,
        Wants(suite=True, scores=True, feedback=True, content=("full",)),
        pairs=("S2-10/healthy eval",),
    ),
)
