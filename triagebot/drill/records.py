"""What registries and deployers had written down: journal.jsonl, changes.jsonl and tool snapshots."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from triagebot.drill.arrays import HOUR, Rng, fingerprint, rfc3339, rng_for
from triagebot.drill.artifacts import Artifact, Change
from triagebot.drill.decoys import pull
from triagebot.drill.draft import Draft

Json = dict[str, Any]


def polled_times(rng: Rng, start: float, end: float, hours: float) -> list[float]:
    """Times of polling: regular with minutes of jitter."""
    count = int((end - start) / (hours * HOUR)) + 1
    return [float(t) for t in start + np.arange(count) * hours * HOUR + rng.normal(0, 0.03, count) * hours * HOUR]


def state_at(artifact: Artifact, at: float) -> int:
    """What a registry would say at a time: the newest version that anybody is served."""
    index = 0
    for change in artifact.settled:
        if change.at <= at and not (change.until and at >= change.until):
            index = change.index
    return index


def observations(draft: Draft, folder: Path, runs: dict[str, list[Json]]) -> list[Json]:
    """Every observation of polling, in order of time; writes the snapshots that they point to."""
    made: list[Json] = [_labelled(draft, o) for o in draft.observations]
    for artifact in draft.artifacts:
        rng = rng_for(*draft.seeds, "journal", artifact.name)
        if artifact.kind == "evals":
            made.extend(_suite(draft, artifact, rng, runs[artifact.name]))
        elif artifact.kind in ("declared", "snapshots") and artifact.polled:
            made.extend(_polled(draft, artifact, rng, folder))
    return sorted(made, key=lambda o: str(o["observed_at"]))


def _labelled(draft: Draft, observation: Json) -> Json:
    """Probes name what they were answered by; a family cannot know the label before versions are numbered."""
    if observation["label"] is not None:
        return observation
    alias = draft.artifact(str(observation["surface"]))
    return {**observation, "label": alias.labels[0]}


def _polled(draft: Draft, artifact: Artifact, rng: Rng, folder: Path) -> list[Json]:
    w, made = draft.world, []
    written: set[str] = set()
    start = w.start - rng.uniform(0.1, 12) * HOUR
    missed = rng.random() < 0.2
    for at in polled_times(rng, start, min(w.end, artifact.polled_until or w.end), artifact.polled):
        if missed and rng.random() < 0.1:
            continue
        index = state_at(artifact, at)
        content = artifact.contents[index]
        mark, detail = _seen(artifact, index, content)
        if artifact.kind == "snapshots" and mark not in written:
            written.add(mark)
            path = f"snapshots/{artifact.name}/{rfc3339(at).replace('-', '').replace(':', '')}.json"
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(orjson.dumps({"tools": content}, option=orjson.OPT_INDENT_2))
            detail["snapshot"] = path
        if artifact.surface == "retrieval_corpus":
            built = max((c.at for c in artifact.settled if c.index == index), default=start - 9 * HOUR)
            detail["built_at"] = rfc3339(built - 600)
        made.append(
            {
                "observed_at": rfc3339(at),
                "service": w.service,
                "surface": artifact.surface,
                "artifact": artifact.name,
                "fingerprint": mark,
                "label": artifact.labels[index],
                "detail": detail,
                "source": artifact.source,
            }
        )
    return made


def _seen(artifact: Artifact, index: int, content: Any) -> tuple[str, Json]:
    """Fingerprint and detail of one version."""
    label = artifact.labels[index]
    if artifact.surface == "tool_schemas":
        return fingerprint(content), {"tools": len(content)}
    if artifact.surface == "prompt_version":
        return fingerprint(content), {"characters": len(content)}
    if artifact.surface == "model_alias":
        return fingerprint({"id": label}), {"retires_at": content["retires_at"] or "2028-06-30"}
    if artifact.surface == "retrieval_corpus":
        return fingerprint({"label": label, **content}), dict(content)
    return fingerprint({"label": label, "content": content}), dict(content)


def _suite(draft: Draft, artifact: Artifact, rng: Rng, runs: list[Json]) -> list[Json]:
    w, made = draft.world, []
    for at in polled_times(rng, w.start + rng.uniform(0, 8) * HOUR, w.end, 12.0):
        seen = [r for r in runs if r["at"] <= at]
        if not seen:
            continue
        run = seen[-1]
        made.append(
            {
                "observed_at": rfc3339(at),
                "service": w.service,
                "surface": "eval_freshness",
                "artifact": artifact.name,
                "fingerprint": run["fingerprint"],
                "label": run["label"],
                "detail": {
                    "last_run": rfc3339(run["at"]),
                    "scores": {"pass_rate": run["rate"]},
                    "dataset": run["dataset"],
                    "cases": run["cases"],
                    "grader": run["grader"],
                },
                "source": "eval_results",
            }
        )
    return made


def change_events(draft: Draft) -> list[Json]:
    """changes.jsonl: what CI, webhooks and pollers reported, in order of time."""
    made = [{k: v for k, v in event.items() if v is not None} for event in draft.events]
    for change in draft.changes:
        if change.event:
            made.extend(_events(draft, change))
    return sorted(made, key=lambda e: str(e["at"]))


def _events(draft: Draft, change: Change) -> list[Json]:
    artifact = change.artifact
    before = artifact.labels[max(change.index - 1, 0)]
    base: Json = {
        "service": draft.world.service,
        "surface": artifact.surface,
        "artifact": artifact.name,
        "before": before,
        "after": change.after,
    }
    tail: Json = {"summary": change.summary}
    if artifact.surface != "model_alias":
        tail |= {"author": change.author, "reference": pull(draft)}
    tail["source"] = {"model_alias": "provider_changelog", "retrieval_corpus": "airflow"}.get(artifact.surface, "ci")
    stages = change.stages or ((change.at, change.scope),)
    if stages[0][1] and "share" in stages[0][1]:
        stages = stages[:1] if draft.rng.random() < 0.5 else stages
    made = []
    for at, scope in stages:
        if at < draft.world.page_at:
            made.append({"at": rfc3339(at), **base, **({"scope": scope} if scope else {}), **tail})
    if change.until and change.until < draft.world.page_at:
        made.append(
            {
                "at": rfc3339(change.until),
                **base,
                "before": change.after,
                "after": before,
                **({"scope": change.scope} if change.scope else {}),
                "author": draft.person(),
                "reference": pull(draft),
                "summary": f'Revert "{change.summary}"',
                "source": "ci",
            }
        )
    return made
