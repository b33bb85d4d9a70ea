"""Changes that are real and do nothing, placed where the data can tell them from the truth."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from triagebot.drill import names
from triagebot.drill.arrays import DAY, HOUR, MINUTE, Mask, Rng, chance, one, rfc3339
from triagebot.drill.artifacts import Artifact, Change
from triagebot.drill.draft import Draft
from triagebot.drill.prompts import reword
from triagebot.drill.rollouts import Rollout

ON_ARTIFACTS = ("prompt_version", "code", "code", "tool_schemas", "retrieval_corpus", "model_alias", "eval_freshness")
ELSEWHERE = ("limit", "flag", "config", "provider", "other_service")
LEAST_SEEN = 250  # requests on each side of a decoy where nothing at all is the truth


def add_decoys(draft: Draft, count: int, *, latest: bool | None, avoid: Sequence[str]) -> None:
    """`count` decoys near the onset of what has been written so far, or anywhere where nothing has."""
    causes = [c for c in draft.changes if not c.harmless]
    wanted = latest if latest is not None else chance(draft.rng, 0.6)
    kinds = [k for k in (*ON_ARTIFACTS, *ELSEWHERE) if k not in avoid]
    for i in range(count):
        for attempt in range(14):
            at = _time(draft, causes, last=wanted and i == 0, attempt=attempt)
            if _place(draft, one(draft.rng, kinds), at, causes):
                break
    for artifact in draft.artifacts:
        if (
            artifact.daily
            and "retrieval_corpus" not in avoid
            and all(c.artifact is not artifact for c in draft.changes)
        ):
            _nightly(draft, artifact)


def _time(draft: Draft, causes: list[Change], *, last: bool, attempt: int) -> float:
    w, rng = draft.world, draft.rng
    near = draft.options.get("onset") or (one(rng, causes).at if causes else None)
    low, high = w.start + 0.02 * (w.page_at - w.start), w.page_at - 4 * MINUTE
    if near is None:
        return float(rng.uniform(low, high))
    if last:
        since = max(near, w.page_at - 2 * DAY)
        return float(w.page_at - (w.page_at - since) * rng.uniform(0.02, 0.9))
    spread = 0.4 * HOUR * 1.6**attempt
    return float(np.clip(near + rng.choice([-1, 1]) * (5 * MINUTE + abs(rng.normal(0, spread))), low, high))


def _acceptable(draft: Draft, mask: Mask, ground: Mask) -> bool:
    if draft.truths:
        return draft.tells_apart(mask)
    seen = ground & draft.before_page
    return min(int((mask & seen).sum()), int((~mask & seen).sum())) >= LEAST_SEEN


def _place(draft: Draft, kind: str, at: float, causes: list[Change]) -> bool:
    """Write one decoy; False where it could not be told from the truth, or where there is nothing of its kind."""
    if kind == "other_service":
        draft.events.append(elsewhere_event(draft, at))
        return True
    since = draft.traffic.at >= at
    if kind in ELSEWHERE:
        # Spans cannot show these, so the whole service is what they could have touched.
        fits = _acceptable(draft, since, draft.everyone())
        if fits:
            draft.events.append(loose_event(draft, kind, at))
        return fits
    options = [a for a in draft.artifacts if a.surface == kind]
    artifact = one(draft.rng, options) if options else None
    if artifact is None or any(at > c.at - HOUR for c in causes if c.artifact is artifact):
        return False
    rollout = _decoy_rollout(draft, artifact, at, causes)
    uses = artifact.uses if artifact.surface != "eval_freshness" else draft.everyone()
    # A reader may take the versions in the spans or only the hour: both must stand apart from the truth.
    readings = [(rollout.mask & uses, uses), (since, uses), (since & uses, uses)]
    if draft.truths and rollout.scope and "region" in rollout.scope:
        here = draft.traffic.region == draft.world.regions.index(rollout.scope["region"])
        readings.append((since & here, uses))
    fits = all(_acceptable(draft, mask, ground) for mask, ground in readings)
    if fits:
        draft.introduce(artifact, rollout, edit=harmless_edit(draft, artifact), harmless=True)
    return fits


def _decoy_rollout(draft: Draft, artifact: Artifact, at: float, causes: list[Change]) -> Rollout:
    rng = draft.rng
    if artifact.surface in ("tool_schemas", "retrieval_corpus", "eval_freshness"):
        return draft.rollout(at, "step")
    scoped = [c for c in causes if c.scope and "region" in c.scope]
    if scoped and chance(rng, 0.6):
        scope = dict(scoped[0].scope or {})
        rollout = draft.rollout(at, "step", draft.traffic.region == draft.world.regions.index(scope["region"]))
        return Rollout(rollout.mask, at, scope, "one_region", ((at, scope),))
    if artifact.surface == "model_alias":
        return draft.rollout(at, one(rng, ["step", "share_ramp"]))
    return draft.rollout(at, one(rng, ["step", "step", "region_ramp", "one_region"]))


def harmless_edit(draft: Draft, artifact: Artifact) -> Callable[[Any], Any] | None:
    """An edit of the artifact's content that changes nothing which a user gets."""
    rng = draft.rng
    if artifact.surface == "prompt_version":
        return reword(rng)
    if artifact.surface == "tool_schemas":
        return redescribed(rng, one(rng, names.HARMLESS_TOOLS))
    if artifact.surface == "retrieval_corpus":
        return regrown(float(rng.normal(1.01, 0.008)))
    if artifact.surface == "eval_freshness" and artifact.kind == "evals":
        more = int(rng.integers(1, 6))
        return lambda detail: {**detail, "cases": detail["cases"] + more}
    return None


