"""Every sender's body becomes pages, or one clear line; nothing else ever comes out of it."""

from __future__ import annotations

import contextlib
import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagebot.adapters.pagers.parse import PARSERS, parse_page
from triagebot.errors import BadPage

REALDATA = Path(__file__).parents[4] / "shared" / "realdata" / "payloads"
NOW = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)

PAGERDUTY = {
    "event": {
        "id": "01E",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-11-03T02:47:00.120Z",
        "agent": {"id": "PU1", "summary": "Maria Example", "type": "user_reference"},
        "client": {"name": "Grafana"},
        "data": {
            "id": "PINC1",
            "type": "incident",
            "html_url": "https://acme.example/incidents/PINC1",
            "number": 7,
            "status": "triggered",
            "incident_key": "abc",
            "title": "support-agent: invalid JSON on 12% of replies",
            "service": {"id": "PSVC1", "summary": "support-agent", "type": "service_reference"},
            "urgency": "high",
            "priority": None,
        },
    }
}
NOTE = {
    "event": {
        "id": "02E",
        "event_type": "incident.annotated",
        "resource_type": "incident",
        "occurred_at": "2026-11-03T02:50:00Z",
        "agent": {"summary": "Maria Example"},
        "data": {
            "incident": {"id": "PINC1", "summary": "support-agent: invalid JSON", "html_url": "https://acme.example/i"},
            "id": "PNOTE",
            "content": "rolled back v17",
            "type": "incident_note",
        },
    }
}
ALERTS = {
    "receiver": "triagebot",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "InvalidJson", "service": "support-agent", "region": "eu"},
            "annotations": {"summary": "JSON is broken", "description": "12% of replies"},
            "startsAt": "2026-11-03T09:47:26.739266876+07:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://prometheus.example/graph",
            "fingerprint": "f1",
        }
    ],
    "groupLabels": {"alertname": "InvalidJson"},
    "commonLabels": {"alertname": "InvalidJson", "service": "support-agent"},
    "commonAnnotations": {"summary": "JSON is broken"},
    "externalURL": "https://alertmanager.example",
    "version": "4",
    "groupKey": '{}:{alertname="InvalidJson"}',
    "truncatedAlerts": 0,
}
SLASH = {"command": "/triage", "text": "support-agent JSON is broken", "trigger_id": "T.1", "user_id": "U1"}


def one(source: str, body: Any, **headers: str) -> Any:
    (page,) = parse_page(source, headers, body)
    return page


def test_a_pagerduty_trigger_keeps_what_names_the_incident_and_the_service() -> None:
    page = one("pagerduty", PAGERDUTY)
    assert (page.kind, page.event_id, page.incident_key) == ("triggered", "01E", "PINC1")
    assert (page.service, page.service_ids, page.actor) == ("support-agent", ("PSVC1",), "Maria Example")
    assert page.occurred_at == datetime(2026, 11, 3, 2, 47, 0, 120000, tzinfo=UTC)
    assert page.detail["incident_key"] == "abc"


def test_a_pagerduty_note_belongs_to_the_incident_it_refers_to() -> None:
    page = one("pagerduty", NOTE)
    assert (page.kind, page.incident_key, page.text, page.actor) == (
        "annotated",
        "PINC1",
        "rolled back v17",
        "Maria Example",
    )


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("incident.acknowledged", "acknowledged"),
        ("incident.unacknowledged", "other"),
        ("incident.resolved", "resolved"),
        ("incident.reopened", "reopened"),
        ("incident.delegated", "reassigned"),
        ("incident.escalated", "escalated"),
        ("incident.priority_updated", "priority_updated"),
        ("incident.workflow.started", "other"),
        ("incident.something_new", "other"),
    ],
)
def test_every_pagerduty_event_type_is_a_kind(event_type: str, kind: str) -> None:
    body = copy.deepcopy(PAGERDUTY)
    body["event"]["event_type"] = event_type
    assert one("pagerduty", body).kind == kind


def test_pagerduty_service_events_and_pings_are_kept_as_other() -> None:
    ping = {"id": "1", "event_type": "pagey.ping", "resource_type": "pagey", "occurred_at": "2026-11-03T02:47:00Z"}
    page = one("pagerduty", {"event": {**ping, "data": {"message": "Hello from your friend Pagey!", "type": "ping"}}})
    assert (page.kind, page.incident_key, page.service) == ("other", "", "")


def test_an_alert_group_is_one_page_at_its_newest_alert() -> None:
    page = one("alertmanager", ALERTS)
    assert (page.kind, page.service, page.title) == ("triggered", "support-agent", "JSON is broken")
    assert page.occurred_at == datetime(2026, 11, 3, 2, 47, 26, 739266, tzinfo=UTC)
    assert page.labels["alertname"] == "InvalidJson"
    assert "12% of replies" in page.text


