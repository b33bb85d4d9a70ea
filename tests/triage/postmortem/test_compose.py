from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.triage.postmortem import worlds
from tests.triage.postmortem.worlds import PAGED
from triagebot.domain.nodes import NODES
from triagebot.ports import Prose
from triagebot.triage.narrate import check
from triagebot.triage.postmortem import compose


def composed(verdict=None, timeline=None, **incident):
    return compose(worlds.incident(**incident), worlds.timeline() if timeline is None else timeline, verdict)


def moment(document, name):
    return next(m for m in document.moments if m.name == name)


def spans(document):
    return {span.title: span.text for span in document.spans}


def test_detection_is_counted_from_the_introduction_and_from_the_trigger():
    found = spans(composed(worlds.implicated()))
    assert found["Time to detect, from the introduction"] == "21 d"
    assert found["Time to detect, from the trigger"] == "49 min to 52 min"
    assert found["Time to acknowledge, from the page"] == "4 min"
    assert found["Time to mitigate, from the detection"] == "49 min"


def test_without_a_trigger_the_symptom_is_the_start():
    verdict = worlds.implicated()
    verdict["causes"][0]["triggered"] = None
    document = composed(verdict)
    assert moment(document, "triggered").when is None
    assert spans(document)["Time to detect, from the start of the symptom"] == "49 min to 52 min"


def test_a_change_known_only_to_lie_between_two_looks_keeps_its_interval():
    verdict = worlds.implicated()
    verdict["causes"][0]["introduced"] = worlds.span(PAGED - timedelta(hours=5), PAGED - timedelta(hours=2))
    assert spans(composed(verdict))["Time to detect, from the introduction"] == "2 h to 5 h"


def test_an_introduction_after_the_page_gives_no_negative_time():
    verdict = worlds.implicated()
    verdict["causes"][0]["introduced"] = worlds.span(PAGED + timedelta(hours=1))
    assert spans(composed(verdict))["Time to detect, from the introduction"] == "recorded before it"


def test_every_node_is_told():
    assert [node.node for node in composed(worlds.implicated()).walked] == list(NODES)


def test_what_could_not_be_seen_is_told_and_to_be_repaired():
    document = composed(worlds.implicated())
    assert document.unseen == (("Tool schemas", "forge-mcp did not answer within 8 s"),)
    assert any(item.surface == "tool_schemas" and item.id.startswith("registry-") for item in document.actions)


def test_fields_that_nobody_recorded_are_there_and_empty():
    fields = {field.title: field.values for field in composed(worlds.implicated()).fields}
    assert fields["Model served"] == (("claude-sonnet-5-20260901", "100 %"),)
    assert fields["Judge and eval configuration"] == ()
    assert fields["Prompt revision"][0] == ("support/system@v14", "51 %")


def test_action_items_have_owner_working_day_and_surface():
    actions = composed(worlds.implicated()).actions
    assert {item.id.partition("-")[0] for item in actions} == {
        "revert",
        "eval",
        "alert",
        "control",
        "registry",
        "attribute",
    }
    for item in actions:
        assert item.owner
        assert item.owner.email == "maria@example.com"
        assert item.due
        assert item.due > worlds.RESOLVED.date()
        assert item.due.weekday() < 5
        assert item.surface in NODES
    assert [item.due for item in actions] == sorted(item.due or date.max for item in actions)


def test_an_ownership_gap_is_a_factor_and_an_item_for_who_is_asked():
    verdict = worlds.implicated()
    asked = {"name": "Ana Lind", "email": "ana@example.com"}
    verdict["causes"][0] |= {
        "owner": None,
        "owner_gap": "CODEOWNERS names @acme/prompts, a team; Ana Lind is asked",
        "asked": asked,
    }
    document = composed(verdict)
    assert document.owner
    assert document.owner.email == "ana@example.com"
    assert "CODEOWNERS names @acme/prompts" in document.owner_gap
    assert any(factor.kind == "owner" for factor in document.factors)
    assert next(item for item in document.actions if item.id.startswith("owner-")).owner.name == "Ana Lind"


@pytest.mark.parametrize(
    "name", ["#platform", "@acme/prompts", "Platform Team", "on-call", "triagebot", "TBD", "", "AI team"]
)
def test_a_channel_or_team_owns_nothing(name):
    verdict = worlds.implicated()
    verdict["causes"][0]["owner"] = {"name": name, "email": "", "source": "configured"}
    timeline = [event for event in worlds.timeline() if event.kind != "acknowledged"]
    assert composed(verdict, timeline).owner is None


def test_who_acknowledged_is_asked_where_nobody_owns():
    owner = composed(worlds.undetermined()).owner
    assert owner
    assert (owner.name, owner.source) == ("Ola Berg", "acknowledged the page")


def test_a_person_named_by_hand_comes_first():
    named = worlds.event("owner_named", 30, "Ola Berg", person={"name": "Eva Kern", "email": "eva@example.com"})
    owner = composed(worlds.implicated(), worlds.timeline(named)).owner
    assert owner
    assert owner.name == "Eva Kern"


