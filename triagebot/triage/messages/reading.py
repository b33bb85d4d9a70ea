"""A stored verdict, read for people. Pure, and forgiving: whatever the JSON holds, something honest can be shown.

Texts stay as they came: the templates escape them. What is `Mrkdwn` was formatted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from triagebot.domain.mrkdwn import Mrkdwn, clean, code, cut, escape, mention
from triagebot.domain.nodes import NODES, SURFACES, TITLES
from triagebot.domain.times import Interval, parse_time
from triagebot.domain.withheld import shown_label, shown_name
from triagebot.triage.messages.numbers import bar, count, difference, figure, moment, stretch, took, usable
from triagebot.triage.messages.replay import read as read_report

SYMBOLS: Final = {
    "implicated": Mrkdwn(":red_circle:"),
    "changed_not_implicated": Mrkdwn(":large_yellow_circle:"),
    "clear": Mrkdwn(":white_check_mark:"),
    "unknown": Mrkdwn(":question:"),
}
WORDS: Final = {
    "implicated": "implicated",
    "changed_not_implicated": "changed, not implicated",
    "clear": "clear",
    "unknown": "not seen",
}
_LEADS: Final = {
    "model_alias": "Model alias moved",
    "prompt_version": "Prompt version changed",
    "tool_schemas": "Tool schemas changed",
    "retrieval_corpus": "Retrieval corpus changed",
    "eval_freshness": "Evals moved or went stale",
}
_VERBS: Final = {
    "model_alias": "served from",
    "prompt_version": "rolled out",
    "tool_schemas": "published",
    "retrieval_corpus": "rebuilt",
}
_TEXT: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SymptomView:
    signal: str
    title: str
    where: Mrkdwn
    before: str
    after: str
    n: str
    since: str
    difference: str
    sure: bool
    bars: Mrkdwn


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseView:
    """`change` is `v14` → `v17` as far as known; `symptoms` are those that it explains, the strongest first."""

    node: str
    surface: bool
    lead: str
    artifact: str
    change: Mrkdwn
    before: str
    when: str
    woken: str
    author: str
    reference: str
    confidence: str
    summary: str
    symptoms: tuple[SymptomView, ...]
    owner: Mrkdwn | None
    owner_source: str
    gap: str
    asked: Mrkdwn | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    artifact: str
    change: Mrkdwn
    when: str
    author: str
    reference: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    id: str
    text: str
    n: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    node: str
    title: str
    status: str
    symbol: Mrkdwn
    words: str
    reason: str
    spans: str
    changes: tuple[ChangeView, ...]
    evidence: tuple[EvidenceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    status: str
    title: str
    url: str
    service: str
    page_at: str
    as_of: str
    took: str
    spans: str
    level: str
    severity: str
    rule: str
    by_hand: Mrkdwn
    next_check: str
    symptoms: tuple[SymptomView, ...]
    causes: tuple[CauseView, ...]
    findings: tuple[FindingView, ...]
    replay: Mapping[str, Any] | None = None

    @property
    def blind(self) -> tuple[FindingView, ...]:
        return tuple(f for f in self.findings if f.status == "unknown")

    @property
    def telling(self) -> tuple[SymptomView, ...]:
        """The page's own symptom, and the others that surely moved."""
        return self.symptoms[:1] + tuple(s for s in self.symptoms[1:] if s.sure)

    @property
    def unseen(self) -> tuple[tuple[str, str], ...]:
        """What could not be seen, by the reason: (titles, reason), those first that stand for most."""
        reasons: dict[str, list[str]] = {}
        for finding in self.blind:
            reasons.setdefault(finding.reason, []).append(finding.title)
        groups = sorted(reasons.items(), key=lambda group: -len(group[1]))
        named = [(", ".join([titles[0], *(t.lower() for t in titles[1:])]), reason) for reason, titles in groups]
        return tuple((titles if n == 0 else titles.lower(), reason) for n, (titles, reason) in enumerate(named))

    @property
    def moved(self) -> tuple[FindingView, ...]:
        return tuple(f for f in self.findings if f.status == "changed_not_implicated")


