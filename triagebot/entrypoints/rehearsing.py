"""What `triagebot drill` invents, and what it says afterwards. The server never sees what was expected."""

from __future__ import annotations

import io
import json
import random
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from triagebot.domain.nodes import SURFACES, TITLES
from triagebot.drill.draft import Draft
from triagebot.drill.make import draft_case, write_case
from triagebot.errors import BadInput
from triagebot.triage.init import write_from_world
from triagebot.triage.score import Scored, score

# One cause on a surface, and real but harmless changes around it.
FAMILIES: Final = (
    "prompt_skew",
    "alias_moved",
    "tool_type_drift",
    "embedding_mismatch",
    "section_deleted",
    "tone_breaks_json",
    "tool_renamed",
    "deleted_source",
    "judge_changed",
)
REQUESTS: Final = 2500
# A share of spans that record a version below which a drill's spans record none either.
HARDLY: Final = 0.05
ATTRIBUTE: Final[Mapping[str, str]] = {
    "model_alias": "model",
    "prompt_version": "prompt",
    "tool_schemas": "tools",
    "retrieval_corpus": "corpus",
}
TRIES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """An invented incident: the archive that is sent, what is expected, and the decoys as (artifact, after)."""

    archive: bytes
    expected: Mapping[str, Any]
    decoys: tuple[tuple[str, str], ...]
    surface: str


def invent(family: str, seed: int | None, sight: Mapping[str, Any], *, page_at: float) -> Rehearsed:
    """An incident paged at `page_at` whose registries and spans show no more than the service's own. Raises BadInput."""
    chosen, first = family, seed if seed is not None else random.randrange(10_000)  # noqa: S311 - which drill, no secret
    for number in range(first, first + (1 if seed is not None else TRIES)):
        chosen = family or FAMILIES[number % len(FAMILIES)]
        draft = draft_case(chosen, number, requests=REQUESTS, page_at=float(int(page_at)))
        if any(change.harmless for change in draft.changes) or seed is not None:
            return _packed(draft, sight)
    raise BadInput(f"family {chosen}: no seed from {first} on has a decoy; give another --family or --seed")


def _packed(draft: Draft, sight: Mapping[str, Any]) -> Rehearsed:
    surfaces = sight["surfaces"]
    for surface, attribute in ATTRIBUTE.items():
        recorded = surfaces[surface]["recorded"]
        if recorded is not None and recorded < HARDLY:
            draft.recorded[attribute] = 0.0
    with tempfile.TemporaryDirectory(prefix="triagebot-drill-") as made:
        folder = write_case(draft, Path(made) / "case")
        unseen = {s for s in SURFACES if not surfaces[s]["registries"]}
        _narrow(folder, unseen, {s for s in SURFACES if not surfaces[s]["events"]})
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        (folder / "expected.json").unlink()
        write_from_world(folder, force=True)
        (folder / "world.json").unlink()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
            tar.add(folder, arcname=".")
    decoys = tuple((c.artifact.name, c.after) for c in draft.changes if c.harmless)
    node = str(expected["causes"][0]["node"]) if expected["causes"] else ""
    return Rehearsed(archive=archive.getvalue(), expected=expected, decoys=decoys, surface=node)


def _narrow(folder: Path, unregistered: set[str], untold: set[str]) -> None:
    """Takes away what the service's own set-up would not have known: registries, what polling saw, what CI told."""
    world = json.loads((folder / "world.json").read_text(encoding="utf-8"))
    world["registries"] = [r for r in world["registries"] if r["surface"] not in unregistered]
    _keep(folder / "journal.jsonl", unregistered)
    told = folder / "changes.jsonl"
    if told.exists() and not _keep(told, untold & unregistered):
        told.unlink()
        world["changes"] = None
    (folder / "world.json").write_text(json.dumps(world), encoding="utf-8")


