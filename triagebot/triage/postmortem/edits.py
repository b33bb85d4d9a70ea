"""What people changed in a stored document, kept apart from what the rules wrote into it.

A value is a person's where it differs from what the last draft put there (`drafted`): it survives every later draft.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from triagebot.domain.nodes import NODES
from triagebot.domain.people import Owner
from triagebot.errors import BadInput, Refused
from triagebot.triage.postmortem import show
from triagebot.triage.postmortem.document import ActionItem
from triagebot.triage.postmortem.record import owner_json, person_of

EDITABLE: Final = frozenset({"owner", "root_cause", "actions"})


def kept(stored: Mapping[str, Any], name: str, drafted: Any) -> Any:
    """The person's value where a person set one, else the new draft's."""
    if not stored or name not in stored:
        return drafted
    before = (stored.get("drafted") or {}).get(name)
    return drafted if stored[name] == before else stored[name]


def merged(stored: Mapping[str, Any], items: Sequence[ActionItem], owner: Owner | None) -> tuple[ActionItem, ...]:
    """The draft's items with people's edits, then the items that people added or touched and the draft no longer has.

    An item that nobody owns goes to the document's `owner`, a person's choice included.
    """
    before: Mapping[str, Any] = (stored.get("drafted") or {}).get("actions") or {}
    now = {item["id"]: item for item in stored.get("actions") or ()}
    result = []
    for item in items:
        was, is_ = before.get(item.id), now.pop(item.id, None)
        fresh = item.as_json()
        if is_ is not None and was is not None:
            fresh |= {key: value for key, value in is_.items() if value != was.get(key)}
        result.append(action_of(fresh))
    for id_, item in now.items():
        if item != before.get(id_) and not (id_ in before and _only_inherited(item, before[id_])):
            result.append(action_of(item))
    filled = (replace(item, owner=item.owner or owner) for item in result)
    return tuple(sorted(filled, key=lambda item: (item.done, item.due or date.max)))


def _only_inherited(item: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether an item differs from its draft only by the owner that it got from the document."""
    return before.get("owner") is None and {**item, "owner": None} == {**before, "owner": None}


def action_of(value: Mapping[str, Any]) -> ActionItem:
    """A stored action item. Raises BadInput for a due date that is none."""
    return ActionItem(
        id=str(value["id"]),
        text=str(value.get("text") or ""),
        surface=str(value.get("surface") or ""),
        owner=person_of(value.get("owner")),
        due=_due(value.get("due")),
        why=str(value.get("why") or ""),
        done=bool(value.get("done")),
        given_by=str(value.get("given_by") or ""),
    )


def _due(value: Any) -> date | None:
    if not value:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise BadInput(f"{value!r} is not a date such as 2026-11-10") from error


def applied(stored: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the stored document that a person's `changes` set. Raises BadInput and Refused, changing nothing."""
    unknown = sorted(changes.keys() - EDITABLE)
    if unknown:
        raise BadInput(f"a postmortem has no {unknown[0]!r} to edit; {', '.join(sorted(EDITABLE))} can be")
    result: dict[str, Any] = {}
    if "owner" in changes:
        result["owner"] = _owner(changes["owner"], "the owner")
    if "root_cause" in changes:
        if not isinstance(changes["root_cause"], str):
            raise BadInput("the root cause must be text")
        result["root_cause"] = show.clean(changes["root_cause"], 4000, people=_addresses(stored))
    if "actions" in changes:
        result["actions"] = actions_edited(stored.get("actions") or (), changes["actions"])
    return result


def actions_edited(items: Sequence[Mapping[str, Any]], changes: Any) -> list[dict[str, Any]]:
    """`changes` is a list of objects. With an `id`: that item's `text`, `owner`, `due` or `done`. Without: a new item, which
    needs `text`, `surface`, `owner` and `due`.
    """
    if not isinstance(changes, Sequence) or isinstance(changes, str):
        raise BadInput("actions must be a list of objects")
    result = {str(item["id"]): dict(item) for item in items}
    for change in changes:
        if not isinstance(change, Mapping):
            raise BadInput("an action item must be an object")
        id_ = str(change.get("id") or "")
        if id_ and id_ not in result:
            raise BadInput(f"there is no action item {id_!r}")
        if id_:
            result[id_] |= _checked(change, result[id_])
        else:
            new = _checked(
                change, {"why": "added by hand", "done": False, "text": "", "surface": "", "owner": None, "due": None}
            )
            if not new["text"]:
                raise BadInput("an action item needs a text")
            new_id = "person-" + hashlib.sha256(f"{new['surface']}|{new['text']}".encode()).hexdigest()[:8]
            result[new_id] = {"id": new_id, **new}
    return list(result.values())


def _checked(change: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    result = {key: item[key] for key in ("text", "surface", "owner", "due", "why", "done", "given_by") if key in item}
    if "text" in change:
        result["text"] = show.clean(change["text"])
    if "surface" in change:
        if change["surface"] not in NODES:
            raise BadInput(f"{change['surface']!r} is not a surface or exit; {', '.join(NODES)} are")
        result["surface"] = change["surface"]
    if "owner" in change:
        result["owner"] = _owner(change["owner"], "an action item's owner")
        result["given_by"] = show.clean(change.get("given_by") or "", show.LABEL)
    if "due" in change:
        day = _due(change["due"])
        result["due"] = day.isoformat() if day else None
    if "done" in change:
        result["done"] = bool(change["done"])
    return result


def _owner(value: Any, what: str) -> dict[str, str] | None:
    owner = person_of(value, "named by hand")
    if owner is None:
        raise Refused(f"{what} must be a person, not a channel, a team or nobody")
    return owner_json(owner)


def _addresses(stored: Mapping[str, Any]) -> set[str]:
    return {str((stored.get(role) or {}).get("email") or "") for role in ("owner", "reviewed_by")} - {""}
