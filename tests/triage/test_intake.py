"""Pages become incidents: once, whatever order they come in, and by rule."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.page import Page
from triagebot.domain.service import Config, Directory, Service
from triagebot.ports import Ledger
from triagebot.triage.intake import receive, service_of, state_of, symptom_key, take

START = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
CONFIG = Config(
    root=Path(),
    organisation="acme",
    directory=Directory(),
    services={
        "support-agent": Service(name="support-agent", slack_channel="#inc", names=("PSVC1",)),
        "search": Service(name="search", slack_channel="#search"),
    },
)


class Clock:
    def now(self) -> datetime:
        return START


@pytest.fixture
async def ledger() -> AsyncIterator[SqlLedger]:
    database = open_database("sqlite://")
    await database.create_tables()
    yield SqlLedger(database, Clock())
    await database.close()


def page(kind: str = "triggered", minutes: float = 0, key: str = "P1", **changed: Any) -> Page:
    values: dict[str, Any] = {
        "source": "pagerduty",
        "event_id": f"{key}-{kind}-{minutes}",
        "kind": kind,
        "incident_key": key,
        "service": "support-agent",
        "title": "support-agent: invalid JSON on 12% of replies",
        "occurred_at": START + timedelta(minutes=minutes),
        "actor": "Maria",
    }
    return Page(**(values | changed))


async def deliver(ledger: Ledger, pages: Iterable[Page]) -> list[str]:
    told = []
    for one in pages:
        if await receive(ledger, [one], b"{}"):
            told.append((await take(one, config=CONFIG, ledger=ledger)).next)
    return told


async def status(ledger: Ledger, incident: str = "INC-1") -> str:
    found = await ledger.incident(incident)
    assert found is not None
    return found.status


async def test_a_page_opens_an_incident_and_its_events_follow_it(ledger: Ledger) -> None:
    pages = [
        page(),
        page("acknowledged", 2),
        page("annotated", 3, text="rolled back v17"),
        page("escalated", 4),
        page("resolved", 9),
        page("reopened", 12),
        page("resolved", 20),
    ]
    told = await deliver(ledger, pages)
    assert told == ["investigate", "noted", "noted", "noted", "resolved", "investigate", "resolved"]
    incident = await ledger.incident("INC-1")
    assert incident is not None
    assert incident.acknowledged_at is None, "whoever had it before it was reopened let go of it"
    assert incident.resolved_at == START + timedelta(minutes=20)
    timeline = await ledger.timeline("INC-1")
    assert [event.kind for event in timeline] == [
        "paged",
        "acknowledged",
        "note",
        "note",
        "resolved",
        "reopened",
        "resolved",
    ]
    assert timeline[2].text == "rolled back v17"
    assert timeline[2].actor == "Maria"


async def test_every_order_of_delivery_ends_the_same(ledger: Ledger) -> None:
    events = [("triggered", 0.0), ("acknowledged", 2.0), ("resolved", 9.0), ("reopened", 12.0)]
    ends = set()
    for number, order in enumerate(itertools.permutations(events)):
        # each order is a service of its own, so that no incident takes in another's pages
        pages = [page(kind, minutes, key=f"K{number}", service=f"s{number}") for kind, minutes in order]
        await deliver(ledger, pages)
        incident = await ledger.incident_of("pagerduty", f"K{number}")
        assert incident is not None
        kinds = tuple(event.kind for event in await ledger.timeline(incident.id))
        ends.add((incident.status, incident.acknowledged_at, incident.resolved_at, kinds))
    assert ends == {("open", None, None, ("paged", "acknowledged", "resolved", "reopened"))}


async def test_redelivery_and_a_worker_that_starts_over_change_nothing(ledger: Ledger) -> None:
    pages = [page(), page("resolved", 9)]
    await deliver(ledger, pages)
    before = await ledger.timeline("INC-1")
    assert await deliver(ledger, pages) == []
    again = [(await take(one, config=CONFIG, ledger=ledger)).next for one in pages]
    assert again == ["investigate", "resolved"]
    assert await ledger.timeline("INC-1") == before
    assert len(await ledger.incidents()) == 1


async def test_a_storm_joins_and_is_over_when_all_of_it_is(ledger: Ledger) -> None:
    storm = [page(minutes=number, key=f"P{number}") for number in range(3)]
    assert await deliver(ledger, storm) == ["investigate", "joined", "joined"]
    told = await deliver(ledger, [page("resolved", 10 + number, key=f"P{number}") for number in (2, 0)])
    assert told == ["noted", "noted"]
    assert await status(ledger) == "open"
    assert await deliver(ledger, [page("resolved", 20, key="P1")]) == ["resolved"]
    timeline = await ledger.timeline("INC-1")
    assert [event.kind for event in timeline] == ["paged"] * 3 + ["note"] * 2 + ["resolved"]
    assert "others of this incident are open" in timeline[3].text


async def test_a_resolved_incident_absorbs_no_new_page_even_of_the_same_key(ledger: Ledger) -> None:
    await deliver(ledger, [page(), page("resolved", 9)])
    assert await deliver(ledger, [page(minutes=30, event_id="again")]) == ["investigate"]
    assert [incident.id for incident in await ledger.incidents(status="open")] == ["INC-2"]


async def test_a_late_event_belongs_to_the_incident_of_its_time(ledger: Ledger) -> None:
    await deliver(ledger, [page(), page("resolved", 9), page(minutes=30, event_id="again")])
    await deliver(ledger, [page("annotated", 5, text="late note"), page("resolved", 8, event_id="older")])
    assert await status(ledger, "INC-2") == "open"
    assert "late note" in [event.text for event in await ledger.timeline("INC-1")]
    assert [event.kind for event in await ledger.timeline("INC-2")] == ["paged"]


async def test_events_before_any_incident_wait_for_it(ledger: Ledger) -> None:
    assert await deliver(ledger, [page("resolved", 9), page("other", 1)]) == ["nothing", "nothing"]
    taken = await take(page(), config=CONFIG, ledger=ledger)
    assert taken.next == "investigate"
    assert taken.incident is not None
    assert taken.incident.status == "resolved"


async def test_a_page_for_an_unknown_service_is_kept_and_known_to_be_so(ledger: Ledger) -> None:
    unknown = page(service="billing-bot", title="billing-bot is down")
    await receive(ledger, [unknown], b"{}")
    taken = await take(unknown, config=CONFIG, ledger=ledger)
    assert taken.service is None
    assert taken.incident is not None
    assert (taken.incident.service, taken.next) == ("billing-bot", "investigate")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"service": "Support-Agent"}, "support-agent"),
        ({"service": "Support (prod)", "service_ids": ("PSVC1",)}, "support-agent"),
        ({"service": "", "title": "support-agent is broken"}, "support-agent"),
        ({"service": "", "title": "support-agents are broken"}, None),
        ({"service": "", "title": "search or support-agent?"}, None),
        ({"service": "checkout", "title": "checkout fails because search is slow"}, None),
        ({"service": "URGENT", "source": "slack", "title": "URGENT: search is slow"}, "search"),
    ],
)
def test_which_service_is_meant(changed: dict[str, Any], expected: str | None) -> None:
    found = service_of(CONFIG, page(**changed))
    assert (found.name if found else None) == expected


@pytest.mark.parametrize(
    "titles",
    [
        ["support-agent: p95 latency 16 s for 15 min", "p95 latency over 22 s", "support-agent slow (P95 > 9)"],
        ["support-agent: invalid JSON on 12% of replies", "[FIRING:3] JSON parse broken at 02:47"],
        ["moderators ask what happened INC0012345", "what happened? moderators ask (a3f9)"],
    ],
)
def test_titles_of_one_storm_have_one_key(titles: Sequence[str]) -> None:
    assert len({symptom_key(page(title=title)) for title in titles}) == 1


def test_other_symptoms_have_other_keys_and_an_alert_name_counts_before_the_title() -> None:
    assert symptom_key(page(title="JSON broken")) != symptom_key(page(title="p95 latency"))
    named = page(title="anything 5", labels={"alertname": "SupportAgentJSONInvalidRateHigh"})
    assert symptom_key(named) == symptom_key(page(title="invalid JSON"))
    assert symptom_key(page(title="??? 123")) == "unnamed"


def test_a_pages_state_does_not_depend_on_order() -> None:
    pages = [page(), page("resolved", 9), page(key="P2", minutes=4), page("resolved", 7, key="P2")]
    states = {state_of(list(order)) for order in itertools.permutations(pages)}
    assert len(states) == 1
    assert next(iter(states)).at == START + timedelta(minutes=9)


async def test_a_reopened_incident_waits_for_somebody_to_acknowledge_it_again(ledger: Ledger) -> None:
    events = [("acknowledged", 1.0), ("resolved", 10.0), ("reopened", 20.0), ("acknowledged", 25.0)]
    for number, order in enumerate(itertools.permutations(events)):
        told = [
            page(kind, minutes, key=f"K{number}", service=f"s{number}")
            for kind, minutes in [("triggered", 0.0), *order]
        ]
        await deliver(ledger, told)
        incident = await ledger.incident_of("pagerduty", f"K{number}")
        assert incident is not None
        assert (incident.status, incident.acknowledged_at) == ("open", START + timedelta(minutes=25)), order
