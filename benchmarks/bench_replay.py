"""What a replay costs beside the model's own time: preparing, journalling each trial, judging, telling.

    python benchmarks/bench_replay.py [--seconds 2.5] [--parallel 4] [--requests 12] [--times 3]

A generated incident, its real store, git registry, judge and journal (SQLite on disk); only the model is a clock. Prints the wall
time, the time that the model's answers alone take on as many lanes, and the overhead between the two.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from triagebot.adapters.db.engine import open_database
from triagebot.adapters.db.ledger import SqlLedger
from triagebot.adapters.traces.judging import SpanJudge
from triagebot.bootstrap.case import open_case
from triagebot.bootstrap.clock import SystemClock
from triagebot.domain.recorded import Ask, Reply
from triagebot.drill.make import make_case
from triagebot.triage.init import write_from_world
from triagebot.triage.replay.carrying import WorkTrials
from triagebot.triage.replay.perform import perform
from triagebot.triage.replay.plan import Wanted
from triagebot.triage.replay.stage import Sources, Terms, set_up


class Clockwork:
    """A model that takes its time: spread around `seconds`, the same for every run."""

    name = "clockwork"

    def __init__(self, seconds: float) -> None:
        self._random, self._seconds = random.Random(7), seconds
        self.took: list[float] = []

    async def call(self, ask: Ask) -> Reply:
        took = self._seconds * self._random.uniform(0.6, 1.4)
        began = time.monotonic()
        await asyncio.sleep(took)
        self.took.append(time.monotonic() - began)
        text = '{"ok": true}' if self._random.random() < 0.5 else "Sure! Here is what you asked for."
        return Reply(
            text=text,
            uses=(),
            finish="stop",
            model=ask.model,
            input_tokens=900,
            output_tokens=200,
            seconds=time.monotonic() - began,
        )


def lanes(took: list[float], count: int) -> float:
    """When the last of these calls ends, each begun as soon as one of `count` lanes is free."""
    free = [0.0] * count
    for seconds in took:
        free.sort()
        free[0] += seconds
    return max(free)


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="triagebot-bench-") as name:
        folder = make_case("tone_breaks_json", 7, Path(name) / "case", requests=1500)
        write_from_world(folder, force=True)
        async with AsyncExitStack() as stack:
            case = await open_case(folder, stack)
            verdict = (await case.walk()).as_json()
            database = open_database(f"sqlite:///{name}/state.db")
            stack.push_async_callback(database.close)
            await database.create_tables()
            ledger = SqlLedger(database, SystemClock())
            await ledger.enqueue("replay", "INC-1", dedupe="bench")
            work = await ledger.claim(["replay"], worker="bench", lease_seconds=3600)
            judge = SpanJudge()
            stack.push_async_callback(judge.close)
            found = case.investigation
            sources = Sources(
                service=case.service, traces=found.traces, journal=found.journal, registries=found.registries
            )
            terms = Terms(times=arguments.times, requests=arguments.requests, parallel=arguments.parallel)

            async def going_on() -> str:
                return ""

            async def tell(run: object) -> None:
                return None

            model = Clockwork(arguments.seconds)
            began, cpu = time.monotonic(), time.process_time()
            stage = await set_up(verdict, Wanted(), sources, terms)
            prepared = time.monotonic() - began
            run, outcome = await perform(
                verdict,
                stage,
                gateway=model,
                judge=judge,
                trials=WorkTrials(ledger, work),
                stopping=going_on,
                tell=tell,
            )
            wall, used = time.monotonic() - began, time.process_time() - cpu
            alone = lanes(model.took, arguments.parallel)
            print(
                f"{run.budget.spent.calls} calls of {arguments.seconds:g} s, {arguments.parallel} at once, {len(stage.arms)} arms, {outcome.effect}"
            )
            print(f"model alone {alone:.2f} s   wall {wall:.2f} s   preparing {prepared:.2f} s   CPU {used:.2f} s")
            print(f"overhead {100 * (wall - alone) / alone:.1f} %")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.5)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--requests", type=int, default=12)
    parser.add_argument("--times", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
