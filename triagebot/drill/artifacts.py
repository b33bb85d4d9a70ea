"""What can change: prompts, model aliases, tool lists, corpora, suites, releases. Versions, contents, owners, registries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from triagebot.drill import names
from triagebot.drill.arrays import DAY, HOUR, Ints, Mask, Rng, chance, log_uniform, one, token
from triagebot.drill.prompts import prompt_text, with_line
from triagebot.drill.world import Person, World

if TYPE_CHECKING:
    from triagebot.drill.draft import Draft

ATTRIBUTES = {"model_alias": "model", "prompt_version": "prompt", "tool_schemas": "tools", "retrieval_corpus": "corpus"}


@dataclass
class Artifact:
    """One artifact. `uses` are the requests that it serves. `kind` is its registry ("git", "declared", "snapshots",
    "evals") or None; `polled` is the cadence of observations in hours, 0 for none. `version` (per request), `labels` and
    `contents` are set by `settle`.
    """

    surface: str
    name: str
    uses: Mask
    kind: str | None
    polled: float
    content: Any
    number: tuple[int, ...]
    owner_mode: str
    owner: Person | None
    team: str
    path: str = ""
    source: str = ""
    labels: list[str] = field(default_factory=list)
    contents: list[Any] = field(default_factory=list)
    version: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    settled: list["Change"] = field(default_factory=list)
    daily: bool = False
    polled_until: float | None = None

    @property
    def attribute(self) -> str:
        """The key of World.recorded for its version in spans, empty where spans never carry it."""
        return ATTRIBUTES.get(self.surface, "")

    def told_by(self, seconds: float) -> bool:
        """Whether some registry shows a new version within `seconds` of its coming."""
        return self.kind in ("git", "evals") or 0 < self.polled * 2.4 * HOUR < seconds

    def owner_email(self) -> str | None:
        """The address of the person who owns it, or None where the gap has to be told."""
        return self.owner.email if self.owner and self.owner.active and self.owner_mode != "team" else None

    def chore(self, rng: Rng) -> str:
        options = {
            "prompt_version": names.HARMLESS_PROMPT,
            "code": names.HARMLESS_CODE,
            "tool_schemas": names.HARMLESS_TOOLS,
        }
        return one(rng, options.get(self.surface, ("Routine update", "Scheduled refresh", "")))


@dataclass
class Change:
    """One new version. `at` is when it began, `mask` who is served by it.

    `label` overrides the next version number; `index` is its place in artifact.labels once settled.
    """

    artifact: Artifact
    at: float
    mask: Mask
    scope: dict[str, str] | None
    stages: tuple[tuple[float, dict[str, str] | None], ...]
    edit: Callable[[Any], Any] | None
    summary: str
    event: bool
    author: dict[str, str]
    until: float | None = None
    harmless: bool = False
    label: str | None = None
    in_git: bool = True
    index: int = 0

    @property
    def after(self) -> str:
        return self.artifact.labels[self.index]


def artifacts_of(rng: Rng, world: World, draft: "Draft") -> list[Artifact]:
    """The artifacts of the service at the start of the window."""
    t, made = draft.traffic, []
    everyone = draft.everyone()
    split = len(world.routes) > 1 and chance(rng, 0.5)
    prompts = [("system", everyone)] if not split else [("system", t.route == 0), ("second", t.route != 0)]
    for suffix, uses in prompts:
        name = f"{world.topic}/{suffix}"
        kind = one(rng, ["git", "git", "git", "declared", "declared", None])
        made.append(
            _artifact(
                rng,
                world,
                "prompt_version",
                name,
                uses,
                kind,
                prompt_text(rng, world),
                (int(rng.integers(5, 60)),),
                path=f"prompts/{name}.md",
                source=one(rng, ["langfuse", "mlflow", "phoenix"]),
            )
        )
    kind = "declared" if chance(rng, 0.85) else None
    made.append(
        _artifact(
            rng,
            world,
            "model_alias",
            world.alias,
            everyone,
            kind,
            {"retires_at": None},
            (int(draft.world.start / DAY) - int(rng.integers(40, 300)),),
            source="models_api",
        )
    )
    if world.tools:
        kind = one(rng, ["snapshots", "snapshots", "snapshots", "declared"])
        made.append(
            _artifact(
                rng,
                world,
                "tool_schemas",
                world.server,
                draft.uses_tool | (world.flavour == "agent"),
                kind,
                [tool.definition() for tool in world.tools],
                _semver(rng),
                source="mcp",
            )
        )
    if world.corpus:
        kind = "declared" if chance(rng, 0.85) else None
        content = {
            "documents": int(log_uniform(rng, 800, 90000)),
            "embedding_model": f"{one(rng, names.MODELS)}-embed-{int(rng.integers(1, 4))}",
            "dimension": int(rng.choice([384, 768, 1024, 1536])),
            "sources": list(world.sources),
        }
        made.append(
            _artifact(
                rng,
                world,
                "retrieval_corpus",
                world.corpus,
                draft.retrieves,
                kind,
                content,
                (int(rng.integers(20, 400)),),
                source=one(rng, ["qdrant", "pgvector", "chroma"]),
            )
        )
        made[-1].daily = chance(rng, 0.35)
    if world.suite:
        content = {
            "cases": int(rng.integers(60, 160)),
            "grader": "exact",
            "dataset": f"evals/{world.suite}/cases.jsonl",
        }
        made.append(
            _artifact(
                rng,
                world,
                "eval_freshness",
                world.suite,
                everyone & False,
                "evals",
                content,
                _semver(rng),
                path=f"evals/{world.suite}/",
                source="eval_results",
            )
        )
    if world.judge and world.scores:
        content = {"judge_model": f"{one(rng, names.MODELS)}-judge-{int(rng.integers(1, 5))}", "rubric": token(rng, 8)}
        made.append(
            _artifact(
                rng,
                world,
                "eval_freshness",
                world.judge,
                everyone,
                "declared",
                content,
                _semver(rng),
                source="online_eval",
            )
        )
    made.append(_artifact(rng, world, "code", f"{world.service} release", everyone, None, None, _semver(rng)))
    return made


def _artifact(
    rng: Rng,
    world: World,
    surface: str,
    name: str,
    uses: Mask,
    kind: str | None,
    content: Any,
    number: tuple[int, ...],
    *,
    path: str = "",
    source: str = "",
) -> Artifact:
    polled = float(rng.choice([2.0, 6.0, 6.0, 12.0])) if kind in ("declared", "snapshots", "evals") else 0.0
    if surface == "model_alias" and chance(rng, 0.3):
        polled = 0.0
    active = [p for p in world.people if p.active]
    gone = [p for p in world.people if not p.active]
    draw = rng.random()
    mode = "person" if draw < 0.7 else ("team" if draw < 0.86 else "inactive")
    owner = one(rng, gone) if mode == "inactive" else one(rng, active)
    team = one(rng, ["ml-platform", "ai-features", "applied-ai"])
    return Artifact(surface, name, uses, kind, polled, content, number, mode, owner, team, path, source)


def _semver(rng: Rng) -> tuple[int, ...]:
    return (int(rng.integers(0, 6)), int(rng.integers(0, 40)), int(rng.integers(0, 10)))


def label_of(artifact: Artifact, step: int, at: float, rng: Rng) -> str:
    """The label of the step-th version (0 is the one at the start of the window)."""
    number = artifact.number
    if artifact.surface == "prompt_version":
        return f"v{number[0] + step}"
    if artifact.surface == "retrieval_corpus":
        return f"idx-{number[0] + step}"
    if artifact.surface == "model_alias":
        day = number[0] if step == 0 else int(at / DAY) - int(rng.integers(5, 30))
        return f"{artifact.name}-{datetime.fromtimestamp(day * DAY, UTC):%Y-%m-%d}"
    if step == 0:
        return ".".join(map(str, number))
    minor = chance(rng, 0.5)
    jump = step * int(rng.integers(1, 3)) if not minor else 0
    return f"{number[0]}.{number[1] + step if minor else number[1] + jump + 41}.{number[2]}"


def _edited(artifact: Artifact, change: Change) -> Any:
    """What the artifact is from this change on: a prompt is never the same, or it would be no other version."""
    before = artifact.contents[-1]
    if change.edit is not None:
        return change.edit(before)
    return with_line("tone", "Be brief and exact.")(before) if artifact.surface == "prompt_version" else before


def settle(draft: "Draft") -> None:
    """Number the versions of every artifact in the order in which they came and set who was served by which."""
    rng = draft.rng
    for artifact in draft.artifacts:
        artifact.settled = sorted((c for c in draft.changes if c.artifact is artifact), key=lambda c: c.at)
        artifact.labels = [label_of(artifact, 0, draft.world.start, rng)]
        artifact.contents = [artifact.content]
        version: Ints = np.zeros(draft.n, dtype=np.int64)
        for change in artifact.settled:
            label = change.label or label_of(artifact, len(artifact.labels), change.at, rng)
            while label in artifact.labels:
                label += ".1"
            change.index = len(artifact.labels)
            artifact.labels.append(label)
            artifact.contents.append(_edited(artifact, change))
            version = np.where(change.mask, change.index, version)
        artifact.version = version