def read(verdict: Mapping[str, Any], people: Mapping[str, str] | None = None) -> VerdictView:
    """`people` maps lower-case e-mail addresses to Slack ids, for mentions."""
    page, severity = _map(verdict.get("page")), _map(verdict.get("severity"))
    day = _time(verdict.get("as_of")) or _time(page.get("occurred_at")) or datetime(1970, 1, 1, tzinfo=UTC)
    symptoms = tuple(_symptom(_map(s), day) for s in _list(verdict.get("symptoms")))
    findings = tuple(_finding(_map(f), day) for f in _list(verdict.get("findings")))
    spans = max(
        (usable(_map(_map(f).get("looked_at")).get("spans")) or 0 for f in _list(verdict.get("findings"))), default=0
    )
    status = _text(verdict.get("status"))
    return VerdictView(
        status=status if status in ("implicated", "none_of_five") else "undetermined",
        title=_text(page.get("title")),
        url=_text(page.get("url"), 1_500),
        service=_text(page.get("service"), 80),
        page_at=moment(_time(page.get("occurred_at")), day),
        as_of=moment(_time(verdict.get("as_of")), day),
        took=took(verdict.get("took_ms")),
        spans=count(spans),
        level=_text(severity.get("level"), 20),
        severity=_severity(severity),
        rule=_text(severity.get("rule"), 160),
        by_hand=_by_hand(_map(severity.get("by_hand"))),
        next_check=_text(verdict.get("next_check")),
        symptoms=symptoms,
        causes=tuple(_cause(_map(c), symptoms, day, people or {}) for c in _list(verdict.get("causes"))),
        findings=findings,
        replay=read_report(_map(verdict.get("replay"))) if verdict.get("replay") else None,
    )


def _symptom(raw: Mapping[str, Any], day: datetime) -> SymptomView:
    before, after = _map(raw.get("before")), _map(raw.get("after"))
    unit, signal = _text(raw.get("unit"), 20), _text(raw.get("signal"), 80)
    shown = [figure(m.get("value"), unit) for m in (before, after)]
    interval = [*_list(raw.get("interval")), None, None]
    return SymptomView(
        signal=signal,
        title=_text(raw.get("title"), 80) or signal.replace("_", " ") or "a signal",
        where=_where(_map(raw.get("slice"))),
        before=shown[0],
        after=shown[1],
        n=count(after.get("n")),
        since=stretch(_interval(raw.get("onset")), day),
        difference=difference(interval[0], interval[1], unit),
        sure=_sure(interval[0], interval[1]),
        bars=_bars(shown, before, after),
    )


def _sure(low: object, high: object) -> bool:
    """Whether the interval leaves out that nothing moved."""
    ends = usable(low), usable(high)
    return ends[0] is None or ends[1] is None or ends[0] > 0 or ends[1] < 0


