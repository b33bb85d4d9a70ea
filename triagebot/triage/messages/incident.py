"""What the channel and the incident's thread are told. Pure: stored records in, a `Message` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from triagebot.domain.incident import Incident, TimelineEvent, standing
from triagebot.domain.limits import ALT, fit
from triagebot.domain.mrkdwn import Mrkdwn, cut, escape, mention
from triagebot.domain.nodes import TITLES
from triagebot.domain.page import Page
from triagebot.ports import Message
from triagebot.triage.messages.numbers import moment
from triagebot.triage.messages.reading import read, walked
from triagebot.triage.messages.rendering import render, render_parts
from triagebot.triage.messages.replay import REPLAY, replaying
from triagebot.triage.runbooks import runbook_of
from triagebot.triage.severity import graded

ACKNOWLEDGE: Final = "acknowledge"
RESOLVE: Final = "resolve"
SET_SEVERITY: Final = "set_severity"
WRONG_CALL: Final = "wrong_call"
NAME_OWNER: Final = "name_owner"
DRAFT_POSTMORTEM: Final = "draft_postmortem"
FREEZE: Final = "freeze"
MORE: Final = "more"
_MORE: Final = frozenset({SET_SEVERITY, DRAFT_POSTMORTEM})
_LABELS: Final = {
    ACKNOWLEDGE: "Acknowledge",
    RESOLVE: "Resolve",
    SET_SEVERITY: "Set severity",
    WRONG_CALL: "Wrong call",
    NAME_OWNER: "Name owner",
    DRAFT_POSTMORTEM: "Draft postmortem",
    FREEZE: "Freeze",
    REPLAY: "Replay",
}
MOST_BUTTONS: Final = 5
_LINES_A_SECTION: Final = 8
_EACH: Final = frozenset({"label", "owner_accepted", "severity"})  # told each time; of the others the first counts


def walking_message(
    incident: Incident, pages: Sequence[Page], events: Sequence[TimelineEvent] = (), *, failed: str = ""
) -> Message:
    """Told within two seconds of the page, until the verdict replaces it. `failed` says why there will be none."""
    first = pages[0] if pages else None
    values = {
        "incident": incident,
        "title": cut((first.title if first else incident.title) or "A page without a title", 300),
        "url": first.url if first else "",
        "page_at": moment(first.occurred_at if first else incident.opened_at, incident.opened_at),
        "pages": len(pages),
        "walked": walked(),
        "failed": failed.rstrip("."),
        "states": states(incident, events),
        "resolved": incident.status == "resolved",
    }
    wanted = _offered(incident, events, verdict=False)
    return render("walking/message", values, actions=_buttons(incident, wanted), at=f"actions:{incident.id}")


def verdict_message(
    incident: Incident,
    verdict: Mapping[str, Any],
    *,
    pages: int = 1,
    events: Sequence[TimelineEvent] = (),
    people: Mapping[str, str] | None = None,
    replays: bool = False,
) -> Message:
    """The one message of an incident. `people` maps lower-case e-mail addresses to Slack ids."""
    named = _last(events, "owner_named")
    values = {
        "incident": incident,
        "v": read(graded(verdict, events), people),
        "pages": pages,
        "states": states(incident, events),
        "named": owner_named(named) if named else None,
        "resolved": incident.status == "resolved",
    }
    wanted = _offered(incident, events, verdict=True)
    if replays and verdict.get("symptoms") and not replaying(events):
        wanted.insert(wanted.index(WRONG_CALL), REPLAY)
    return render("verdict/message", values, actions=_buttons(incident, wanted), at=f"actions:{incident.id}")


def details_message(incident: Incident, verdict: Mapping[str, Any], people: Mapping[str, str] | None = None) -> Message:
    """First reply: each node with one of four answers. It mentions the owner, since an edited message notifies nobody."""
    view = read(verdict, people)
    head = render("details/message", {"incident": incident, "v": view})
    nodes = [
        part
        for finding in view.findings
        for part in render_parts("details/node", {"f": finding, "hold": _hold(finding.node, finding.status)})
    ]
    return _fitted(head.text, [*head.blocks, *nodes])


def _hold(node: str, status: str) -> str:
    """How to stop an implicated node from getting worse, from its runbook."""
    return runbook_of(node).hold if status == "implicated" and node in TITLES else ""


def evidence_message(incident: Incident, verdict: Mapping[str, Any]) -> Message | None:
    """Second reply: the evidence lines by id; None where there are none."""
    lines = [line for finding in read(verdict).findings for line in finding.evidence]
    if not lines:
        return None
    head = render("evidence/message", {"incident": incident})
    groups = [lines[i : i + _LINES_A_SECTION] for i in range(0, len(lines), _LINES_A_SECTION)]
    parts = [part for group in groups for part in render_parts("evidence/lines", {"lines": group})]
    return _fitted(head.text, [*head.blocks, *parts])


def picture_alt(verdict: Mapping[str, Any]) -> str:
    """What the picture shows, for those who cannot see it."""
    view = read(verdict)
    if not view.symptoms:
        return f"Requests of {view.service} over time"
    symptom = view.symptoms[0]
    marks = ", ".join(f"{c.lead.lower()} {c.when}".strip() for c in view.causes[:3])
    text = f"{symptom.title} over time: {symptom.before} before, {symptom.after} since {symptom.since or 'the onset'}"
    return cut(f"{text}; marked: {marks}" if marks else text, ALT)


def unconfigured_message(page: Page) -> Message:
    """A page for a service that nobody has described: told, never dropped."""
    values = {"page": page, "at": moment(page.occurred_at, page.occurred_at), "day": f"{page.occurred_at:%Y-%m-%d}"}
    return render("walking/unconfigured", values)


def misplaced_message(incident: Incident, channel: str, reason: str) -> Message:
    """Said in the default channel when the service's own cannot be posted to."""
    return render("walking/misplaced", {"incident": incident, "channel": channel, "reason": reason.rstrip(".")})