def test_a_repeated_notification_is_the_same_event_and_one_more_alert_is_not() -> None:
    repeated = copy.deepcopy(ALERTS) | {"truncatedAlerts": 1, "externalURL": "https://other-half.example"}
    assert one("alertmanager", repeated).event_id == one("alertmanager", ALERTS).event_id
    grown = copy.deepcopy(ALERTS)
    grown["alerts"].append(grown["alerts"][0] | {"fingerprint": "f2", "startsAt": "2026-11-03T03:00:00Z"})
    assert one("alertmanager", grown).event_id != one("alertmanager", ALERTS).event_id
    assert one("alertmanager", grown).incident_key == one("alertmanager", ALERTS).incident_key
    assert one("alertmanager", grown).occurred_at == datetime(2026, 11, 3, 3, 0, tzinfo=UTC)


def test_a_resolved_group_resolves_the_same_incident_when_it_ended() -> None:
    body = copy.deepcopy(ALERTS)
    body["status"] = body["alerts"][0]["status"] = "resolved"
    body["alerts"][0]["endsAt"] = "2026-11-03T04:00:00Z"
    page = one("grafana", body)
    assert (page.kind, page.occurred_at.hour) == ("resolved", 4)
    assert page.incident_key == one("grafana", ALERTS).incident_key
    assert page.event_id != one("grafana", ALERTS).event_id


def test_a_slash_command_takes_its_time_from_the_request() -> None:
    page = one("slack", SLASH, **{"X-Slack-Request-Timestamp": "1793674020"})
    assert (page.service, page.title) == ("support-agent", "JSON is broken")
    assert page.occurred_at == datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
    with pytest.raises(BadPage, match="Timestamp"):
        one("slack", SLASH)


def test_a_message_shortcut_is_as_of_the_message() -> None:
    payload = {
        "type": "message_action",
        "trigger_id": "T.2",
        "user": {"id": "U2", "username": "maria"},
        "channel": {"id": "C1"},
        "message": {"ts": "1793674020.000200", "text": "support-agent: answers are <b>empty</b>\nsince lunch"},
        "response_url": "https://hooks.example/secret",
    }
    page = one("slack", {"payload": json.dumps(payload)})
    assert (page.service, page.title) == ("support-agent", "support-agent: answers are <b>empty</b>")
    assert page.event_id == "C1:1793674020.000200"
    assert "response_url" not in page.detail


def test_generic_takes_what_is_there_and_needs_a_time_from_somewhere() -> None:
    body = {"title": "Refusals doubled", "labels": {"service": "support-agent"}, "at": "2026-11-03T02:47:00Z"}
    page = one("generic", body)
    assert (page.service, page.kind, page.occurred_at) == ("support-agent", "triggered", NOW)
    untimed = {"title": "Refusals doubled"}
    with pytest.raises(BadPage, match="at is missing"):
        one("generic", untimed)
    (now,) = parse_page("generic", {}, untimed, received_at=NOW)
    (again,) = parse_page("generic", {}, untimed, received_at=NOW.replace(second=2))
    (later,) = parse_page("generic", {}, untimed, received_at=NOW.replace(hour=4))
    assert now.event_id == again.event_id != later.event_id
    assert now.incident_key == later.incident_key


def test_generic_reads_an_alarm_that_sns_wrapped() -> None:
    alarm = {"AlarmName": "5xx", "NewStateValue": "OK", "StateChangeTime": "2026-11-03T02:47:00.000+0000"}
    page = one("generic", {"Type": "Notification", "MessageId": "m1", "Message": json.dumps(alarm)})
    assert (page.title, page.kind, page.event_id, page.occurred_at) == ("5xx", "resolved", "m1", NOW)


@pytest.mark.parametrize(
    ("source", "body", "line"),
    [
        ("pagerduty", [], "event is missing"),
        ("pagerduty", {"event": {"event_type": "incident.triggered", "id": "1"}}, "occurred_at"),
        ("pagerduty", {"event": {**NOTE["event"], "data": {}}}, "data.id"),
        ("alertmanager", {"status": "firing", "alerts": []}, "alerts is missing"),
        ("grafana", {**ALERTS, "status": "paused"}, "paused"),
        ("alertmanager", {**ALERTS, "alerts": [{"status": "firing", "startsAt": "yesterday"}]}, "startsAt"),
        ("slack", {"command": "/triage", "text": "  ", "trigger_id": "1"}, "names no service"),
        ("generic", {"title": ["x"]}, "title"),
        ("opsgenie", {}, "not one of"),
        (["pagerduty"], {}, "not one of"),
    ],
)
def test_a_bad_body_is_one_clear_line(source: Any, body: Any, line: str) -> None:
    with pytest.raises(BadPage, match=line) as caught:
        parse_page(source, {}, body)
    assert "\n" not in str(caught.value)