def _bars(shown: list[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> Mrkdwn:
    values = [usable(m.get("value")) for m in (before, after)]
    most = max((v for v in values if v is not None), default=0)
    if most <= 0 or None in values or min(v for v in values if v is not None) < 0:
        return Mrkdwn("")
    width = max(map(len, shown))
    lines = (
        f"{name:<6} {bar(value, most):<14} {text:>{width}}  n={count(side.get('n'))}"
        for name, value, text, side in zip(("before", "after"), values, shown, (before, after), strict=True)
    )
    return Mrkdwn("```\n" + "\n".join(lines) + "\n```")


def _where(slice_: Mapping[str, Any]) -> Mrkdwn:
    """`in region eu-west-1, route /chat`; empty for everywhere."""
    parts = []
    for name, value in list(slice_.items())[:4]:
        shown = code(shown_label(name, str(value)), 60)
        parts.append(f"{escape(cut(clean(shown_name(name)), 40))} {shown}")
    return Mrkdwn("in " + ", ".join(parts)) if parts else Mrkdwn("")


def _cause(
    raw: Mapping[str, Any], symptoms: tuple[SymptomView, ...], day: datetime, people: Mapping[str, str]
) -> CauseView:
    node = _text(raw.get("node"), 40)
    explains = {_text(e) for e in _list(raw.get("explains"))}
    owner, asked, author = _map(raw.get("owner")), _map(raw.get("asked")), _map(raw.get("author"))
    introduced = _interval(raw.get("introduced"))
    confidence = usable(raw.get("confidence"))
    verb = _VERBS.get(node, "since" if node not in SURFACES else "changed")
    return CauseView(
        node=node,
        surface=node in SURFACES,
        lead=_LEADS.get(node, TITLES.get(node, "Something else")),
        artifact=_text(raw.get("artifact"), 80),
        change=_change(raw),
        before=_text(raw.get("before"), 60),
        when=f"{verb} {stretch(introduced, day)}" if introduced else "",
        woken=stretch(_interval(raw.get("triggered")), day),
        author=_name(author),
        reference=_text(raw.get("reference"), 1_500),
        confidence=_confidence(confidence),
        summary=_text(raw.get("summary"), 160),
        symptoms=tuple(s for s in symptoms if s.signal in explains),
        owner=_who(owner, people) if owner else None,
        owner_source=_text(owner.get("source"), 40),
        gap=_text(raw.get("owner_gap")),
        asked=_who(asked, people) if asked else None,
        evidence=tuple(_text(e, 12) for e in _list(raw.get("evidence"))[:8]),
    )


def _confidence(value: float | None) -> str:
    """Never certainty."""
    if value is None:
        return "unknown"
    return "over 0.99" if value > 0.99 else f"{max(value, 0):.2f}"


def _finding(raw: Mapping[str, Any], day: datetime) -> FindingView:
    status, node = _text(raw.get("status"), 40), _text(raw.get("node"), 40)
    known = status if status in WORDS else "unknown"
    return FindingView(
        node=node,
        title=TITLES.get(node, node or "A node without a name"),
        status=known,
        symbol=SYMBOLS[known],
        words=WORDS[known],
        reason=_text(raw.get("reason")),
        spans=count(_map(raw.get("looked_at")).get("spans")),
        changes=tuple(change_view(_map(c), day) for c in _list(raw.get("changes"))),
        evidence=tuple(_evidence(_map(e)) for e in _list(raw.get("evidence"))),
    )


def change_view(raw: Mapping[str, Any], day: datetime) -> ChangeView:
    """A change as `Change.as_json` writes it."""
    return ChangeView(
        artifact=_text(raw.get("artifact"), 80),
        change=_change(raw),
        when=stretch(_interval(raw.get("introduced")), day),
        author=_name(_map(raw.get("author"))),
        reference=_text(raw.get("reference"), 1_500),
        summary=_text(raw.get("summary"), 160),
    )


def _evidence(raw: Mapping[str, Any]) -> EvidenceView:
    n, text = usable(raw.get("n")), _text(raw.get("text"))
    return EvidenceView(
        id=_text(raw.get("id"), 12),
        text=text,
        n=count(n) if n and "(n=" not in text else "",
        link=_text(raw.get("link"), 1_500),
    )


def _severity(raw: Mapping[str, Any]) -> str:
    """`harm: trust, growing, silent, reversible, 1,240 requests (1,010 to 1,470) of 12 tenants`."""
    intervals = _map(raw.get("intervals"))
    requests, tenants, talks = (
        _affected(raw, intervals, name) for name in ("affected_requests", "affected_tenants", "affected_conversations")
    )
    spread = f"{requests} requests" if requests else ""
    spread += f" in {talks} conversations" if requests and talks else ""
    spread += f" of {tenants} tenants" if requests and tenants else ""
    levels = [_text(level, 10) for level in _list(raw.get("levels"))[:2]]
    parts = [
        f"harm: {_text(raw.get('harm'), 60)}" if raw.get("harm") else "",
        _text(raw.get("momentum"), 20),
        "silent" if raw.get("silent") is True else "",
        {True: "reversible", False: "not reversible"}.get(raw["reversible"]) or ""
        if isinstance(raw.get("reversible"), bool)
        else "",
        spread,
        f"{levels[0]} to {levels[1]} within these intervals" if len(levels) == 2 else "",
    ]
    return ", ".join(p for p in parts if p)


def _affected(raw: Mapping[str, Any], intervals: Mapping[str, Any], name: str) -> str:
    """`1,240 (1,010 to 1,470)`; without an interval where it has no width."""
    number = usable(raw.get(name))
    if not number:
        return ""
    ends = [count(end) for end in _list(intervals.get(name))[:2]]
    return count(number) + (f" ({ends[0]} to {ends[1]})" if len(ends) == 2 and ends[0] != ends[1] else "")


def _by_hand(raw: Mapping[str, Any]) -> Mrkdwn:
    """Who set the severity and why, and what the rubric says; empty where nobody did."""
    if not raw:
        return Mrkdwn("")
    who = mention(_text(raw.get("slack_id"), 20), _text(raw.get("actor"), 80) or "somebody")
    words, rubric = escape(_text(raw.get("words"), 200)), _text(raw.get("rubric"), 10)
    return Mrkdwn(f"set by {who}: {words}" + (f". The rubric says {rubric}" if rubric else ""))


def _change(raw: Mapping[str, Any]) -> Mrkdwn:
    before, after = raw.get("before"), raw.get("after")
    if before and after:
        return Mrkdwn(f"{code(before, 60)} → {code(after, 60)}")
    if after:
        return Mrkdwn(f"now {code(after, 60)}")
    return Mrkdwn(f"was {code(before, 60)}") if before else Mrkdwn("")


def _who(person: Mapping[str, Any], people: Mapping[str, str]) -> Mrkdwn:
    email = _text(person.get("email"), 120)
    return mention(people.get(email.lower(), ""), _name(person) or "somebody without a name")


def _name(person: Mapping[str, Any]) -> str:
    return _text(person.get("name"), 80) or _text(person.get("email"), 120)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return list(value)[:60] if isinstance(value, (list, tuple)) else []


def _text(value: object, limit: int = _TEXT) -> str:
    return cut(clean(value), limit) if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _interval(value: object) -> Interval | None:
    raw = _map(value)
    earliest, latest = _time(raw.get("earliest")), _time(raw.get("latest"))
    if earliest is None or latest is None:
        return Interval(at, at) if (at := earliest or latest) else None
    return Interval(min(earliest, latest), max(earliest, latest))


def walked() -> str:
    """What is being checked, in the order of the walk."""
    return ", ".join(TITLES[n].lower() for n in NODES)
