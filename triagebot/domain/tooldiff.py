"""What moved between two tool lists, by meaning: tools and parameters added, removed, renamed, retyped, required …

Works on outlines (toolschema.py), which observations carry in their detail, so that two old observations can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triagebot.domain.toolschema import Outline

BREAKING: Final = frozenset(
    {
        "tool_removed",
        "tool_renamed",
        "parameter_removed",
        "parameter_renamed",
        "parameter_retyped",
        "parameter_required",
        "enum_narrowed",
    }
)


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference. `parameter` is a path (`filter.labels[]`), empty for what concerns the tool as a whole."""

    kind: str
    tool: str
    parameter: str = ""
    before: str = ""
    after: str = ""

    @property
    def breaking(self) -> bool:
        """Whether a call that was right before can be wrong now."""
        return self.kind in BREAKING

    def as_json(self) -> dict[str, str]:
        members = {
            "kind": self.kind,
            "tool": self.tool,
            "parameter": self.parameter,
            "before": self.before,
            "after": self.after,
        }
        return {name: value for name, value in members.items() if value}


def told(detail: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The differences that a change's detail has; what anybody else put there under that name is none."""
    listed = detail.get("diff")
    return [
        one
        for one in (listed if isinstance(listed, list | tuple) else ())
        if isinstance(one, Mapping) and all(isinstance(one.get(name), str) for name in ("kind", "tool"))
    ]


def broken_by(differences: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """The tools whose calls are wrong now if they are made as before."""
    return frozenset(one["tool"] for one in differences if one["kind"] in BREAKING)


def diff(before: Outline, after: Outline) -> list[SchemaChange]:
    """What moved, by tool name; empty where only order or noise did."""
    removed = [name for name in before if name not in after]
    added = [name for name in after if name not in before]
    changes = []
    for old, new in _renamed({n: before[n] for n in removed}, {n: after[n] for n in added}):
        removed.remove(old)
        added.remove(new)
        changes.append(SchemaChange("tool_renamed", old, before=old, after=new))
        changes += _diff_one(new, before[old], after[new])
    changes += [SchemaChange("tool_removed", name) for name in removed]
    changes += [SchemaChange("tool_added", name) for name in added]
    for name in before:
        if name in after and before[name] != after[name]:
            changes += _diff_one(name, before[name], after[name])
    return sorted(changes, key=lambda c: (c.tool, c.parameter, c.kind))


def describe(changes: Sequence[SchemaChange], *, limit: int = 3) -> str:
    """One line for people: breaking differences first."""
    ordered = sorted(changes, key=lambda c: not c.breaking)
    shown = [_phrase(change) for change in ordered[:limit]]
    if len(ordered) > limit:
        shown.append(f"{len(ordered) - limit} more")
    return "; ".join(shown)


def _phrase(change: SchemaChange) -> str:
    what = f"{change.tool}.{change.parameter}" if change.parameter else change.tool
    words = change.kind.replace("parameter_", "").replace("tool_", "").replace("_", " ")
    if change.before or change.after:
        return f"{what} {words} ({change.before or 'none'} → {change.after or 'none'})"
    return f"{what} {words}"


def _diff_one(tool: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SchemaChange]:
    old, new = before.get("parameters", {}), after.get("parameters", {})
    removed = {name: old[name] for name in old if name not in new}
    added = {name: new[name] for name in new if name not in old}
    changes = []
    for gone, come in _renamed(removed, added):
        del removed[gone], added[come]
        changes.append(SchemaChange("parameter_renamed", tool, gone, gone, come))
        changes += _diff_parameter(tool, come, old[gone], new[come])
    changes += [SchemaChange("parameter_removed", tool, name, before=_kind_of(p)) for name, p in removed.items()]
    for name, parameter in added.items():
        changes.append(SchemaChange("parameter_added", tool, name, after=_kind_of(parameter)))
        # A new parameter breaks callers only where they must give it and its parent was there already.
        if parameter.get("required") and not _inside_new(name, added):
            changes.append(SchemaChange("parameter_required", tool, name, "absent", "required"))
    for name in old:
        if name in new and old[name] != new[name]:
            changes += _diff_parameter(tool, name, old[name], new[name])
    for member in ("description", "constraints", "output", "annotations"):
        if before.get(member) != after.get(member):
            kind = "description_changed" if member == "description" else f"{member}_changed"
            changes.append(SchemaChange(kind, tool))
    return changes


def _inside_new(name: str, added: Mapping[str, Any]) -> bool:
    return any(name.startswith((f"{other}.", f"{other}[].")) for other in added if other != name)


def _diff_parameter(tool: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    changes = []
    if old.get("type") != new.get("type"):
        changes.append(SchemaChange("parameter_retyped", tool, name, str(old.get("type")), str(new.get("type"))))
    if bool(old.get("required")) != bool(new.get("required")):
        kind = "parameter_required" if new.get("required") else "parameter_optional"
        words = ("optional", "required") if new.get("required") else ("required", "optional")
        changes.append(SchemaChange(kind, tool, name, *words))
    if old.get("enum") != new.get("enum"):
        was, now = old.get("enum"), new.get("enum")
        narrowed = now is not None and (was is None or set(was) - set(now))
        kind = "enum_narrowed" if narrowed else "enum_widened"
        gone, come = sorted(set(was or ()) - set(now or ())), sorted(set(now or ()) - set(was or ()))
        changes.append(SchemaChange(kind, tool, name, ", ".join(gone), ", ".join(come)))
    if old.get("default") != new.get("default"):
        words = (str(old.get("default", "")), str(new.get("default", "")))
        changes.append(SchemaChange("default_changed", tool, name, *words))
    for member, kind in (("description", "parameter_description"), ("constraints", "constraints_changed")):
        if old.get(member) != new.get(member):
            changes.append(SchemaChange(kind, tool, name))
    return changes


def _kind_of(parameter: Mapping[str, Any]) -> str:
    return f"{parameter.get('type')}{' required' if parameter.get('required') else ''}"


def _renamed(removed: Mapping[str, Any], added: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs that are one word written two ways (`pullNumber`, `pull_number`), or alike in everything but the name."""
    pairs: list[tuple[str, str]] = []
    free = sorted(added)
    for gone in sorted(removed):
        siblings = [name for name in free if name.rpartition(".")[0] == gone.rpartition(".")[0]]
        same_word = [name for name in siblings if _letters(name) == _letters(gone)]
        twins = [name for name in siblings if added[name] == removed[gone]]
        rivals = [name for name in removed if removed[name] == removed[gone]]
        # Two undescribed strings are alike by accident, and a twin of two is a guess.
        certain = removed[gone].get("description") and len(twins) == len(rivals) == 1
        found = same_word[:1] or (twins if certain else [])
        if found:
            pairs.append((gone, found[0]))
            free.remove(found[0])
    return pairs


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c not in "_-")
