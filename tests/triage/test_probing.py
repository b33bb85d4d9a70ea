"""Probes from the prompt to the model alias's node: over the strict local Messages API and the real tables."""

import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anthropic
import httpx2
import pytest

from tests.fakes.walks import FakeTraces, Nobody, page, spread, table
from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.journal import SqlJournal
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.db.probes import SqlProbes
from triagebot.adapters.llm.anthropic_asker import AnthropicAsker
from triagebot.adapters.llm.patience import Patience
from triagebot.domain.probe import Answered, ProbePlan, ProbePrompt
from triagebot.domain.service import Config, Directory, Service
from triagebot.domain.times import Window
from triagebot.errors import BadInput, NotFound, Refused, SourceFailed
from triagebot.settings.rubric import load_rubric
from triagebot.testing.clock import FakeClock
from triagebot.testing.messages_api import FakeAnthropic, failure, text
from triagebot.triage.gathering import Investigation
from triagebot.triage.investigate import investigate
from triagebot.triage.probing import Probing, compare, features_of, request_of

NOW = datetime(2026, 3, 20, 6, 0, tzinfo=UTC)
MODEL = "claude-haiku-4-5"
PROMPTS = tuple(
    ProbePrompt(id=f"p{n}", prompt=f"Say the word number {n}.", expect=f"word {n}", json=n % 3 == 0) for n in range(12)
)
PLAN = ProbePlan(
    artifact=MODEL, model=MODEL, prompts=PROMPTS, max_tokens=100, repeats=4, reference=8, tokens_a_day=10**6
)