def redescribed(rng: Rng, note: str) -> Callable[[Any], Any]:
    """One tool's description says a little more."""
    spot = int(rng.integers(0, 20))

    def edit(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        chosen = spot % len(tools)
        return [{**t, "description": f"{t['description']} {note}."} if i == chosen else t for i, t in enumerate(tools)]

    return edit


def regrown(factor: float) -> Callable[[Any], Any]:
    """A corpus with a few more documents."""
    return lambda detail: {**detail, "documents": int(detail["documents"] * factor) + 1}


def _nightly(draft: Draft, artifact: Artifact) -> None:
    """Rebuilds of every second or third night: real changes, none of which matters."""
    w, rng = draft.world, draft.rng
    every, minute = int(rng.integers(1, 4)) * DAY, rng.uniform(0, 240) * MINUTE
    for night in np.arange(np.ceil(w.start / DAY) * DAY + minute, w.page_at - HOUR, every):
        at = float(night + rng.uniform(0, 300))
        rollout = draft.rollout(at, "step")
        if _acceptable(draft, rollout.mask, draft.everyone()) and _acceptable(
            draft, rollout.mask & artifact.uses, artifact.uses
        ):
            draft.introduce(
                artifact,
                rollout,
                edit=regrown(float(rng.normal(1.003, 0.002))),
                harmless=True,
                summary="Nightly rebuild",
                event=False,
            )


def pull(draft: Draft) -> str:
    return f"https://git.{draft.world.domain}/{draft.world.service}/pull/{int(draft.rng.integers(40, 4000))}"


def loose_event(draft: Draft, kind: str, at: float) -> dict[str, Any]:
    """A change event that no span and no registry knows."""
    w, rng = draft.world, draft.rng
    base: dict[str, Any] = {"at": rfc3339(at), "service": w.service, "surface": kind}
    if kind == "limit":
        before, after = rng.permutation([8192, 16384, 32768, 64000])[:2]
        return {
            **base,
            "artifact": f"{w.alias} max_output_tokens",
            "before": str(before),
            "after": str(after),
            "summary": "Published output limit changed",
            "source": "poller",
        }
    if kind == "flag":
        name = one(rng, ["new-banner", "compact-history", "beta-sidebar", "export-button"])
        return {
            **base,
            "artifact": name,
            "before": "off",
            "after": "on",
            "author": draft.person(),
            "summary": f"Turn on {name}",
            "source": "flags",
        }
    if kind == "provider":
        return {
            **base,
            "artifact": w.provider,
            "summary": one(
                rng,
                [
                    "Maintenance of the billing console finished",
                    "New region announced",
                    "Console sign-in delayed, API not affected",
                ],
            ),
            "source": "status_page",
        }
    return {
        **base,
        "artifact": f"{w.service} autoscaling",
        "before": f"max={int(rng.integers(4, 9))}",
        "after": f"max={int(rng.integers(10, 20))}",
        "author": draft.person(),
        "reference": pull(draft),
        "summary": "Raise the replica ceiling",
        "source": "ci",
    }


def elsewhere_event(draft: Draft, at: float) -> dict[str, Any]:
    """A change of another service of the same organisation."""
    w, rng = draft.world, draft.rng
    topic = one(rng, [t for t in names.TOPICS if t != w.topic])
    other = f"{topic}-{one(rng, names.KINDS['prose'])}"
    surface = one(rng, ["prompt_version", "code", "tool_schemas"])
    version = int(rng.integers(5, 40))
    artifact = {"prompt_version": f"{topic}/system", "code": f"{other} release", "tool_schemas": "toolshed-mcp"}[
        surface
    ]
    return {
        "at": rfc3339(at),
        "service": other,
        "surface": surface,
        "artifact": artifact,
        "before": f"v{version}",
        "after": f"v{version + 1}",
        "author": draft.person(),
        "reference": f"https://git.{w.domain}/{other}/pull/{int(rng.integers(40, 4000))}",
        "summary": one(rng, names.HARMLESS_PROMPT),
        "source": "ci",
    }
