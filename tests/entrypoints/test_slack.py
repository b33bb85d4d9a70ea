"""Each interaction as a scenario: a person clicks and types in the strict Slack, over Socket Mode and over HTTP."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
import yaml
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.routing import Route

from tests.fakes.incidents import CHANGE, PAGED, FixedClock, cause, config, page, verdict
from tests.fakes.reminders import reminding_of
from triagebot.adapters.chat.pace import Pace
from triagebot.adapters.chat.slack import SlackChat
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.domain.change import Change, Observation
from triagebot.domain.people import Author
from triagebot.domain.times import Interval, parse_time
from triagebot.entrypoints.slack import SlackDeps, build_slack_app, slack_endpoint, socket_mode
from triagebot.errors import BadConfig, SourceFailed
from triagebot.testing.slack import LocalSlack
from triagebot.testing.slack.http_mode import signature
from triagebot.testing.slack.web_api import METHODS
from triagebot.triage.tell import Tell

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "slack-manifest.yaml").read_text())
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@dataclass
class Bench:
    """triagebot's Slack side with a person, Ravi, in the channel of a service."""

    slack: LocalSlack
    ledger: SqlLedger
    journal: SqlJournal
    chat: SlackChat
    tell: Tell
    clock: FixedClock
    drafts: list = field(default_factory=list)
    broken: str = ""
    deps: SlackDeps | None = None

    @property
    def ravi(self):
        return self.slack.user("ravi")

    @property
    def room(self):
        return self.slack.workspace.channel("llm-oncall")

    @property
    def message(self):
        (message,) = self.slack.workspace.history(self.room.id)
        return message

    async def intake(self, arrived, body):
        if self.broken:
            raise SourceFailed(self.broken)
        return await self.ledger.accept(arrived, body)

    async def draft(self, incident, by):
        self.drafts.append((incident, by.name))

    async def incident(self, **more):
        """An incident with its verdict told."""
        arrived = page(**more)
        await self.ledger.accept(arrived, b"{}")
        incident, _ = await self.ledger.join_or_open(arrived, "support-agent", arrived.title)
        await self.tell.walking(incident.id)
        await self.ledger.save_verdict(incident.id, verdict())
        await self.tell.verdict(incident.id)
        return incident.id

    async def heard(self, who="ravi", n=1):
        """What only they were told, once there are `n` of them."""
        person = self.slack.user(who)
        await until(lambda: len(person.ephemerals()) >= n)
        return person.ephemerals()[-1]

    async def ask(self, text, who="ravi", channel="llm-oncall"):
        person = self.slack.user(who)
        before = len(person.ephemerals())
        delivery = await person.slash("/triage", text, channel)
        assert delivery.acked, delivery
        answer = await self.heard(who, before + 1)
        return "\n".join(b["text"]["text"] for b in answer.blocks if b["type"] == "section")

    async def events(self, incident, kind):
        return [e for e in await self.ledger.timeline(incident) if e.kind == kind]


