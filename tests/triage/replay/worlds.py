"""A recorded incident of requests that can be replayed, a model that can be scripted, and a judge that reads JSON."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.fakes.walks import FakeTraces, dimension
from triagebot.adapters.memory_journal import MemoryJournal
from triagebot.domain.recorded import Recorded, RecordedCall, Reply, ToolRun, ToolUse, Turn
from triagebot.domain.service import RegistryEntry, Service
from triagebot.errors import SourceFailed
from triagebot.ports import DIMENSIONS, Dimension, RequestTable
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Source
from triagebot.triage.replay.line import Patience
from triagebot.triage.replay.stage import Sources, Terms

ONSET = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
AS_OF = datetime(2026, 11, 3, 2, 47, tzinfo=UTC)
OLD, NEW = "You help. Answer in JSON only.", "You help. Be warm."
MODEL = "claude-haiku-4-5-20251001"
TOOLS = '[{"name": "lookup", "description": "find", "input_schema": {"type": "object"}}]'
SECRET = "customer 4711 owes 12 EUR"

CHANGE = {
    "surface": "prompt_version",
    "artifact": "support/system",
    "before": "v14",
    "after": "v17",
    "introduced": {"earliest": "2026-11-03T01:58:00Z", "latest": "2026-11-03T01:59:00Z"},
}
CAUSE = CHANGE | {"node": "prompt_version", "explains": ["json_valid"], "confidence": 0.97}
SYMPTOM = {
    "signal": "json_valid",
    "title": "answers that are valid JSON",
    "unit": "rate",
    "slice": {"region": "eu"},
    "before": {"n": 90, "value": 0.98},
    "after": {"n": 60, "value": 0.3},
    "interval": [-0.8, -0.5],
    "onset": {"earliest": "2026-11-03T02:00:00Z", "latest": "2026-11-03T02:04:00Z"},
}


def verdict(**more):
    base = {
        "status": "implicated",
        "as_of": "2026-11-03T02:47:00Z",
        "symptoms": [SYMPTOM],
        "causes": [CAUSE],
        "findings": [{"node": "prompt_version", "status": "implicated", "changes": [CHANGE], "evidence": []}],
    }
    return base | more


def call(number=0, *, system=NEW, **more):
    values = {
        "at": ONSET + timedelta(minutes=1),
        "model_requested": "claude-haiku-4-5",
        "model_served": MODEL,
        "prompt_name": "support/system",
        "prompt_version": "v17",
        "system": system,
        "turns": (Turn(role="user", text=f"{SECRET}, ticket {number}"),),
        "tools": "",
        "output": "Sure!",
        "asks_for_tools": False,
        "failed": False,
    }
    return RecordedCall(**values | more)


def recorded(number=0, *calls, runs=(), **more):
    return Recorded(trace_id=trace(number), at=ONSET, calls=calls or (call(number),), runs=tuple(runs), **more)


def trace(number):
    return f"{number:032x}"


def table(before=90, after=60, failing=40):
    """`before` requests that are well, then `after` of which `failing` are not."""
    at = [ONSET.timestamp() - 60 * (before - i) for i in range(before)]
    at += [ONSET.timestamp() + 1 + 30 * i for i in range(after)]
    n = before + after
    valid = np.ones(n)
    valid[before : before + failing] = 0.0
    blank = Dimension(np.zeros(n, dtype=np.int32), ("",))
    signals = {s.name: np.full(n, np.nan) for s in SIGNALS} | {"json_valid": valid}
    return RequestTable(
        at=np.array(at),
        weight=np.ones(n),
        trace_id=tuple(trace(i) for i in range(n)),
        dimensions=dict.fromkeys(DIMENSIONS, blank)
        | {
            "region": dimension(["eu"] * n),
            "prompt": dimension(["support/system@v14"] * before + ["support/system@v17"] * after),
        },
        signals=signals,
        spans=n,
        requests=n,
    )


class Traces(FakeTraces):
    """`made` gives what was recorded of a request by its number; all alike unless told."""

    def __init__(self, table_=None, made=recorded):
        super().__init__(table() if table_ is None else table_)
        self.made = made
        self.reads = 0

    async def recorded(self, names, trace_ids):
        self.reads += 1
        return [found for t in trace_ids if (found := self.made(int(t, 16))) is not None]


class Shelf:
    """A registry that holds texts by label."""

    kind = "fake"

    def __init__(self, surface="prompt_version", artifact="support/system", **texts):
        self.surface, self.artifact, self.texts = surface, artifact, texts
        self.fails = None

    async def content(self, version, at=None):
        if self.fails:
            raise self.fails
        return self.texts.get(version)

    async def history(self, window):
        return []

    def source(self):
        return Source(entry=RegistryEntry(surface=self.surface, artifact=self.artifact, kind="fake"), registry=self)


def sources(traces=None, *shelves):
    own = shelves or (Shelf(v14=OLD, v17=NEW),)
    return Sources(
        service=Service(name="support-agent", slack_channel="#llm-oncall"),
        traces=traces or Traces(),
        journal=MemoryJournal((), ()),
        registries=[shelf.source() for shelf in own],
    )


def terms(**more):
    return Terms(**{"times": 3, "requests": 8, "gather": 0.0, "parallel": 3} | more)


def reply(ask, text="", *, uses=(), finish="", **more):
    values = {"input_tokens": 100, "output_tokens": 20, "seconds": 0.5, "model": ask.model}
    return Reply(text=text, uses=tuple(uses), finish=finish or ("tool_calls" if uses else "stop"), **values | more)


def use(name="lookup", arguments='{"id": 1}'):
    return ToolUse(id="u1", name=name, arguments=arguments)


def run(name="lookup", arguments='{"id": 1}', result='{"found": true}', failed=False):
    return ToolRun(name=name, arguments=arguments, result=result, failed=failed)


class Model:
    """A gateway: valid JSON with the old prompt, chatter with the new one, or whatever `script` says of an ask."""

    name = "fake"

    def __init__(self, script=None):
        self.script = script or (lambda ask: reply(ask, '{"a": 1}' if ask.system == OLD else "Sure! Here you go."))
        self.asks = []

    async def call(self, ask):
        self.asks.append(ask)
        said = self.script(ask)
        if isinstance(said, BaseException):
            raise said
        return said


class JsonJudge:
    """Says 1 of answers that begin as JSON does."""

    def __init__(self):
        self.judged = 0

    async def judge(self, played, signals):
        self.judged += len(played)
        return [{s.name: float(p.exchanges[-1][1].text.startswith("{")) for s in signals} for p in played]


class GarbageJudge:
    """Answers with whatever it was made with: not numbers, not as many, or not at all."""

    def __init__(self, said):
        self.said = said

    async def judge(self, played, signals):
        if isinstance(self.said, Exception):
            raise self.said
        if callable(self.said):
            return self.said(played, signals)
        return [self.said] * len(played)


GARBAGE = {
    "words": {"json_valid": "yes"},
    "nan": {"json_valid": math.nan},
    "infinity": {"json_valid": math.inf},
    "a truth": {"json_valid": True},
    "another signal": {"refusal": 1.0},
    "nothing": {},
    "no mapping": "json_valid=1",
    "none": None,
    "too few": lambda played, signals: [],
    "too many": lambda played, signals: [{"json_valid": 1.0}] * (len(played) + 1),
    "an error": SourceFailed("the judge is down"),
}


class Time:
    """A clock that naps advance, so that patience takes no time."""

    def __init__(self):
        self.now = 0.0
        self.naps = Counter()

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.naps[round(seconds, 3)] += 1
        self.now += seconds

    def patience(self, **more):
        return Patience(**{"sleep": self.sleep, "clock": self} | more)


async def never():
    return ""


async def silent(run):
    return None