def test_a_wrong_call_is_not_hidden():
    label = worlds.event("label", 12, "Ola Berg", "Wrong call", node="traffic")
    assert "named Traffic" in composed(worlds.implicated(), worlds.timeline(label)).disputed


def test_none_of_five_and_undetermined_say_so():
    none, open_ = composed(worlds.none_of_five()), composed(worlds.undetermined())
    assert any("None of the five surfaces" in s.text for s in none.prose["summary"])
    assert any("not determined" in s.text for s in open_.prose["summary"])
    assert "Poll the alias" in open_.root_cause
    assert any(item.id.startswith("settle-") for item in open_.actions)
    assert not any(item.id.startswith("revert-") for item in (*none.actions, *open_.actions))


def test_no_verdict_is_a_document_too():
    document = composed(None)
    assert document.verdict_said == "No verdict was reached."
    assert document.walked == ()
    assert document.actions == ()


def test_the_document_does_not_read_what_is_said_about_it():
    more = [worlds.event(kind, 90) for kind in ("postmortem", "reviewed", "published", "reminded", "message")]
    assert composed(worlds.implicated()) == composed(worlds.implicated(), worlds.timeline(*more))


def test_timeline_order_does_not_matter():
    assert composed(worlds.implicated()) == composed(worlds.implicated(), worlds.timeline()[::-1])


def test_provider_causes_ask_for_the_contract():
    verdict = worlds.implicated()
    verdict["causes"][0] |= {"node": "model_alias", "artifact": "claude-latest"}
    answers = {question.text: question.answer for question in composed(verdict).questions}
    assert answers["Were we owed notice, a pin or a region by contract?"] == "No clause on file."
    assert any(item.id.startswith("contract-") for item in composed(verdict).actions)
    verdict["facts"]["contract"] = {"notice": "60 days", "pin": "yes"}
    answers = {question.text: question.answer for question in composed(verdict).questions}
    assert answers["Were we owed notice, a pin or a region by contract?"] == "notice: 60 days; pin: yes."
    assert not any(item.id.startswith("contract-") for item in composed(verdict).actions)


def test_a_gate_that_said_no_is_told():
    verdict = worlds.implicated()
    verdict["facts"]["gate"] = [{"at": "2026-10-12", "decision": "no", "overridden_by": "release manager"}]
    answers = {question.text: question.answer for question in composed(verdict).questions}
    assert (
        answers["Did a gate say no, and was it overridden?"]
        == "gate said no on 2026-10-12, overridden by release manager."
    )


def test_several_causes_each_get_their_item_and_their_words():
    verdict = worlds.implicated()
    second = verdict["causes"][0] | {
        "node": "tool_schemas",
        "artifact": "forge-mcp",
        "before": "1.4.1",
        "after": "1.4.2",
    }
    verdict["causes"].append(second)
    document = composed(verdict)
    assert {item.surface for item in document.actions if item.id.startswith("revert-")} == {
        "prompt_version",
        "tool_schemas",
    }
    assert "forge-mcp 1.4.1 → 1.4.2" in document.root_cause


def test_credentials_and_strangers_addresses_do_not_stand():
    note = worlds.event(
        "note", 21, "Ola Berg", "key sk-ant-REDACTED of customer jane@customer.example, ask maria@example.com"
    )
    told = next(
        entry.text for entry in composed(worlds.implicated(), worlds.timeline(note)).log if "customer" in entry.text
    )
    assert "sk-ant" not in told
    assert "jane@" not in told
    assert "maria@example.com" in told


@pytest.mark.parametrize("verdict", [worlds.implicated(), worlds.none_of_five(), worlds.undetermined()])
def test_the_plain_prose_keeps_the_narrators_rules(verdict):
    document = composed(verdict)
    assert check(Prose(sections=document.prose, model="", prompt_hash=""), document.facts, tuple(document.prose)) == ()


def test_every_citation_leads_somewhere():
    document = composed(worlds.implicated())
    shown = {f.id for f in document.fields} | {e.id for e in document.log} | {w.id for w in document.walked}
    shown |= {p.id for p in document.proofs} | {id_ for id_, _ in document.figures}
    cited = {c for part in (document.moments, document.factors, document.questions) for one in part for c in one.cites}
    cited |= {c for name in ("summary", "impact") for sentence in document.prose[name] for c in sentence.cites}
    assert cited <= shown


def test_latency_is_told_in_its_unit():
    verdict = worlds.implicated()
    verdict["symptoms"][0] |= {
        "unit": "ms",
        "title": "time to answer",
        "before": {"n": 10, "value": 2100.0},
        "after": {"n": 10, "value": 14000.5},
    }
    verdict["symptoms"][0]["interval"] = [11000.0, 12500.0]
    document = composed(verdict)
    assert "from 2,100 ms to 14,000 ms" in document.prose["summary"][1].text
    assert "%" not in document.facts["S1"].replace("95 % interval", "")


