"""Guests, strangers, shared channels and people outside of a private one get hashes, never texts; as they click and type."""

import hashlib
import re
from dataclasses import replace

import pytest

from tests.entrypoints.test_slack import bench, ledger, slack, until
from tests.fakes.incidents import CHANGE, cause, verdict
from triagebot.domain.change import Change
from triagebot.domain.people import Author
from triagebot.domain.times import Interval, parse_time
from triagebot.entrypoints.slack import unfurling
from triagebot.triage.handout import Handout

__all__ = ["bench", "ledger", "slack"]

# Texts of the incident: the page, why each node stands as it does, evidence, a commit message, what a colleague said.
TEXTS = ("JSON error rate high", "failures only with v17", "in the same hour", "tone section rewritten", "ask finance")
MARK = re.compile(r"#[0-9a-f]{8}\b")


def no_texts(shown):
    return [text for text in TEXTS if text in shown] == []


@pytest.fixture
def told(bench):
    """Tells an incident whose cause has a commit's message, and whose severity somebody set with words."""

    async def tell():
        incident = await bench.incident()
        await bench.ledger.save_verdict(incident, verdict(causes=[cause(summary=TEXTS[3], before="", after="")]))
        await bench.tell.verdict(incident)
        return incident

    return tell


def said(bench, room=None):
    room = room or bench.room
    return "\n".join(f"{m.text} {m.blocks}" for m in bench.slack.workspace.history(room.id)) + "\n".join(
        f"{m.text} {m.blocks}"
        for top in bench.slack.workspace.history(room.id)
        for m in bench.slack.workspace.thread(room.id, top.ts)
    )


async def test_everybody_in_a_room_of_our_own_reads_texts(bench, told):
    await told()
    shown = said(bench)
    assert all(text in shown for text in TEXTS[:4])
    assert not MARK.search(shown)


@pytest.mark.parametrize("how", ["is_ext_shared", "is_pending_ext_shared", "guest", "stranger", "unknown"])
async def test_a_room_that_outsiders_read_gets_hashes(bench, told, how):
    if how in ("guest", "stranger"):
        flag = {"guest": "is_ultra_restricted", "stranger": "is_stranger"}[how]
        outsider = bench.slack.workspace.add_user("otto", **{flag: True})
        bench.room.members.add(outsider.id)
    elif how == "unknown":
        bench.slack.fail_next("conversations.info", error="missing_scope", times=50)
    else:
        setattr(bench.room, how, True)
    incident = await told()
    shown = said(bench)
    assert no_texts(shown)
    assert f"{incident} · support-agent · SEV2" in shown  # what it is about, the figures and the versions stay
    assert "support/system" in shown
    assert len(set(MARK.findall(shown))) > 3
    # what people say on top of it
    await bench.ravi.slash("/triage", f"severity {incident} SEV1 because ask finance", "llm-oncall")
    await until(lambda: "SEV1, set by" in said(bench))
    assert no_texts(said(bench))
    await bench.ravi.mention("llm-oncall", "why prompt", thread_ts=bench.message.ts)
    await until(lambda: "Prompt version* implicated" in said(bench))
    assert no_texts(said(bench))


async def test_a_room_shared_within_the_organisation_is_our_own(bench, told):
    bench.room.is_org_shared = True
    await told()
    assert TEXTS[1] in said(bench)


async def test_a_room_that_becomes_shared_is_shown_hashes_from_then_on(bench, told):
    incident = await told()
    bench.room.is_ext_shared = True
    bench.chat._rooms._known.clear()
    await bench.tell.verdict(incident)
    assert no_texts(said(bench))


async def test_a_member_who_is_made_a_guest_is_one_at_once_in_the_channel_and_as_a_person(bench, told):
    incident = await told()
    assert TEXTS[1] in said(bench)
    assert TEXTS[1] in await bench.ask(f"why prompt {incident}", "zoe", "llm-oncall")
    zoe = bench.slack.user("zoe")
    delivery = await zoe.become(is_restricted=True)
    assert delivery.acked
    await until(lambda: zoe.id not in bench.chat._rooms._users[1])
    assert no_texts(await bench.ask(f"why prompt {incident}", "zoe", "llm-oncall"))
    await bench.tell.verdict(incident)
    assert no_texts(said(bench))
    await zoe.become(is_restricted=False)
    await until(lambda: zoe.id not in bench.chat._rooms._users[1])
    await bench.tell.verdict(incident)
    assert TEXTS[1] in said(bench)