class Model:
    """Answers with a little luck; `manner` is how it has come to answer."""

    def __init__(self, manner="", seed=1):
        self.manner, self._luck = manner, random.Random(seed)

    def __call__(self, body):
        number = body["messages"][0]["content"].split()[-1].rstrip(".")
        right = f"word {number}" if self._luck.random() < 0.9 else f"the word is {number}"
        if self.manner == "long":
            right += ", as you asked, and here are some more words about it" + "!" * self._luck.randint(0, 9)
        if self.manner == "refuses" and self._luck.random() < 0.6:
            right = "I'm sorry, but I can't help with that."
        return text(right, output_tokens=len(right) // 4)


class Bench:
    def __init__(self, database, plan):
        self.api = FakeAnthropic(script=Model())
        self.clock = FakeClock(NOW)
        self.service = Service(name="support-agent", slack_channel="#x", probe=plan)
        config = Config(root=None, organisation="a", services={"support-agent": self.service}, directory=Directory())
        self.journal, self.ledger, self.store = (
            SqlJournal(database),
            SqlLedger(database, self.clock),
            SqlProbes(database),
        )
        self.asker = AnthropicAsker(self.client, Patience(attempts=1))
        self.probing = Probing(
            config=config,
            store=self.store,
            journal=self.journal,
            ledger=self.ledger,
            clock=self.clock,
            askers={"support-agent": self.asker},
        )

    def client(self):
        return anthropic.AsyncAnthropic(api_key=self.api.api_key, http_client=self.api.http_client(), max_retries=0)

    async def observations(self):
        window = Window(NOW - timedelta(days=1), NOW + timedelta(days=9))
        return await self.journal.observations("support-agent", window)

    async def walk(self, hours):
        """The verdict of a page so many hours after NOW, about a service whose own signals stand still."""
        as_of = NOW + timedelta(hours=hours)
        deps = Investigation(traces=Still(), journal=self.journal, registries=(), owners=Nobody(), rubric=load_rubric())
        return await investigate(page("answers are different", occurred_at=as_of), self.service, deps)


class Still:
    """Traces of requests that nothing moved."""

    def __getattr__(self, name):
        requests = table(spread(400), {"model_served": ["claude-haiku-4-5-20251001"] * 400}, {"refusal": [0.0] * 400})
        return getattr(FakeTraces(requests), name)


@asynccontextmanager
async def opened(plan=PLAN):
    database = open_database("sqlite://")
    await database.create_tables()
    bench = Bench(database, plan)
    try:
        yield bench
    finally:
        await bench.asker.close()
        await database.close()


async def test_a_model_that_stays_as_it_was_says_so():
    async with opened() as here:
        await here.probing.round("support-agent", "reference")
        for _ in range(4):
            here.clock.advance(hours=6)
            run = await here.probing.round("support-agent", "look")
            assert run.p_value > 1e-5
        looks = await here.observations()
        assert {o.fingerprint for o in looks} == {looks[0].fingerprint}
        assert looks[0].label == "as the reference"
        verdict = await here.walk(25)
        assert verdict.status != "implicated"


@pytest.mark.parametrize(("manner", "feature"), [("long", "characters"), ("refuses", "refusal")])
async def test_other_answers_under_the_same_name_are_a_change_of_the_alias(manner, feature):
    async with opened() as here:
        await here.probing.round("support-agent", "reference")
        here.clock.advance(hours=6)
        await here.probing.round("support-agent", "look")
        here.api.script = Model(manner, seed=5)
        here.clock.advance(hours=6)
        run = await here.probing.round("support-agent", "look")
        assert run.p_value < 1e-5
        assert feature in {c.feature for c in run.compared if c.q_value < 0.01}
        *_, last = await here.observations()
        assert (last.label, last.surface, last.artifact) == ("other answers", "model_alias", MODEL)
        verdict = await here.walk(13)
        assert verdict.status == "implicated"
        (cause,) = verdict.causes
        assert (cause.node, cause.artifact) == ("model_alias", MODEL)
        assert cause.introduced.earliest == NOW + timedelta(hours=6)
        assert cause.introduced.latest == NOW + timedelta(hours=12)


async def test_freezing_a_new_reference_is_no_change():
    async with opened() as here:
        await here.probing.round("support-agent", "reference")
        here.api.script = Model("long", seed=5)
        here.clock.advance(hours=6)
        await here.probing.round("support-agent", "look")
        here.clock.advance(hours=6)
        await here.probing.round("support-agent", "reference")
        here.clock.advance(hours=6)
        run = await here.probing.round("support-agent", "look")
        assert run.p_value > 1e-5
        assert run.reference == 3
        assert (await here.walk(19)).status != "implicated"


async def test_no_answer_is_kept():
    async with opened() as here:
        await here.probing.round("support-agent", "reference")
        frozen = await here.store.reference("support-agent", MODEL, PLAN.set)
        assert len(frozen.answers) == 12 * 8
        assert frozen.served == ("claude-haiku-4-5-20251001",)
        kept = json.dumps([a.as_json() for a in frozen.answers]) + str(await here.observations())
        assert "word 3" not in kept
        assert frozen.tokens > 0


async def test_the_days_tokens_bound_what_is_asked():
    plan = ProbePlan(artifact=MODEL, model=MODEL, prompts=PROMPTS, repeats=1, reference=1, tokens_a_day=12 * 430 + 10)
    async with opened(plan) as here:
        await here.probing.round("support-agent", "reference")
        asked = here.api.attempts
        with pytest.raises(Refused, match="tokens"):
            await here.probing.round("support-agent", "look")
        assert here.api.attempts == asked
        here.clock.advance(hours=24)
        await here.probing.round("support-agent", "look")


async def test_a_gateway_that_is_down_keeps_nothing_and_a_few_lost_answers_cost_nothing():
    async with opened() as here:
        await here.probing.round("support-agent", "reference")
        here.api.script = lambda body: failure(529)
        with pytest.raises(SourceFailed, match="did not come"):
            await here.probing.round("support-agent", "look")
        assert len(await here.store.runs("support-agent")) == 1
        here.api.script = Model()
        here.api.reply(failure(500), failure(500))
        run = await here.probing.round("support-agent", "look")
        assert (run.failed, len(run.answers)) == (2, 46)


async def test_a_look_is_due_as_often_as_is_planned_and_never_without_a_reference():
    async with opened() as here:
        await here.probing.due()
        assert (await here.ledger.queue())["ready"] == 0
        await here.probing.round("support-agent", "reference")
        await here.probing.due()
        assert (await here.ledger.queue())["ready"] == 0
        here.clock.advance(hours=7)
        await here.probing.due()
        await here.probing.due()
        assert (await here.ledger.queue())["ready"] == 1
        work = await here.ledger.claim(["probe"], worker="w", lease_seconds=60)
        await here.probing.work(work)
        assert (await here.store.runs("support-agent"))[0].kind == "look"


async def test_a_look_without_a_reference_tells_the_journal_nothing():
    async with opened() as here:
        run = await here.probing.round("support-agent", "look")
        assert run.p_value is None
        assert await here.observations() == []


async def test_status_and_what_is_not_known():
    async with opened() as here:
        await here.probing.round("support-agent", "reference")
        found = await here.probing.status("support-agent")
        assert found["reference"]["answers"] == 96
        assert found["tokens_today"] == found["runs"][0]["tokens"]
        with pytest.raises(NotFound):
            await here.probing.status("nothing")
    async with opened(None) as here:
        with pytest.raises(NotFound, match="no `probe`"):
            await here.probing.ask("support-agent", "look")


def test_requests_name_what_to_do():
    assert (request_of("run"), request_of("freeze-reference")) == ("look", "reference")
    with pytest.raises(BadInput):
        request_of("delete")


def test_other_prompts_are_another_set():
    other = ProbePlan(artifact=MODEL, model=MODEL, prompts=PROMPTS[1:])
    assert len({PLAN.set, other.set, ProbePlan(artifact=MODEL, model="m", prompts=PROMPTS).set}) == 3


def answered(words, stop="end_turn", logprob=None):
    return Answered(text=words, served="m", stop=stop, input_tokens=5, output_tokens=7, logprob=logprob)


def test_features():
    wanted = ProbePrompt(id="a", prompt="?", expect="Lisbon", json=True)
    right = features_of(wanted, answered(" Lisbon\n", logprob=-0.1))
    assert right == {
        "characters": 6.0,
        "output_tokens": 7.0,
        "refusal": 0.0,
        "code_fence": 0.0,
        "truncated": 0.0,
        "exact_answer": 1.0,
        "json_valid": 0.0,
        "first_token_logprob": -0.1,
    }
    other = features_of(
        ProbePrompt(id="a", prompt="?"), answered("I'm sorry, but I cannot help.\n```", stop="max_tokens")
    )
    assert (other["refusal"], other["code_fence"], other["truncated"]) == (1.0, 1.0, 1.0)
    assert "exact_answer" not in other
    assert features_of(wanted, answered('{"a": 1}'))["json_valid"] == 1.0
    assert "first_token_logprob" not in features_of(wanted, answered("x", logprob=float("nan")))


def test_without_answers_there_is_nothing_to_compare():
    assert compare([], []) == (None, ())


async def test_a_gateways_logprob_is_read_and_its_temperature_is_passed_on():
    fake = FakeAnthropic(script=lambda body: text("yes"))
    seen = []

    async def app(scope, receive, send):
        """Answers like a gateway that knows more than the API does."""
        body = json.loads((await receive())["body"])
        seen.append(body)
        answer = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": "yes"}],
            "usage": {"input_tokens": 3, "output_tokens": 1}, "logprobs": {"content": [{"logprob": -0.25}]},
        }  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=fake.base_url)
    asker = AnthropicAsker(lambda: anthropic.AsyncAnthropic(api_key="k", http_client=http))
    warm = ProbePlan(artifact="m", model="m", prompts=PROMPTS, temperature=0.0)
    found = await asker.answer(ProbePrompt(id="a", prompt="?", system="Be brief."), warm)
    assert (found.text, found.served, found.logprob) == ("yes", "m-1", -0.25)
    assert (seen[0]["temperature"], seen[0]["system"]) == (0.0, "Be brief.")
    await asker.close()


async def test_the_newest_api_refuses_a_temperature_and_the_error_names_no_prompt():
    fake = FakeAnthropic(script=Model())
    asker = AnthropicAsker(
        lambda: anthropic.AsyncAnthropic(api_key=fake.api_key, http_client=fake.http_client()), Patience(attempts=1)
    )
    warm = ProbePlan(artifact=MODEL, model=MODEL, prompts=PROMPTS, temperature=0.5)
    with pytest.raises(SourceFailed, match="400") as error:
        await asker.answer(PROMPTS[0], warm)
    assert "word" not in str(error.value)
    await asker.close()


async def test_the_alias_is_told_as_probed_where_it_was():
    async with opened() as here:
        (alias, *_) = (await here.walk(1)).findings
        assert "not proven" in alias.reason
        await here.probing.round("support-agent", "reference")
        (alias, *_) = (await here.walk(1)).findings
        assert "fixed prompts: as the reference, last asked 2026-03-20 06:00 UTC" in alias.reason