def test_a_drill_says_so():
    assert composed(worlds.implicated(), drill=True).drill
    assert replace(worlds.incident(), drill=True).drill


def test_an_owner_named_for_the_artifact_closes_the_gap_but_not_the_lesson():
    verdict = worlds.implicated()
    verdict["causes"][0] |= {"owner": None, "owner_gap": "no owner on file", "asked": None}
    person = {"name": "Eva Kern", "email": "eva@example.com", "slack_id": "U1"}
    named = worlds.event("owner_named", 30, "Ola Berg", person=person, node="prompt_version", artifact="support/system")
    document = composed(verdict, worlds.timeline(named))
    assert all(item.owner.name == "Eva Kern" for item in document.actions)
    assert (
        next(item.text for item in document.actions if item.id.startswith("owner-"))
        == "Put Eva Kern on file as owner of support/system."
    )
    assert any(factor.kind == "owner" for factor in document.factors)


def test_an_incident_that_was_reopened_is_not_resolved_yet():
    reopened = worlds.event("reopened", 80, "pagerduty")
    open_again = composed(worlds.implicated(), worlds.timeline(reopened), resolved_at=None, status="open")
    assert moment(open_again, "resolved").when is None
    later = PAGED + timedelta(minutes=120)
    again = composed(worlds.implicated(), worlds.timeline(reopened, worlds.event("resolved", 120)), resolved_at=later)
    assert moment(again, "resolved").when.latest == later


def test_the_coverage_factor_cites_the_coverage():
    document = composed(worlds.implicated())
    factor = next(factor for factor in document.factors if factor.kind == "telemetry")
    assert next(field.title for field in document.fields if field.id in factor.cites) == "Recorded on spans (coverage)"


def test_the_verdict_names_its_surface_and_no_confidence_is_certainty():
    verdict = worlds.implicated()
    verdict["causes"][0]["confidence"] = 1.0
    document = composed(verdict)
    assert document.verdict_said == "Prompt version implicated."
    assert document.confidence == "over 99 %"
    assert composed(worlds.implicated()).confidence == "97 %"
    assert composed(worlds.none_of_five()).verdict_said.startswith("None of the five surfaces")


def test_the_summary_is_short_and_of_what_surely_moved():
    verdict = worlds.implicated()
    told = verdict["symptoms"][0]
    verdict["symptoms"] = [
        told,
        told | {"signal": "request_ms", "title": "request duration", "unit": "ms", "interval": [-1000.0, 200.0]},
        told | {"signal": "output_tokens", "title": "output tokens", "unit": "tokens", "interval": [-44.0, -34.0]},
        told | {"signal": "cost", "title": "cost", "unit": "", "interval": [-4.0, -3.0]},
    ]
    summary = composed(verdict).prose["summary"]
    assert [s.cites for s in summary if s.cites[0].startswith("S")] == [("S1",), ("S3",)]


def test_the_same_time_to_detect_is_told_once():
    verdict = worlds.implicated()
    at = worlds.span(worlds.ONSET)
    verdict["causes"][0] |= {"introduced": at, "triggered": None}
    verdict["symptoms"][0]["onset"] = at
    titles = [span.title for span in composed(verdict).spans if span.title.startswith("Time to detect")]
    assert titles == ["Time to detect, from the introduction and the start of the symptom"]


def test_what_else_changed_is_one_line():
    verdict = worlds.implicated()
    for finding in verdict["findings"]:
        if finding["node"] in ("model_alias", "retrieval_corpus"):
            change = {"artifact": finding["node"], "before": "a", "after": "b", "introduced": worlds.span(worlds.ONSET)}
            finding |= {"status": "changed_not_implicated", "changes": [change]}
    (factor,) = [f for f in composed(verdict).factors if f.kind == "company"]
    assert factor.title == "Changed at the same time and ruled out"
    assert len(factor.cites) == 2
    assert factor.text.startswith("Model alias (model_alias a → b), retrieval corpus (")


def test_what_telemetry_lacks_is_asked_for_by_attribute_and_only_where_any_would_do():
    verdict = worlds.implicated()
    verdict["facts"]["coverage"] = {"prompt_version": 0.0, "prompt_hash": 1.0, "intent": 0.0, "finish_reason": 0.2}
    items = [item for item in composed(verdict).actions if item.id.startswith("attribute-")]
    assert [item.text for item in items] == ["Record gen_ai.response.finish_reasons on every LLM span."]


def test_who_somebody_is_stays_out_of_the_document():
    verdict = worlds.implicated()
    verdict["symptoms"][0]["slice"] = {"user": "ana@customer.example"}
    verdict["findings"][0]["evidence"] = [
        {"id": "E1", "text": "x", "n": 1, "query": "SELECT 1", "parameters": {"slice_0": "ana@customer.example"}}
    ]
    document = composed(verdict)
    assert "ana@customer" not in str(document)
    proof = next(proof for proof in document.proofs if proof.id == "E1")
    assert proof.parameters[0][1].startswith("#")