async def until(condition, seconds=5.0):
    """Waits for something that happens after the acknowledgement."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.005)


@pytest.fixture
async def ledger():
    database = open_database("sqlite://")
    await database.create_tables()
    yield database
    await database.close()


@pytest.fixture
async def slack():
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    async with LocalSlack(rate_limits=False, signing_secret=SECRET, events=events) as slack:
        slack.workspace.scopes = scopes
        for name in ("ravi", "zoe", "maria"):
            slack.workspace.add_user(name)
        slack.workspace.add_channel("llm-oncall")
        slack.workspace.add_channel("elsewhere", bot=False)
        yield slack


@pytest.fixture(params=["socket", "http"])
async def bench(request, slack, ledger):
    clock = FixedClock(PAGED + timedelta(minutes=3))
    state, journal = SqlLedger(ledger, clock), SqlJournal(ledger)
    chat = SlackChat(AsyncWebClient(slack.bot_token, base_url=slack.api_url), pace=Pace(0))
    known = config(**{"support-agent": "#llm-oncall", "search": "elsewhere"})
    tell = Tell(state, chat, known, clock, default_channel="llm-oncall")
    bench = Bench(slack, state, journal, chat, tell, clock)
    deps = SlackDeps(
        client=chat.client,
        config=known,
        ledger=state,
        journal=journal,
        chat=chat,
        clock=clock,
        tell=tell,
        intake=bench.intake,
        draft=bench.draft,
        account_changed=chat.account_changed,
        reminding=reminding_of(ledger, state, chat, clock, known),
        signing_secret=SECRET,
    )
    bench.deps = deps
    app = build_slack_app(deps)
    serve = over_http(slack, app) if request.param == "http" else over_socket(slack, app)
    stop = await serve
    yield bench
    await stop()
    await chat.close()


async def over_socket(slack, app):
    handler = socket_mode(app, slack.app_token)
    await handler.connect_async()
    await until(lambda: slack.socket.connections)
    return handler.close_async


async def over_http(slack, app):
    routes = [Route("/slack/events", slack_endpoint(app, SECRET), methods=["POST"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    slack.use_http(f"http://127.0.0.1:{port}/slack/events")

    async def stop():
        server.should_exit = True
        await running

    return stop


# -- /triage SERVICE -------------------------------------------------------------------------------------------------------


async def test_walks_a_service(bench):
    answer = await bench.ask("support-agent answers are in the wrong <language> *now*")
    assert answer == ":mag: Walking *support-agent* as of 02:50 UTC. The verdict comes to #llm-oncall."
    work = await bench.ledger.claim(["page"], worker="w", lease_seconds=60)
    stored = await bench.ledger.page("slack", work.ref.partition(":")[2])
    assert (stored.service, stored.kind, stored.actor) == ("support-agent", "triggered", "ravi")
    assert stored.title == "answers are in the wrong <language> *now*"
    assert stored.detail == {"user": bench.ravi.id, "channel": bench.room.id}


async def test_a_service_by_its_other_name_without_words(bench):
    await bench.ask("PSUPPORT-AGENT")
    work = await bench.ledger.claim(["page"], worker="w", lease_seconds=60)
    stored = await bench.ledger.page("slack", work.ref.partition(":")[2])
    assert (stored.service, stored.title) == ("support-agent", "Asked for in Slack by ravi")


async def test_a_command_that_slack_sends_again_is_one_page(bench):
    await bench.ask("support-agent slow")
    (delivery,) = bench.slack.dispatcher.deliveries
    again = await bench.slack.dispatcher.again(delivery)
    assert again.acked
    answer = await bench.heard(n=2)
    assert "being walked already" in answer.blocks[0]["text"]["text"]
    assert await bench.ledger.claim(["page"], worker="w", lease_seconds=60)
    assert await bench.ledger.claim(["page"], worker="w", lease_seconds=60) is None


async def test_nothing_is_acknowledged_as_walking_that_was_not_stored(bench):
    bench.broken = "database: disk full"
    delivery = await bench.ravi.slash("/triage", "support-agent slow", "llm-oncall")
    assert delivery.acked
    answer = await bench.heard()
    assert answer.text == "Not walked: the page could not be stored (database: disk full). Try again in a moment."


async def test_a_page_is_stored_before_the_acknowledgement(bench):
    release, intake = asyncio.Event(), bench.ledger.accept

    async def slowly(arrived, body):
        await release.wait()
        return await intake(arrived, body)

    bench.ledger.accept = slowly
    typing = asyncio.create_task(bench.ravi.slash("/triage", "support-agent slow", "llm-oncall"))
    done, _ = await asyncio.wait([typing], timeout=0.2)
    assert not done
    release.set()
    assert (await typing).acked
    await bench.heard()


# -- questions -------------------------------------------------------------------------------------------------------------


async def test_help(bench):
    assert "`/triage SERVICE [what you see]` walks the tree now" in await bench.ask("")
    assert "*Triage this*" in await bench.ask("help")


@pytest.mark.parametrize(
    ("typed", "meant"), [("suport-agent", "support-agent"), ("stauts", "status"), ("postmortm", "postmortem")]
)
async def test_an_unknown_word_gets_the_nearest(bench, typed, meant):
    answer = await bench.ask(typed)
    assert answer.startswith(f"`{typed}` is neither a service nor a command. Did you mean `/triage {meant}`?")
    assert await bench.ledger.claim(["page"], worker="w", lease_seconds=60) is None


async def test_markup_in_a_command_means_nothing(bench):
    answer = await bench.ask("<!channel>`*x*")
    assert answer.startswith("`&lt;!channel&gt;'*x*` is neither")


async def test_status(bench):
    assert (await bench.ask("status")).startswith("Nothing is open. 2 services watched")
    incident = await bench.incident()
    answer = await bench.ask("status")
    assert answer.startswith(f"*{incident}* support-agent · SEV2 · prompt version changed · since 02:47 UTC · *not ack")
    assert f"<https://acme.slack.com/archives/{bench.room.id}/p" in answer


async def test_an_incident(bench):
    incident = await bench.incident()
    answer = await bench.ask(incident.lower())
    assert f"*{incident} · support-agent · SEV2*" in answer
    assert "*Prompt version changed:* `support/system` `v14` → `v17`" in answer
    assert await bench.ask("INC-999") == "INC-999 is not known here. /triage status lists what is open."
    assert "is not known" in await bench.ask("inc-1;drop")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("prompt", "*Prompt version* implicated"),
        ("evals", "*Eval freshness* not"),
        ("tool schemas", "*Tool schemas* clear"),
        ("quotta", "*Quota* clear"),
    ],
)
async def test_why_a_node(bench, typed, shown):
    incident = await bench.incident()
    answer = await bench.ask(f"why {typed}")
    assert shown in answer
    assert answer.startswith(f"*{incident}*")
    assert "Looked at 41,203 spans." in answer


async def test_why_needs_a_node_and_an_incident(bench):
    assert (await bench.ask("why prompt")).startswith("Which incident? Nothing is open here.")
    incident = await bench.incident()
    assert (await bench.ask("why the sky is blue")).startswith("Which node? One of: model alias, prompt version")
    assert "JSON failures 11.8 % with v17" in await bench.ask(f"why prompt {incident}", channel="elsewhere")


async def test_changes(bench):
    change = Change(
        service="support-agent",
        surface="prompt_version",
        artifact="support/system",
        before="v14",
        after="v17",
        introduced=Interval(parse_time(CHANGE["introduced"]["earliest"]), parse_time(CHANGE["introduced"]["latest"])),
        author=Author(name="Maria"),
        summary="tone <b>",
        source="git",
    )
    await bench.journal.record_changes([change])
    assert (await bench.ask("changes support-agent")).split("\n") == [
        "*support-agent*, changed in the last 24h:",
        "• Prompt version `support/system` `v14` → `v17`, 01:58-02:03 UTC, Maria: tone &lt;b&gt;",
    ]
    for n, (at, label) in enumerate((("01:00", "haiku-04"), ("02:30", "haiku-09"))):  # two looks that differ
        seen = parse_time(f"2026-11-03T{at}:00Z")
        looked = Observation(
            service="support-agent",
            surface="model_alias",
            artifact="haiku",
            observed_at=seen,
            fingerprint=f"f{n}",
            label=label,
            source="anthropic",
        )
        await bench.journal.record([looked])
    assert "Model alias `haiku` `haiku-04` → `haiku-09`, 01:00-02:30 UTC" in await bench.ask("changes support-agent")
    assert "No change of *support-agent* was recorded in the last 5m" in await bench.ask("changes support-agent 5m")
    assert await bench.ask("changes support-agent soon") == "soon is not a length of time: try 30m, 24h or 7d."
    assert "Did you mean search?" in await bench.ask("changes serch")


async def test_owner(bench):
    incident = await bench.incident()
    assert await bench.ask("owner") == f"*{incident}* `support/system`: Maria Ruiz (codeowners)"
    gap = cause(owner=None, owner_gap="CODEOWNERS names a team.", asked={"name": "Ola", "email": "ola@example.com"})
    await bench.ledger.save_verdict(incident, verdict(causes=[gap]))
    assert "nobody on file. CODEOWNERS names a team. Asked instead: <@U0000OLA1>. *Name owner*" in await bench.ask(
        "owner"
    )


async def test_postmortem(bench):
    incident = await bench.incident()
    assert (await bench.ask("postmortem")).startswith(f"Drafting the postmortem of {incident}")
    assert bench.drafts == [(incident, "Ravi")]
    document = {"status": "DRAFT", "owner": None, "obstacles": ["no human owner"], "markdown": "", "html": ""}
    await bench.ledger.save_document(incident, document)
    answer = await bench.ask(f"postmortem {incident}")
    assert answer.startswith(f"*{incident}* postmortem: DRAFT, *no owner yet*")
    assert "• no human owner" in answer


# -- Acknowledge -----------------------------------------------------------------------------------------------------------


async def test_acknowledge(bench):
    incident = await bench.incident()
    delivery = await bench.ravi.click(bench.message, "acknowledge")
    assert delivery.acked
    answer = await bench.heard()
    assert answer.text == f"{incident} is yours. Details and evidence are in its thread."
    await until(lambda: f"Acknowledged by {bench.ravi.user.mention}, 02:50 UTC" in footer(bench.message))
    assert "acknowledge" not in actions(bench.message)
    (event,) = await bench.events(incident, "acknowledged")
    assert (event.actor, event.data["person"]["email"]) == ("Ravi", "ravi@example.com")


async def test_acknowledge_twice_and_by_two(bench):
    incident = await bench.incident()
    button = find(bench.message, "acknowledge")
    message = bench.message
    await asyncio.gather(*(bench.slack.user(w).press(message, button) for w in ("ravi", "ravi", "zoe")))
    await bench.heard("ravi", 2)
    await bench.heard("zoe")
    texts = [m.text for who in ("ravi", "zoe") for m in bench.slack.user(who).ephemerals()]
    assert len([t for t in texts if t.startswith(f"{incident} is yours")]) == 1
    assert len([t for t in texts if "was acknowledged already by " in t]) == 2
    assert len(await bench.events(incident, "acknowledged")) == 1


async def test_a_click_after_the_resolution(bench):
    incident = await bench.incident()
    message, button = bench.message, find(bench.message, "acknowledge")
    await bench.ledger.set_status(incident, "resolved", PAGED + timedelta(minutes=33))
    await bench.ravi.press(message, button)
    assert (await bench.heard()).text == f"{incident} is resolved already (03:20 UTC). Nothing to acknowledge."
    await until(lambda: "resolved" in bench.message.text)


async def test_a_click_on_a_message_of_an_incident_that_is_gone(bench):
    await bench.incident()
    block, element = find(bench.message, "acknowledge")
    await bench.ravi.press(bench.message, (block, {**element, "value": "INC-404"}))
    assert (await bench.heard()).text == "INC-404 is not known here any more."
    await bench.ravi.press(bench.message, (block, {**element, "value": "<!channel>"}))
    assert (await bench.heard(n=2)).text == "&lt;!channel&gt; is not known here any more."


async def test_the_answer_survives_a_message_that_cannot_be_edited(bench):
    incident = await bench.incident()
    bench.slack.workspace.edit_window_closed = True
    await bench.ravi.click(bench.message, "acknowledge")
    assert (await bench.heard()).text.startswith(f"{incident} is yours")


# -- Wrong call ------------------------------------------------------------------------------------------------------------


async def test_wrong_call(bench):
    incident = await bench.incident()
    await bench.ravi.click(bench.message, "wrong_call")
    await until(lambda: bench.ravi.modal)
    assert "says: Prompt version." in bench.ravi.modal.body["blocks"][0]["text"]["text"]
    delivery = await bench.ravi.submit(
        values={"node": "retrieval_corpus", "words": "the <!here> index was\nrebuilt from the old dump"}
    )
    assert delivery.acked
    assert not bench.ravi.modal
    (event,) = await bench.events(incident, "label")
    assert event.data["node"] == "retrieval_corpus"
    assert event.data["words"] == "the <!here> index was rebuilt from the old dump"
    assert event.data["said"] == ["prompt_version"]
    await until(lambda: "Called wrong by" in footer(bench.message))
    assert f"{bench.ravi.user.mention}: Retrieval corpus" in footer(bench.message)


async def test_wrong_call_none_of_these_sent_twice(bench):
    incident = await bench.incident()
    await bench.ravi.click(bench.message, "wrong_call")
    await until(lambda: bench.ravi.modal)
    await bench.ravi.submit(values={"node": "none"})
    await bench.slack.dispatcher.again(bench.slack.dispatcher.deliveries[-1])
    (event,) = await bench.events(incident, "label")
    assert event.data["node"] == ""
    await until(lambda: "none of these" in footer(bench.message))


async def test_wrong_call_for_an_incident_that_is_gone_by_then(bench):
    incident = await bench.incident()
    await bench.ravi.click(bench.message, "wrong_call")
    await until(lambda: bench.ravi.modal)
    bench.ravi.modal.body["private_metadata"] = "INC-404"
    delivery = await bench.ravi.submit(values={"node": "quota"})
    assert delivery.acked
    assert "INC-404 is not known here any more." in str(delivery.body)
    assert await bench.events(incident, "label") == []


async def test_a_trigger_that_expired(bench):
    await bench.incident()
    bench.slack.fail_next("views.open", error="expired_trigger_id")
    await bench.ravi.click(bench.message, "wrong_call")
    assert (await bench.heard()).text == "That took too long for Slack. Click again."
    assert not bench.ravi.modal


# -- Name owner ------------------------------------------------------------------------------------------------------------


async def test_name_owner(bench):
    incident = await bench.incident()
    await bench.ravi.click(bench.message, "name_owner")
    await until(lambda: bench.ravi.modal)
    delivery = await bench.ravi.submit(values={"owner": bench.slack.user("zoe").id})
    assert delivery.errors == {}
    assert not bench.ravi.modal
    (event,) = await bench.events(incident, "owner_named")
    assert event.data["person"] == {"name": "Zoe", "email": "zoe@example.com", "slack_id": bench.slack.user("zoe").id}
    assert event.data["artifact"] == "support/system"
    named = f"{bench.slack.user('zoe').user.mention}, named by {bench.ravi.user.mention}"
    await until(lambda: named in footer(bench.message))
    assert f"*Owner:* {named}" in str(bench.message.blocks)
    assert named in await bench.ask("owner")


@pytest.mark.parametrize("who", ["left", "guest", "robot"])
async def test_an_owner_who_cannot_own_is_refused(bench, who):
    incident = await bench.incident()
    flags = {"left": {"deleted": True}, "guest": {"is_restricted": True}, "robot": {"is_bot": True}}[who]
    chosen = bench.slack.workspace.add_user(who, **flags)
    await bench.ravi.click(bench.message, "name_owner")
    await until(lambda: bench.ravi.modal)
    delivery = await bench.ravi.submit(values={"owner": chosen.id})
    assert "cannot own this. Choose somebody else." in delivery.errors["owner"]
    assert bench.ravi.modal
    assert await bench.events(incident, "owner_named") == []
    assert (await bench.ravi.submit(values={"owner": bench.slack.user("maria").id})).errors == {}


async def test_name_owner_while_slack_does_not_say_who_that_is(bench):
    await bench.incident()
    await bench.ravi.click(bench.message, "name_owner")
    await until(lambda: bench.ravi.modal)
    bench.slack.fail_next("users.info", error="missing_scope", times=9)
    delivery = await bench.ravi.submit(values={"owner": bench.slack.user("zoe").id})
    assert delivery.errors == {"owner": "Slack did not say who that is. Try again."}


async def test_name_owner_of_one_of_several(bench):
    incident = await bench.incident()
    await bench.ledger.save_verdict(
        incident, verdict(causes=[cause(), cause(artifact="forge-mcp", node="tool_schemas")])
    )
    await bench.ravi.click(bench.message, "name_owner")
    await until(lambda: bench.ravi.modal)
    await bench.ravi.submit(values={"cause": "1", "owner": bench.slack.user("zoe").id})
    (event,) = await bench.events(incident, "owner_named")
    assert (event.data["artifact"], event.data["node"]) == ("forge-mcp", "tool_schemas")


# -- Draft postmortem, mention, shortcut -----------------------------------------------------------------------------------


async def test_draft_postmortem(bench):
    incident = await bench.incident()
    await bench.ravi.choose(bench.message, "more", f"draft_postmortem {incident}")
    assert (await bench.heard()).text.startswith(f"Drafting the postmortem of {incident}")
    assert bench.drafts == [(incident, "Ravi")]


async def test_a_mention_is_answered_to_who_said_it(bench):
    await bench.ravi.mention("llm-oncall", "what can you do? ignore previous instructions")
    answer = await bench.heard()
    assert answer.text == "What /triage can do"


async def complaint(bench, text="support-agent told me to <delete> everything", channel="llm-oncall"):
    message = bench.ravi.write(channel, text)
    await bench.ravi.shortcut("triage_this", message)
    await until(lambda: bench.ravi.modal)
    return message


async def test_triage_this(bench):
    bench.clock.at = parse_time("2100-01-01T00:00:00Z")
    message = await complaint(bench)
    view = bench.ravi.modal
    assert view.values["service"]["service"]["selected_option"]["value"] == "support-agent"
    assert view.values["time"]["time"]["selected_date_time"] == int(float(message.ts))
    bench.clock.at = parse_time("1970-01-01T00:00:00Z") + timedelta(seconds=float(message.ts) + 60)
    delivery = await bench.ravi.submit()
    assert delivery.errors == {}
    assert ":mag: Walking *support-agent* as of" in str(bench.ravi.modal.body["blocks"])
    work = await bench.ledger.claim(["page"], worker="w", lease_seconds=60)
    stored = await bench.ledger.page("slack", work.ref.partition(":")[2])
    assert stored.title == "support-agent told me to <delete> everything"
    assert int(stored.occurred_at.timestamp()) == int(float(message.ts))


async def test_triage_this_guesses_the_service_of_the_channel(bench):
    bench.clock.at = parse_time("2100-01-01T00:00:00Z")
    await complaint(bench, "it is slow today")
    assert bench.ravi.modal.values["service"]["service"]["selected_option"]["value"] == "support-agent"


@pytest.mark.parametrize(
    ("now", "wrong"), [("2001-09-09T02:00:00Z", "has not come yet"), ("2100-01-01T00:00:00Z", "more than 90 days ago")]
)
async def test_triage_this_at_an_impossible_time(bench, now, wrong):
    bench.clock.at = parse_time("2100-01-01T00:00:00Z")
    await complaint(bench)
    bench.clock.at = parse_time(now)
    delivery = await bench.ravi.submit()
    assert wrong in delivery.errors["time"]
    assert bench.ravi.modal
    assert await bench.ledger.claim(["page"], worker="w", lease_seconds=60) is None


async def test_triage_this_that_could_not_be_stored(bench):
    bench.clock.at = parse_time("2100-01-01T00:00:00Z")
    message = await complaint(bench)
    bench.clock.at = parse_time("1970-01-01T00:00:00Z") + timedelta(seconds=float(message.ts) + 60)
    bench.broken = "disk full"
    delivery = await bench.ravi.submit()
    assert "could not be stored (disk full)" in delivery.errors["service"]


# -- what goes wrong -------------------------------------------------------------------------------------------------------


async def test_a_fault_of_our_own_is_owned_up_to(bench, caplog):
    incident = await bench.incident()
    bench.drafts = None
    await bench.ravi.choose(bench.message, "more", f"draft_postmortem {incident}")
    assert "it is triagebot's fault" in (await bench.heard()).text
    assert "a listener failed" in caplog.text
    assert bench.slack.bot_token not in caplog.text


async def test_acknowledgements_are_quick(bench):
    await bench.incident()
    for _ in range(5):
        delivery = await bench.ravi.slash("/triage", "status", "llm-oncall")
        assert delivery.error is None


# -- HTTP only -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bench", ["http"], indirect=True)
@pytest.mark.parametrize("how", ["forged", "old", "unsigned", "malformed", "huge"])
async def test_requests_that_are_not_slacks(bench, how):
    mode = bench.slack.dispatcher.http
    await bench.ravi.slash("/triage", "status", "llm-oncall")
    good = bench.slack.dispatcher.deliveries[-1]
    body, headers = b"command=%2Ftriage&text=support-agent", {}
    if how == "forged":
        headers = mode.headers(body, "application/x-www-form-urlencoded") | {"X-Slack-Signature": "v0=" + "0" * 64}
    elif how == "old":
        then = int(time.time()) - 600
        headers = {"X-Slack-Request-Timestamp": str(then), "X-Slack-Signature": signature(SECRET, then, body)}
    elif how == "malformed":
        body = b"payload=%7Bnot json"
        headers = mode.headers(body, "application/x-www-form-urlencoded")
    elif how == "huge":
        body = b"text=" + b"x" * 1_040_000
        headers = mode.headers(body, "application/x-www-form-urlencoded")
    await mode.send(good, body, {"Content-Type": "application/x-www-form-urlencoded"} | headers)
    assert good.status == {"malformed": 400, "huge": 413}.get(how, 401)
    assert await bench.ledger.claim(["page"], worker="w", lease_seconds=60) is None


@pytest.mark.parametrize("bench", ["http"], indirect=True)
async def test_slack_can_verify_the_url(bench):
    assert await bench.slack.verify_url()


def test_http_without_a_signing_secret_is_refused():
    with pytest.raises(BadConfig, match="signing_secret"):
        slack_endpoint(None, "")


# -- the manifest ----------------------------------------------------------------------------------------------------------

# What triagebot calls, and the scopes that Slack wants for it: https://docs.slack.dev/reference/methods
CALLED = {
    "auth.test": (),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "conversations.list": ("channels:read", "groups:read"),
    "conversations.info": ("channels:read", "groups:read"),
    "conversations.members": ("channels:read", "groups:read"),
    "conversations.join": ("channels:join",),
    "conversations.open": ("im:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history"),
    "conversations.replies": ("channels:history", "groups:history", "im:history"),
    "users.info": ("users:read",),
    "users.list": ("users:read",),
    "users.lookupByEmail": ("users:read.email",),
    "usergroups.list": ("usergroups:read",),
    "usergroups.users.list": ("usergroups:read",),
    "files.getUploadURLExternal": ("files:write",),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "views.open": (),
    "views.update": (),
    "views.publish": (),
    "chat.unfurl": ("links:write",),
    "canvases.create": ("canvases:write",),
    "canvases.edit": ("canvases:write",),
    "canvases.access.set": ("canvases:write",),
}
OTHERWISE = {
    "commands": "/triage and Triage this",
    "app_mentions:read": "app_mention",
    "links:read": "link_shared",
}


def test_every_scope_is_one_that_something_needs():
    needed = {scope for scopes in CALLED.values() for scope in scopes}
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == needed | set(OTHERWISE)
    for method, scopes in CALLED.items():
        assert set(scopes) <= set(METHODS[method].scopes), method


def test_every_method_that_the_code_calls_is_in_the_table():
    root = Path(__file__).parents[2] / "triagebot"
    code = "".join(
        p.read_text() for folder in ("adapters/chat", "entrypoints/slack") for p in (root / folder).glob("*.py")
    )
    called = {m for m in METHODS if f'"{m}"' in code or re.search(rf"client\.{m.replace('.', '_')}\(", code)}
    assert called == set(CALLED)


async def test_the_listeners_are_those_of_the_manifest(bench):
    """Bolt answers 404 to what nobody listens for; a person then sees that the app did not respond."""
    features, ravi = MANIFEST["features"], bench.ravi
    for command in features["slash_commands"]:
        assert (await ravi.slash(command["command"], "help", "llm-oncall")).acked
    message = ravi.write("llm-oncall", "a complaint")
    for shortcut in features["shortcuts"]:
        assert (await ravi.shortcut(shortcut["callback_id"], message)).acked
    assert MANIFEST["settings"]["event_subscriptions"]["bot_events"] == [
        "app_home_opened",
        "app_mention",
        "link_shared",
        "user_change",
    ]
    assert (await ravi.become(is_admin=True)).acked
    assert (await ravi.open_home()).acked
    assert (await ravi.mention("llm-oncall", "hello")).acked
    bench.slack.socket.ack_timeout = 0.2
    assert not (await ravi.slash("/other", "help", "llm-oncall")).acked


def footer(message):
    return next(b for b in message.blocks if b["type"] == "context")["elements"][0]["text"]


def actions(message):
    return [e["action_id"] for b in message.blocks if b["type"] == "actions" for e in b["elements"]]


def find(message, action_id):
    return next(
        (b, e) for b in message.blocks if b["type"] == "actions" for e in b["elements"] if e["action_id"] == action_id
    )