def _keep(path: Path, without: set[str]) -> int:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    kept = [line for line in lines if json.loads(line).get("surface") not in without]
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return len(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the drill went. `seconds` from the page to the verdict, as whoever waited saw it."""

    service: str
    incident: str
    link: str
    scored: Scored
    seconds: float
    decoys: tuple[str, ...]
    blamed: tuple[str, ...]
    unseen: tuple[str, ...]
    cause: str
    next_check: str

    def as_json(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "incident": self.incident,
            "link": self.link or None,
            "expected": self.scored.expected,
            "got": self.scored.got,
            "right_node": self.scored.nodes,
            "right_change": self.scored.changes,
            "false_blame": self.scored.false_blame,
            "seconds_to_right_node": round(self.seconds, 1) if self.scored.nodes else None,
            "seconds": round(self.seconds, 1),
            "decoys": list(self.decoys),
            "decoys_blamed": list(self.blamed),
            "not_shown": list(self.unseen),
            "next_check": self.next_check,
        }

    def text(self) -> str:
        right = "right" if self.scored.changes else "the right node, another change" if self.scored.nodes else "WRONG"
        if not self.scored.nodes and "undetermined" in self.scored.got:
            right = "left open"
        told = f"{self.seconds:.1f} s after the page" + (f", {self.link}" if self.link else "")
        count = len(self.decoys)
        named = f"{count} decoy{'s' if count > 1 else ''} ({', '.join(self.decoys[:4])})" if count else "no decoy"
        decoys = f"{named}: {'BLAMED ' + ', '.join(self.blamed) if self.blamed else 'none blamed'}"
        lines = [
            f"DRILL {self.incident} of {self.service}: {right}, {told}",
            f"  injected: {self.scored.expected}",
            f"  verdict:  {self.scored.got}",
            f"  {decoys}",
        ]
        if not self.scored.nodes and self.next_check:
            lines.append(f"  next check: {self.next_check}")
        blind = "what this service's own registries and traces could not show:"
        lines.append(f"  {blind if self.unseen else 'every surface can be seen'}")
        lines += [f"    {line}" for line in self.unseen]
        return "\n".join(lines)


def report(
    sight: Mapping[str, Any], made: Rehearsed, status: Mapping[str, Any], verdict: Mapping[str, Any], seconds: float
) -> Report:
    scored = score(str(status["id"]), verdict, made.expected, seconds)
    wanted = {(c.get("artifact"), c.get("after")) for c in made.expected["causes"]}
    given = [(c["artifact"], c.get("after")) for c in verdict["causes"]]
    blamed = [f"{a} {b or ''}".strip() for a, b in given if (a, b) in made.decoys and (a, b) not in wanted]
    return Report(
        service=str(sight["service"]),
        incident=str(status["incident"]),
        link=str(status["told"] or ""),
        scored=scored,
        seconds=seconds,
        decoys=tuple(f"{a} → {b}" for a, b in made.decoys),
        blamed=tuple(blamed),
        unseen=tuple(_unseen(sight["surfaces"], made.surface)),
        cause=made.surface,
        next_check=str(verdict.get("next_check") or ""),
    )


def _unseen(surfaces: Mapping[str, Any], cause: str) -> Sequence[str]:
    """A line for each surface that is blind or half blind, that of the injected cause first."""
    lines = []
    for surface in sorted(SURFACES, key=lambda s: s != cause):
        own = surfaces[surface]
        registries, recorded = own["registries"], own["recorded"]
        lacks = [] if registries else ["no registry that can be asked"]
        if recorded is not None and recorded < HARDLY:
            lacks.append("no version on its spans")
        elif recorded is not None and recorded < 1 - HARDLY:
            lacks.append(f"a version on {recorded:.0%} of its spans only")
        lacks += [] if own["events"] or registries else ["no change event in six weeks"]
        lacks += list(own["broken"])
        if lacks:
            mark = " (the injected change)" if surface == cause else ""
            lines.append(f"{TITLES[surface]}{mark}: {'; '.join(lacks)}")
    return lines