def test_text_that_no_database_stores_is_dropped() -> None:
    body = copy.deepcopy(PAGERDUTY)
    body["event"]["data"]["title"] = "broken\x00 \ud800reply" + "x" * 10_000
    title = one("pagerduty", body).title
    title.encode()
    assert title.startswith("broken reply")
    assert len(title) == 500


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@given(source=st.sampled_from(list(PARSERS)), body=anything)
def test_no_body_raises_anything_but_bad_page(source: str, body: Any) -> None:
    with contextlib.suppress(BadPage):
        parse_page(source, {}, body)


TEMPLATES = {"pagerduty": [PAGERDUTY, NOTE], "alertmanager": [ALERTS], "grafana": [ALERTS], "slack": [SLASH]}


@given(data=st.data())
def test_no_damaged_body_raises_anything_but_bad_page(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(list(TEMPLATES)))
    body = copy.deepcopy(data.draw(st.sampled_from(TEMPLATES[source])))
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = body
        while isinstance(at, (dict, list)) and at:
            key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if data.draw(st.booleans()) or not isinstance(at[key], (dict, list)):
                at[key] = data.draw(anything)
                break
            at = at[key]
    try:
        pages = parse_page(source, {"x-slack-request-timestamp": "1793674020"}, body, received_at=NOW)
    except BadPage:
        return
    for page in pages:
        assert page.occurred_at.tzinfo is not None
        assert page.event_id
        json.dumps(page.as_json()).encode()


def test_a_body_nested_without_end_is_refused() -> None:
    body: Any = {"title": "deep"}
    for _ in range(5_000):
        body = {"title": "deep", "x": body}
    with pytest.raises(BadPage, match="nested"):
        parse_page("generic", {}, body, received_at=NOW)


@pytest.mark.skipif(not REALDATA.exists(), reason="the real payloads are not beside this repository")
@pytest.mark.parametrize("sender", ["cloudwatch", "datadog", "sentry", "prometheus", "grafana"])
def test_alerts_of_other_senders_are_pages_through_the_generic_door(sender: str) -> None:
    alerts = json.loads((REALDATA / "alerts" / f"keep_{sender}_ALERTS.json").read_text())
    for name, alert in alerts.items():
        (page,) = parse_page("generic", {}, alert["payload"], received_at=NOW)
        assert page.title, name
        assert page.kind == "triggered"


def test_a_mention_in_slack_is_a_page_at_the_time_of_its_message():
    body = {
        "type": "event_callback",
        "event_id": "Ev01",
        "event_time": 1769849977,
        "event": {
            "type": "app_mention",
            "user": "U1",
            "text": "<@U0BOT> harbour-support: odd tone",
            "ts": "1769849977.737205",
            "channel": "C1",
        },
    }
    (page,) = parse_page("slack", {}, body)
    assert (page.service, page.title, page.event_id) == ("harbour-support", "harbour-support: odd tone", "Ev01")
    assert int(page.occurred_at.timestamp()) == 1769849977


def test_an_event_without_text_is_refused():
    with pytest.raises(BadPage, match="no text"):
        parse_page("slack", {}, {"event_id": "Ev1", "event": {"ts": "1769849977.1", "text": "<@U0BOT>"}})


def test_a_senders_own_members_are_found_where_the_configuration_says() -> None:
    fields = {"title": "alert.name", "service": "labels.app", "at": "events.0.time", "status": "nowhere.at.all"}
    body = {
        "alert": {"name": "too many refusals"},
        "labels": {"app": "desk"},
        "events": [{"time": "2026-11-03T02:40:00Z"}],
        "title": "not this one",
    }
    (page,) = parse_page("generic", {}, body, fields=fields)
    assert (page.title, page.service, page.kind) == ("too many refusals", "desk", "triggered")
    assert page.occurred_at == datetime(2026, 11, 3, 2, 40, tzinfo=UTC)
    (other,) = parse_page("pagerduty", {}, PAGERDUTY, fields=fields)
    assert other == parse_page("pagerduty", {}, PAGERDUTY)[0]


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ),
    st.text(),
)
def test_any_path_into_any_body(body: Any, path: str) -> None:
    with contextlib.suppress(BadPage):
        parse_page("generic", {}, body, received_at=NOW, fields={"title": path, "at": "0.0"})
