"""From a family and a seed to a case folder. The same family and seed give the same bytes."""

import shutil
from pathlib import Path
from typing import Any

import orjson

from triagebot.drill.arrays import one, rng_for
from triagebot.drill.artifacts import Artifact, Change, settle
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.emit import write_traces
from triagebot.drill.evalfiles import write_runs
from triagebot.drill.families import FAMILIES, Family
from triagebot.drill.gitrepo import write_repository
from triagebot.drill.pages import page
from triagebot.drill.records import change_events, observations
from triagebot.drill.requests import simulate
from triagebot.errors import BadInput, NotFound

ATTEMPTS = 60


def list_families() -> tuple[Family, ...]:
    """Every family, in a fixed order."""
    return FAMILIES


def draft_case(family: str, seed: int, *, requests: int = 5000, page_at: float | None = None) -> Draft:
    """The draft of a case: everything that is decided before a file is written. `page_at` moves it to that time."""
    found = next((f for f in FAMILIES if f.name == family), None)
    if found is None:
        raise NotFound(f"no drill family named {family!r}; known: {', '.join(f.name for f in FAMILIES)}")
    for attempt in range(ATTEMPTS):
        draft = Draft(family, seed, attempt, found.wants, requests, page_at)
        try:
            found.build(draft)
        except Redraw:
            continue
        settle(draft)
        return draft
    raise BadInput(
        f"family {family!r} with seed {seed} and {requests} requests: no draw in {ATTEMPTS} can show the effect"
    )


def make_case(family: str, seed: int, out: Path, *, requests: int = 5000) -> Path:
    """Write the case folder `out` (replaced where it exists) and return it. `requests` is about how many are simulated.

    Raises NotFound for an unknown family, BadInput where that many requests cannot carry the family's effect.
    """
    return write_case(draft_case(family, seed, requests=requests), out)


def write_case(draft: Draft, out: Path) -> Path:
    """Write the folder of a draft."""
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    write_traces(draft, simulate(draft), out / "traces")
    formats: dict[str, str] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    for artifact in draft.artifacts:
        if artifact.kind == "evals":
            formats[artifact.name], runs[artifact.name] = write_runs(draft, artifact, out / "evals" / artifact.name)
    write_repository(draft, out / "repo")
    _lines(out / "journal.jsonl", observations(draft, out, runs))
    events = change_events(draft)
    if events:
        _lines(out / "changes.jsonl", events)
    titles = draft.titles or ("answers look different since this week",)
    _json(out / "page.json", page(draft, one(rng_for(*draft.seeds, "title"), list(titles))))
    _json(out / "world.json", _world(draft, formats, has_changes=bool(events)))
    _json(out / "expected.json", _expected(draft))
    return out


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def _json(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")


def _registry(artifact: Artifact, formats: dict[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"surface": artifact.surface, "artifact": artifact.name, "kind": artifact.kind}
    if artifact.kind == "git":
        return {**entry, "repo": "repo", "path": artifact.path}
    if artifact.kind == "snapshots":
        return {**entry, "path": f"snapshots/{artifact.name}", "source": "mcp tools/list"}
    if artifact.kind == "evals":
        return {
            **entry,
            "format": formats[artifact.name],
            "path": f"evals/{artifact.name}",
            "definition": {"repo": "repo", "path": artifact.path},
        }
    return entry


def _world(draft: Draft, formats: dict[str, str], *, has_changes: bool) -> dict[str, Any]:
    w = draft.world
    declared = [
        {
            "surface": a.surface,
            "artifact": a.name,
            "person": None if a.owner_mode == "team" or a.owner is None else a.owner.email,
            "team": a.team if a.owner_mode == "team" else None,
        }
        for a in draft.artifacts
        if a.kind not in ("git", "evals")
    ]
    people = [
        {"name": p.name, "email": p.email, "github": p.github, "slack_id": p.slack_id, "active": p.active}
        for p in w.people
    ]
    return {
        "schema": "natural.world/1",
        "service": w.service,
        "organisation": w.organisation,
        "slack_channel": f"#inc-{w.service}",
        "traces": "traces",
        "convention": w.convention,
        "changes": "changes.jsonl" if has_changes else None,
        "journal": "journal.jsonl",
        "registries": [_registry(a, formats) for a in draft.artifacts if a.kind],
        "codeowners": "repo/CODEOWNERS",
        "owners": declared + draft.owners,
        "people": people,
        "oncall": w.people[0].email,
        "escalation": w.people[1].email,
        "regions": list(w.regions),
        "routes": list(w.routes),
    }


def _labelled(draft: Draft, change: Change) -> bool:
    """Whether the folder says what the new version is called: git alone knows a commit, not a version."""
    artifact = change.artifact
    # Spans carry tool definitions, not the name of their version.
    shown = artifact.attribute in ("model", "prompt", "corpus") and draft.recorded[artifact.attribute] > 0
    polled = artifact.kind != "git" and artifact.told_by(draft.world.page_at - change.at)
    return change.event or shown or polled or artifact.surface == "code"


def _expected(draft: Draft) -> dict[str, Any]:
    expected, family = draft.expected, next(f for f in FAMILIES if f.name == draft.seeds[0])
    if expected is None:
        raise BadInput(f"family {family.name!r} did not say what is expected")
    causes = []
    for cause in expected.causes:
        change = cause.get("change")
        if change is None:
            causes.append(cause)
            continue
        artifact = change.artifact
        node = "application" if artifact.surface == "code" else artifact.surface
        told = {"node": node, "artifact": artifact.name, "after": change.after, "owner": artifact.owner_email()}
        if not _labelled(draft, change):
            del told["after"]
        causes.append({**told, **{k: v for k, v in cause.items() if k != "change"}})
    return {
        "status": expected.status,
        "causes": causes,
        "notes": expected.notes,
        "capability": family.capability,
        "family": family.name,
        "pairs": list(family.pairs),
        "decidable": expected.decidable,
        "seed": draft.seeds[1],
        **expected.extra,
    }
