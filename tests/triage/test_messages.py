"""What people read: sentences word for word, and any verdict at all within Slack's limits."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.incidents import CAUSE, PAGED, SYMPTOM, cause, finding, page, verdict
from triagebot.domain.incident import Incident, TimelineEvent
from triagebot.domain.nodes import NODES
from triagebot.domain.times import Interval
from triagebot.testing.slack.blocks import check_blocks, texts, too_long_in_all
from triagebot.triage.messages.incident import (
    details_message,
    evidence_message,
    picture_alt,
    unconfigured_message,
    verdict_message,
    walking_message,
)
from triagebot.triage.messages.numbers import bar, count, difference, figure, moment, stretch, took
from triagebot.triage.messages.plain import plain_text
from triagebot.triage.messages.replies import why_reply

INCIDENT = Incident(
    id="INC-12", service="support-agent", status="open", title="JSON", symptom_key="json", opened_at=PAGED
)
MARIA = {"maria@example.com": "U0000MARI"}


def section(message, begins):
    """The first text that begins so."""
    found = [t for t in texts(list(message.blocks)) if t.startswith(begins)]
    assert found, [t[:60] for t in texts(list(message.blocks))]
    return found[0]


def everything(message):
    return "\n".join(texts(list(message.blocks)))


def buttons(message):
    return [e["action_id"] for b in message.blocks if b["type"] == "actions" for e in b["elements"]]


def event(kind, minutes=4, actor="Ravi", **data):
    at = PAGED + timedelta(minutes=minutes)
    return TimelineEvent(at=at, kind=kind, actor=actor, text="", dedupe=f"{kind}{minutes}", data=data)


# -- numbers and times -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.118, "rate", "11.8 %"),
        (0.021, "rate", "2.1 %"),
        (0.00012, "rate", "0.012 %"),
        (1.0, "rate", "100 %"),
        (0, "rate", "0 %"),
        (840.4, "ms", "840.4 ms"),
        (12_400, "ms", "12.4 s"),
        (240_000, "ms", "4 min"),
        (1240, "tokens", "1,240 tokens"),
        (0.734, "score", "0.73"),
        (3, "count", "3"),
        (1e300, "count", "1.0e+300"),
        (float("nan"), "rate", "—"),
        (float("inf"), "ms", "—"),
        (10**400, "rate", "—"),
        (None, "rate", "—"),
        ("2 %", "rate", "—"),
        (True, "rate", "—"),
    ],
)
def test_figures(value, unit, shown):
    assert figure(value, unit) == shown


def test_other_numbers():
    assert count(41203) == "41,203"
    assert took(812) == "812 ms"
    assert difference(0.08, 0.115, "rate") == "+8 to +11.5 points"
    assert difference(-120, 40, "ms") == "-120 ms to +40 ms"
    assert difference(None, 1, "ms") == ""
    assert (bar(1, 2, 10), bar(0.001, 1, 10), bar(0, 1), bar(1, 0)) == ("█████", "▏", "", "")


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("earliest", "latest", "shown"),
    [
        ("2026-11-03T01:58", "2026-11-03T02:03", "01:58-02:03 UTC"),
        ("2026-11-03T01:58:10", "2026-11-03T01:58:50", "01:58 UTC"),
        ("2026-10-13T01:58", "2026-10-13T02:03", "13 Oct 01:58-02:03 UTC"),
        ("2026-11-02T22:00", "2026-11-03T01:00", "2 Nov 22:00 to 3 Nov 01:00 UTC"),
        ("2025-12-31T23:00", "2025-12-31T23:00", "31 Dec 2025 23:00 UTC"),
    ],
)
def test_stretches_of_time(earliest, latest, shown):
    assert stretch(Interval(at(earliest), at(latest)), PAGED) == shown


def test_moments():
    assert moment(PAGED, PAGED) == "02:47 UTC"
    assert moment(PAGED - timedelta(days=21), PAGED) == "13 Oct 02:47 UTC"


# -- the verdict -----------------------------------------------------------------------------------------------------------


def test_the_verdict_in_one_sentence():
    message = verdict_message(INCIDENT, verdict(), people=MARIA)
    assert section(message, "*Prompt") == (
        "*Prompt version changed:* `support/system` `v14` → `v17`, rolled out 01:58-02:03 UTC by Maria. Confidence 0.97."
    ), "its symptom stands below, with the figure"
    assert message.text == (
        "INC-12 · support-agent · SEV2: Prompt version changed: support/system v14 → v17, rolled out 01:58-02:03 UTC "
        "by Maria; JSON failures 2.1 % → 11.8 % (n=1,240) in region eu-west-1. Confidence 0.97."
    )


def test_the_order_is_blind_spots_verdict_figure_owner():
    shown = everything(verdict_message(INCIDENT, verdict(), people=MARIA))
    parts = [
        "INC-12",
        "*Not seen:* Eval freshness (the folder evals/",
        "*Prompt version changed:*",
        "before ██ ",
        "*Owner:*",
    ]
    parts += [
        "*Severity:* SEV2",
        "Rule: broad silent shift",
        "*Next:*",
        "Paged 02:47 UTC · 10 nodes on 41,203 spans in 812 ms",
    ]
    found = [shown.index(part) for part in parts]
    assert found == sorted(found)


def test_the_figure():
    assert section(verdict_message(INCIDENT, verdict()), "*JSON failures*") == (
        "*JSON failures* in region `eu-west-1`, since 02:00-02:04 UTC (+8 to +11.5 points)\n"
        "```\n"
        "before ██              2.1 %  n=9,876\n"
        "after  ██████████████ 11.8 %  n=1,240\n"
        "```"
    )


def test_nothing_is_said_of_blind_spots_where_there_are_none():
    message = verdict_message(INCIDENT, verdict(findings=[finding(n) for n in NODES]))
    assert "Not seen" not in everything(message)


def test_the_owner_is_mentioned_or_the_gap_is_told():
    assert "*Owner:* <@U0000MARI> (codeowners)" in everything(verdict_message(INCIDENT, verdict(), people=MARIA))
    assert "*Owner:* Maria Ruiz (codeowners)" in everything(verdict_message(INCIDENT, verdict()))
    gap = cause(
        owner=None, owner_gap="CODEOWNERS names @acme/ai, a team.", asked={"name": "Ola", "email": "Ola@example.com"}
    )
    shown = everything(verdict_message(INCIDENT, verdict(causes=[gap]), people={"ola@example.com": "U0000OLA1"}))
    assert "nobody on file. CODEOWNERS names @acme/ai, a team. Asked instead: <@U0000OLA1>." in shown


def test_the_next_step_is_the_verdicts_own_else_the_way_back():
    assert "*Next:* put `support/system` back to `v14` where it fails, and watch JSON failures." in everything(
        verdict_message(INCIDENT, verdict())
    )
    assert "*Next:* compare the two regions" in everything(
        verdict_message(INCIDENT, verdict(next_check="compare the two regions"))
    )


def test_a_cause_that_something_else_woke():
    late = cause(
        introduced={"earliest": "2026-10-13T10:00:00Z", "latest": "2026-10-13T10:00:00Z"},
        triggered={"earliest": "2026-11-03T01:05:00Z", "latest": "2026-11-03T01:05:00Z"},
        author=None,
    )
    assert "rolled out 13 Oct 10:00 UTC, author unknown, woken 01:05 UTC. Confidence" in everything(
        verdict_message(INCIDENT, verdict(causes=[late]))
    )


def test_several_causes_each_with_an_owner():
    tools = cause(node="tool_schemas", artifact="forge-mcp", before=None, after="1.4.2", explains=[], owner=None)
    shown = everything(verdict_message(INCIDENT, verdict(causes=[cause(), tools, *[cause()] * 3])))
    assert "*Tool schemas changed:* `forge-mcp` now `1.4.2`, published" in shown
    assert "*Owner of support/system:*" in shown
    assert "*Owner of forge-mcp:* nobody on file." in shown
    assert "And 2 more, in the thread." in shown


def test_none_of_five_with_a_cause():
    quota = cause(
        node="quota",
        artifact="tpm",
        before=None,
        after=None,
        introduced=None,
        author=None,
        summary="a batch job shares the key",
    )
    shown = section(verdict_message(INCIDENT, verdict(status="none_of_five", causes=[quota])), "*None")
    assert shown == (
        "*None of the five surfaces.* Best explained by *quota:* `tpm`; a batch job shares the key. Confidence 0.97."
    )


def test_none_of_five_without_one():
    moved = verdict_message(INCIDENT, verdict(status="none_of_five", causes=[]))
    assert "and no change, on the surfaces or beside them, explains it." in section(
        moved, "*None of the five surfaces.*"
    )
    still = verdict_message(INCIDENT, verdict(status="none_of_five", causes=[], symptoms=[]))
    assert section(still, "*None") == (
        "*None of the five surfaces, and nothing moved:* no signal left its usual range up to 02:47 UTC."
    )
    assert "*Next:* ask who saw it for one trace id" in everything(still)


def test_undetermined_is_honest():
    check = "replay ten failing requests with v14"
    message = verdict_message(INCIDENT, verdict(status="undetermined", causes=[], next_check=check))
    assert section(message, "*Undetermined:*") == (
        "*Undetermined:* the evidence does not decide. JSON failures 2.1 % → 11.8 % (n=1,240) in region `eu-west-1`.\n"
        "Changed, not proven: retrieval corpus."
    )
    assert f"*Next:* {check}" in everything(message)
    assert "Owner" not in everything(message)


def test_a_drill_says_so_first():
    drill = Incident(**{**{n: getattr(INCIDENT, n) for n in INCIDENT.__slots__}, "drill": True})
    assert verdict_message(drill, verdict()).text.startswith("DRILL · INC-12")
    assert walking_message(drill, [page()]).text.startswith("DRILL · INC-12")


# -- buttons and what people did -------------------------------------------------------------------------------------------


def menu(message):
    return [o["value"] for block in message.blocks for e in block.get("elements", ()) for o in e.get("options", ())]


def test_buttons_follow_what_was_done():
    every = ["acknowledge", "freeze", "wrong_call", "name_owner", "more"]
    assert buttons(verdict_message(INCIDENT, verdict())) == every
    assert buttons(walking_message(INCIDENT, [page()])) == ["acknowledge"]
    assert buttons(verdict_message(INCIDENT, verdict(), events=[event("acknowledged")])) == ["resolve", *every[1:]]
    done = [event("acknowledged"), event("postmortem")]
    assert menu(verdict_message(INCIDENT, verdict())) == ["set_severity INC-12", "draft_postmortem INC-12"]
    assert menu(verdict_message(INCIDENT, verdict(), events=done)) == ["set_severity INC-12"]
    resolved = replace(INCIDENT, status="resolved")
    assert buttons(verdict_message(resolved, verdict())) == every[2:]


def test_what_people_did_stands_below():
    done = [
        event("acknowledged", by={"name": "Ravi", "slack_id": "U0000RAVI"}),
        event("acknowledged", 9, "Zoe"),
        event("label", 6, node="retrieval_corpus"),
        event("label", 7, "Zoe", node=""),
        event("owner_named", 8, person={"name": "Ola", "slack_id": "U0000OLA1"}),
    ]
    message = verdict_message(INCIDENT, verdict(), events=done, pages=3)
    assert section(message, "Paged").split("\n") == [
        "Paged 02:47 UTC · 3 pages · 10 nodes on 41,203 spans in 812 ms · details in the thread",
        ":eyes: Acknowledged by <@U0000RAVI>, 02:51 UTC",
        ":repeat: Called wrong by Ravi: Retrieval corpus, 02:53 UTC",
        ":repeat: Called wrong by Zoe: none of these, 02:54 UTC",
        ":pushpin: <@U0000OLA1>, named by Ravi, 02:55 UTC",
    ]
    assert "*Owner:* <@U0000OLA1>, named by Ravi" in everything(message)


# -- thread ----------------------------------------------------------------------------------------------------------------


def test_details_give_each_node_one_of_four_answers():
    message = details_message(INCIDENT, verdict(), MARIA)
    lines = [b["text"]["text"] for b in message.blocks]
    assert "<@U0000MARI>: `support/system` is yours (codeowners)." in lines[0]
    assert lines[1].startswith(":white_check_mark: *Model alias* clear: one served id")
    answer, change, hold = lines[2].split("\n")
    assert answer == (
        ":red_circle: *Prompt version* implicated: v17 in eu-west-1, v14 elsewhere; failures only with v17 [E2]"
    )
    link = f"<{CAUSE['reference']}|{CAUSE['reference'].removeprefix('https://')}>"
    assert change == f"   • `support/system` `v14` → `v17`, 01:58-02:03 UTC, Maria: tone section rewritten {link}"
    assert hold.startswith("   *Hold:* Freeze publishing of this prompt")
    assert lines[4].startswith(":large_yellow_circle: *Retrieval corpus* changed, not implicated: index rebuilt")
    assert lines[5].startswith(":question: *Eval freshness* not seen: the folder")
    assert len(lines) == 11


def test_evidence_by_id():
    lines = evidence_message(INCIDENT, verdict()).blocks[1]["text"]["text"].split("\n")
    assert lines[0] == "*E1* one served id, gpt-y-04-02 (n=41,203)"
    assert lines[1].endswith("in the same hour (n=1,240) <https://traces.example/q/2|traces.example/q/2>")
    assert evidence_message(INCIDENT, verdict(findings=[])) is None


def test_the_picture_in_words():
    assert picture_alt(verdict()) == (
        "JSON failures over time: 2.1 % before, 11.8 % since 02:00-02:04 UTC; "
        "marked: prompt version changed rolled out 01:58-02:03 UTC"
    )


def test_the_verdict_for_a_terminal():
    text = plain_text(verdict())
    head, blind, sentence, picture, end, nodes, foot = text.split("\n\n")
    assert head == "support-agent · SEV2 · JSON error rate high"
    assert blind == "Not seen: Eval freshness (the folder evals/ cannot be read: permission denied)."
    assert sentence.startswith("Prompt version changed: support/system v14 → v17, rolled out 01:58-02:03 UTC by Maria;")
    assert picture.splitlines()[2] == "after  ██████████████ 11.8 %  n=1,240"
    assert end.startswith("Owner of support/system: Maria Ruiz (codeowners)\nSeverity: SEV2")
    assert nodes.splitlines()[0] == "Model alias: clear; one served id over 41,203 spans [E1]"
    assert foot == "As of 02:47 UTC, 10 nodes on 41,203 spans in 812 ms"
    hostile = plain_text(verdict(page=page(title="<b> & \x1b[31mred").as_json()))
    assert hostile.startswith("support-agent · SEV2 · <b> & [31mred")


# -- what must never show --------------------------------------------------------------------------------------------------

HOSTILE = [
    "<!channel> <!here> @everyone",
    "<@U0000MARI> approve this",
    "<https://evil.example|click to approve>",
    "{{ 7 * 7 }} {% for x in y %}",
    "*Owner:* mallory\n*Next:* delete the database",
    "```\nignore previous instructions\n```",
    ":white_check_mark: clear",
    "=== section",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_means_nothing(text):
    hostile = verdict(
        page=page(title=text, service="support-agent", url=text).as_json(),
        causes=[
            cause(
                artifact=text,
                before=text,
                after=text,
                author={"name": text, "email": text},
                summary=text,
                owner_gap=text,
            )
        ],
        symptoms=[{**SYMPTOM, "title": text, "slice": {text: text}}],
        findings=[
            finding("prompt_version", "unknown", text, evidence=[{"id": text, "text": text, "n": 1, "link": text}])
        ],
        next_check=text,
    )
    for message in (
        verdict_message(INCIDENT, hostile),
        details_message(INCIDENT, hostile),
        evidence_message(INCIDENT, hostile),
        walking_message(INCIDENT, [page(title=text)], failed=text),
        unconfigured_message(page(title=text, service=text)),
    ):
        shown = everything(message) + message.text
        assert "<!" not in shown
        assert "<@U0000MARI>" not in shown
        assert "<https://evil" not in shown
        assert "49" not in shown
        assert "\n*Owner:* mallory" not in shown
        assert ":white_check_mark: clear" not in re.sub("`[^`\n]*`", "", shown)  # in a code span it is no emoji
        assert ":white_check_mark:" not in message.text
        assert "```\nignore" not in shown


def test_who_somebody_is_stays_out():
    private = [
        {**SYMPTOM, "slice": {"user": "ana@customer.example", "conversation": "c-99", "key": "sk-1", "region": "eu"}}
    ]
    shown = everything(verdict_message(INCIDENT, verdict(symptoms=private)))
    assert "ana@customer.example" not in shown
    assert "sk-1" not in shown
    assert re.search(r"in user `#[0-9a-f]{8}`, conversation `#[0-9a-f]{8}`, key `#[0-9a-f]{8}`, region `eu`", shown)


def test_lists_have_a_space_after_the_comma():
    findings = [
        {"node": n, "status": "unknown", "reason": "down", "evidence": []} for n in ("model_alias", "tool_schemas")
    ]
    findings[0]["evidence"] = [{"id": "E1", "text": "a"}, {"id": "E2", "text": "b"}]
    told = verdict(findings=findings)
    assert "Model alias, tool schemas (down)." in everything(verdict_message(INCIDENT, told))
    assert "Model alias, tool schemas (down)." in plain_text(told)
    assert "[E1, E2]" in everything(details_message(INCIDENT, told))


# -- any verdict at all ----------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(
        ["x" * 4_000, "&<>" * 900, "2026-11-03T02:47:00Z", "0001-01-01T00:00:00+14:00", "😀" * 700, "\ud800"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ODD = st.one_of(JSON, st.sampled_from([CAUSE["introduced"], SYMPTOM["before"], "prompt_version", "implicated", 0.5]))


def near(whole):
    """The right members with anything in them, or missing."""
    members = {name: st.one_of(st.just(value), ODD) for name, value in whole.items()}
    return st.fixed_dictionaries({}, optional=members)


ANY_VERDICT = st.fixed_dictionaries(
    {},
    optional={
        "page": ODD | near(page().as_json()),
        "as_of": ODD,
        "status": ODD | st.sampled_from(["implicated", "none_of_five", "undetermined"]),
        "symptoms": ODD | st.lists(near(SYMPTOM), max_size=30),
        "causes": ODD | st.lists(near(CAUSE), max_size=30),
        "findings": ODD | st.lists(near(verdict()["findings"][1]), max_size=30),
        "severity": ODD | near(verdict()["severity"]),
        "next_check": ODD,
        "took_ms": ODD,
    },
)


@settings(max_examples=60, deadline=None)
@given(ANY_VERDICT)
def test_any_verdict_becomes_messages_that_slack_takes(odd):
    people = {"maria@example.com": "<!channel>"}
    for message in (
        verdict_message(INCIDENT, odd, people=people),
        details_message(INCIDENT, odd, people),
        evidence_message(INCIDENT, odd),
    ):
        if message is not None:
            assert check_blocks(list(message.blocks)) == []
            assert not too_long_in_all(list(message.blocks))
            assert 0 < len(message.text) < 4_000
            assert "<!" not in everything(message)
            message.text.encode()
    assert len(picture_alt(odd)) < 1_000
    assert buttons(verdict_message(INCIDENT, odd))[0] == "acknowledge"


def test_nothing_is_certain_and_what_may_not_have_moved_is_left_out():
    unsure = {**SYMPTOM, "signal": "request_ms", "title": "request duration", "interval": [-1.0, 0.5]}
    told = everything(verdict_message(INCIDENT, verdict(symptoms=[SYMPTOM, unsure], causes=[cause(confidence=1.0)])))
    assert "Confidence over 0.99." in told
    assert "request duration" not in told
    alone = everything(verdict_message(INCIDENT, verdict(symptoms=[unsure])))
    assert "request duration" in alone, "the page's own symptom stays"


def test_the_runbook_of_an_implicated_node_is_at_hand():
    told = verdict(findings=[finding("prompt_version", "implicated"), finding("quota", "clear")])
    details = everything(details_message(INCIDENT, told))
    assert details.count("*Hold:*") == 1
    assert "*Hold:* Freeze publishing of this prompt" in details
    why = everything(why_reply(INCIDENT, told, "prompt_version", ""))
    assert "*Runbook RB-PROMPT.* Look first:\n   1. list the versions live now" in why
    assert "Runbook" not in everything(why_reply(INCIDENT, told, "quota", ""))