@pytest.mark.parametrize("who", ["guest", "single", "stranger", "outside"])
async def test_a_person_who_is_no_member_gets_hashes(bench, told, who):
    """A guest of either kind, somebody of another organisation, and a colleague outside of the private channel."""
    flags = {
        "guest": {"is_restricted": True},
        "single": {"is_ultra_restricted": True},
        "stranger": {"is_stranger": True},
    }
    otto = bench.slack.workspace.add_user("otto", **flags.get(who, {}))
    bench.room.kind = "private" if who == "outside" else "public"
    incident = await told()
    bench.slack.workspace.channel("elsewhere").members.add(otto.id)
    told_change = Change(
        service="support-agent",
        surface="prompt_version",
        artifact="support/system",
        introduced=Interval(parse_time(CHANGE["introduced"]["earliest"]), parse_time(CHANGE["introduced"]["latest"])),
        author=Author(name="Maria"),
        summary="tone section rewritten",
        source="git",
    )
    await bench.journal.record_changes([told_change])
    await bench.ledger.save_document(incident, {"status": "DRAFT", "markdown": "# ask finance", "owner": None})
    answers = [
        await bench.ask(words, "otto", "elsewhere")
        for words in (incident, f"why prompt {incident}", f"owner {incident}", "changes support-agent")
    ]
    assert no_texts("\n".join(answers))
    assert MARK.search(answers[1])
    assert MARK.search(answers[3])
    if who == "outside":  # guests may not ask for a postmortem at all
        answer = await bench.ask(f"postmortem {incident}", "otto", "elsewhere")
        assert re.fullmatch(
            rf"{incident} postmortem: DRAFT, #[0-9a-f]{{8}}\. Its text is for full members of its channel only\.",
            answer,
        )
        await bench.ledger.save_document(incident, {"status": "DRAFT", "markdown": "", "owner": None})
    answer = await bench.ask(f"why prompt {incident}", "ravi")
    assert all(text in answer for text in TEXTS[1:3])


async def test_no_postmortem_is_drafted_for_somebody_outside_of_the_private_channel(bench, told):
    bench.room.kind = "private"
    incident = await told()
    otto = bench.slack.workspace.add_user("otto")
    bench.slack.workspace.channel("elsewhere").members.add(otto.id)
    assert (await bench.ask(f"postmortem {incident}", "otto", "elsewhere")).startswith(
        f"The postmortem of {incident} is"
    )
    assert bench.drafts == []
    await bench.ask(f"postmortem {incident}")
    assert bench.drafts == [(incident, "Ravi")]


async def test_while_slack_does_not_say_who_somebody_is_they_get_hashes(bench, told):
    incident = await told()
    bench.slack.fail_next("conversations.members", error="internal_error", times=50)
    bench.chat._rooms._known.clear()
    bench.chat._calls._patience = 0.0
    assert no_texts(await bench.ask(f"why prompt {incident}"))


DOCUMENT = {
    "status": "DRAFT",
    "owner": None,
    "obstacles": ["ask finance"],
    "markdown": "# INC-1\n\nask finance",
    "html": "<h1>INC-1</h1>",
    "sources": {"digest": hashlib.sha256(b"").hexdigest()},
}


@pytest.mark.parametrize("plan", ["paid", "free"])
@pytest.mark.parametrize("shared", [False, True])
async def test_a_draft_is_handed_out_to_members_only(bench, told, tmp_path, plan, shared):
    bench.slack.workspace.plan = plan
    bench.room.is_ext_shared = shared
    incident = await told()
    publish = Handout(ledger=bench.ledger, chat=bench.chat, tell=bench.tell, folder=tmp_path)
    await publish(DOCUMENT | {"incident": incident})
    workspace = bench.slack.workspace
    files = [file for file in workspace.files.values() if "postmortem" in file.name]
    assert len(workspace.canvases) == (1 if plan == "paid" and not shared else 0)
    assert len(files) == (1 if plan == "free" and not shared else 0)
    assert ("ask finance" in said(bench)) is not shared
    assert (f"{incident} postmortem: DRAFT, #" in said(bench)) is shared


async def test_a_link_in_the_shared_room_unfurls_to_hashes(bench, told):
    incident = await told()
    url = f"https://triagebot.example.com/incidents/{incident}"
    event = {"channel": bench.room.id, "links": [{"url": url}]}
    deps = replace(bench.deps, public_url="https://triagebot.example.com")
    assert "tone section rewritten" in str(await unfurling.unfurls(deps, event))
    bench.room.is_ext_shared = True
    bench.chat._rooms._known.clear()
    shown = str(await unfurling.unfurls(deps, event))
    assert no_texts(shown)
    assert incident in shown
