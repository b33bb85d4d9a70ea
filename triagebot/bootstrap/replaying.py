"""Replays wired: the gateway that triagebot.yaml names, its terms, and the judge."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

from triagebot.adapters.traces.judging import SpanJudge
from triagebot.bootstrap.case import Case
from triagebot.bootstrap.options import Options
from triagebot.errors import Refused
from triagebot.ports import Gateway
from triagebot.settings import read_secret
from triagebot.triage.asking.narrator import Narrating
from triagebot.triage.replay.budget import Caps, Price, Prices
from triagebot.triage.replay.effect import title
from triagebot.triage.replay.perform import MemoryTrials, perform
from triagebot.triage.replay.plan import Wanted
from triagebot.triage.replay.report import report_of
from triagebot.triage.replay.run import Run
from triagebot.triage.replay.stage import Sources, Terms, set_up

LACKING: Final = (
    "Replays are not set up: triagebot.yaml needs `replay:` with the kind of the gateway and its api_key "
    "(or TRIAGEBOT_REPLAY_API_KEY)."
)
NARRATOR: Final = "claude-sonnet-4-5"
_DEADLINE: Final = timedelta(minutes=2)


def open_gateway(options: Options, api_key: str | None, stack: AsyncExitStack) -> Gateway | None:
    """The gateway that `replay:` names; None where there is no key for the hosted API, and no address of another one."""
    base = options.text("replay", "base_url")
    deadline = options.span("replay", "deadline", _DEADLINE).total_seconds()
    if options.text("replay", "kind", "anthropic") == "openai":
        if not (base or api_key):
            return None
        from triagebot.adapters.llm import openai_gateway  # noqa: PLC0415 - as below

        other = openai_gateway.connect(base or "https://api.openai.com/v1", api_key=api_key or "", deadline=deadline)
        stack.push_async_callback(other.close)
        return other
    if not api_key:
        return None
    # Imported only here: the SDK takes longer to load than everything else together.
    from triagebot.adapters.llm import anthropic_gateway  # noqa: PLC0415

    gateway = anthropic_gateway.connect(api_key, base_url=base or None, deadline=deadline)
    stack.push_async_callback(gateway.close)
    return gateway


def open_judge(stack: AsyncExitStack) -> SpanJudge:
    judge = SpanJudge()
    stack.push_async_callback(judge.close)
    return judge


def open_narrating(options: Options, api_key: str | None, stack: AsyncExitStack) -> Narrating | None:
    """Who answers questions in threads by `narrator:`; None without a key, and the answers by rule stand."""
    if api_key is None:
        return None
    from triagebot.adapters.llm import anthropic_gateway  # noqa: PLC0415 - as above
    from triagebot.adapters.llm.prompts import prompt  # noqa: PLC0415

    gateway = anthropic_gateway.connect(api_key, base_url=options.text("narrator", "base_url") or None, deadline=30.0)
    stack.push_async_callback(gateway.close)

    def words(question: str, kinds: Sequence[str]) -> tuple[str, str, str]:
        filled = prompt("thread", question=question, kinds=list(kinds))
        return filled.system, filled.user, filled.hash

    return Narrating(
        gateway=gateway,
        model=options.text("narrator", "model", NARRATOR),
        words=words,
        prices=terms_of(options).prices,
    )


def terms_of(options: Options) -> Terms:
    usual, caps = Terms(), Caps()
    given: Mapping[str, Mapping[str, float]] = options.get("replay", "prices", {})
    prices = {
        name: Price(input=one["input"], output=one["output"], cached=one.get("cached")) for name, one in given.items()
    }
    return Terms(
        times=options.get("replay", "times", usual.times),
        requests=options.get("replay", "requests", usual.requests),
        max_tokens=options.get("replay", "max_tokens", usual.max_tokens),
        parallel=options.get("replay", "parallel", usual.parallel),
        caps=Caps(
            calls=options.get("replay", "most_calls", caps.calls),
            tokens=options.get("replay", "most_tokens", caps.tokens),
            money=options.get("replay", "most_money", caps.money),
        ),
        prices=Prices(table=prices, currency=options.text("replay", "currency", "USD")),
        models=options.mapping("replay", "models"),
    )


async def replay_case(
    case: Case, wanted: Wanted, stack: AsyncExitStack, *, tell: Callable[[str], None]
) -> Mapping[str, Any]:
    """Walks the case, replays its failing requests, and gives the report. Raises BadInput and Refused, SourceFailed."""
    options = Options(case.config)
    declared = options.text("replay", "api_key")
    key = os.environ.get("TRIAGEBOT_REPLAY_API_KEY") or (
        read_secret(declared, place="replay.api_key", root=case.config.root, environ=os.environ).value
        if declared
        else ""
    )
    gateway = open_gateway(options, key or None, stack)
    if gateway is None:
        raise Refused(LACKING)
    verdict = (await case.walk()).as_json()
    found = case.investigation
    sources = Sources(service=case.service, traces=found.traces, journal=found.journal, registries=found.registries)
    stage = await set_up(verdict, wanted, sources, terms_of(options))
    arms = ", ".join(title(spec) for spec in stage.specs)
    tell(f"{len(stage.requests)} failing requests, {stage.times} times each: {arms} …")
    began = time.monotonic()

    async def never() -> str:
        return ""

    async def silent(run: Run) -> None:
        return None

    run, outcome = await perform(
        verdict,
        stage,
        gateway=gateway,
        judge=open_judge(stack),
        trials=MemoryTrials(),
        stopping=never,
        tell=silent,
    )
    return report_of(
        1,
        asked_by="",
        at=case.page.occurred_at,
        seconds=time.monotonic() - began,
        gateway=gateway.name,
        stage=stage,
        run=run,
        outcome=outcome,
    )