def states(incident: Incident, events: Sequence[TimelineEvent]) -> list[Mrkdwn]:
    """What people have done about the incident, a line each, oldest first."""
    lines = []
    seen = set()
    for event in standing(events):
        line = _state(event)
        if line and (event.kind in _EACH or event.kind not in seen):
            at = moment(event.at, incident.opened_at)
            lines.append(Mrkdwn(f"{line}, {at}"))
            seen.add(event.kind)
    return lines[-6:]


def _state(event: TimelineEvent) -> Mrkdwn | None:
    by, data = actor(event), event.data
    known: dict[str, Callable[[], str]] = {
        "acknowledged": lambda: f":eyes: Acknowledged by {by}",
        "owner_named": lambda: f":pushpin: {owner_named(event)}",
        "owner_accepted": lambda: f":handshake: {by} has {escape(data.get('artifact') or 'the cause')}",
        "severity": lambda: f":triangular_ruler: {escape(data.get('level'))} by {by}",
        "label": lambda: f":repeat: Called wrong by {by}: {escape(TITLES.get(str(data.get('node')), 'none of these'))}",
        "frozen": lambda: f":lock: Frozen by {by} ({escape(data.get('freeze', ''))})",
        "resolved": lambda: ":white_check_mark: Resolved" + (f" by {by}" if data.get("by") else ""),
        "reopened": lambda: f":rotating_light: Reopened by {by}",
        "postmortem": lambda: ":memo: Postmortem drafted",
    }
    line = known.get(event.kind)
    return Mrkdwn(line()) if line else None


def actor(event: TimelineEvent) -> Mrkdwn:
    """Whoever did it, as a mention where the Slack id is known."""
    by = event.data.get("by")
    return mention(str(by.get("slack_id", "")) if isinstance(by, Mapping) else "", event.actor or "somebody")


def owner_named(event: TimelineEvent) -> Mrkdwn:
    person = event.data.get("person")
    owner = person if isinstance(person, Mapping) else {}
    return Mrkdwn(f"{mention(str(owner.get('slack_id', '')), owner.get('name', ''))}, named by {actor(event)}")


def _last(events: Sequence[TimelineEvent], kind: str) -> TimelineEvent | None:
    return max((e for e in events if e.kind == kind), key=lambda e: e.at, default=None)


def _offered(incident: Incident, events: Sequence[TimelineEvent], *, verdict: bool) -> list[str]:
    """Buttons, the one that is needed first before the others, and then what stands under MORE: at most five in all."""
    kinds = {event.kind for event in standing(events)}
    offered = []
    if incident.status == "open":
        known = incident.acknowledged_at is not None or "acknowledged" in kinds
        offered.append(RESOLVE if known else ACKNOWLEDGE)
        if verdict:
            offered.append(FREEZE)
    if verdict:
        offered += [WRONG_CALL, NAME_OWNER, SET_SEVERITY]
        if "postmortem" not in kinds:
            offered.append(DRAFT_POSTMORTEM)
    return offered


def _buttons(incident: Incident, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """At most MOST_BUTTONS: what is seldom needed, and then what stands last, goes into a menu beside them."""
    shown, hidden = [name for name in wanted if name not in _MORE], [name for name in wanted if name in _MORE]
    while len(shown) + bool(hidden) > MOST_BUTTONS:
        hidden.insert(0, shown.pop())
    buttons: list[dict[str, Any]] = [
        {
            "type": "button",
            "action_id": name,
            "value": incident.id,
            "text": {"type": "plain_text", "text": _LABELS[name]},
            **({"style": "primary"} if name == ACKNOWLEDGE else {}),
        }
        for name in shown
    ]
    more = [
        {"text": {"type": "plain_text", "text": _LABELS[name]}, "value": f"{name} {incident.id}"} for name in hidden
    ]
    return [*buttons, {"type": "overflow", "action_id": MORE, "options": more}] if more else buttons


def _fitted(text: str, blocks: Sequence[Mapping[str, Any]]) -> Message:
    fitted, fitted_blocks = fit(text, blocks)
    return Message(text=fitted, blocks=tuple(fitted_blocks))
