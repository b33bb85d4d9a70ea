"""From columns to spans: root, retrieval, provider attempts, tools, final answer, with times that fit into each other."""

from dataclasses import dataclass
from typing import Any

import orjson

from triagebot.drill.arrays import Mask, fingerprint, rng_for
from triagebot.drill.artifacts import Artifact
from triagebot.drill.conventions import CONVENTIONS, Record
from triagebot.drill.draft import Draft
from triagebot.drill.observed import Observed
from triagebot.drill.otlp import attributes, nanos
from triagebot.drill.requests import ERRORS, STATUS, Outcome
from triagebot.drill.toolcalls import ToolCalls
from triagebot.drill.traffic import WORKLOADS

Span = dict[str, Any]
LONGEST_VALUE = 6000  # characters after which the exporter cuts a value


@dataclass
class Version:
    """Which version of one artifact each request carries in its spans; None where the span does not say."""

    artifact: Artifact
    shown: Mask

    def of(self, i: int) -> str | None:
        return self.artifact.labels[self.artifact.version[i]] if self.shown[i] and self.artifact.uses[i] else None


class SpanWriter:
    """Spans of one request at a time, as OTLP/JSON objects."""

    def __init__(self, draft: Draft, outcome: Outcome) -> None:
        self.d, self.o, self.w, self.t = draft, outcome, draft.world, draft.traffic
        self.convention = CONVENTIONS[self.w.convention]
        rng = rng_for(*draft.seeds, "spans")
        self.ids = rng.bytes(16 * draft.n).hex()
        self.salt = rng.integers(0, 1 << 40, draft.n).tolist()
        self.gap = rng.uniform(0.004, 0.06, (draft.n, 4))
        self.short = rng.exponential(0.12, (draft.n, 4)) + 0.03
        self.quoted = bool(rng.random() < 0.5)
        self.intent_known = bool(rng.random() < 0.5) or bool(draft.options.get("intent_known"))
        self.workload_known = bool(draft.options.get("workload_known", self.w.batch and rng.random() < 0.6))
        self.versions: dict[str, list[Version]] = {a.surface: [] for a in draft.artifacts}
        lost = draft.options.get("lost")
        for artifact in draft.artifacts:
            share = draft.recorded.get(artifact.attribute, 0.0)
            shown = rng_for(*draft.seeds, "shown", artifact.attribute).random(draft.n) < share
            if lost is not None and artifact.attribute in draft.options.get("lost_attributes", ()):
                shown = shown & ~lost
            self.versions[artifact.surface].append(Version(artifact, shown))
        self.definitions = [
            [orjson.dumps(tools).decode() for tools in v.artifact.contents]
            for v in self.versions.get("tool_schemas", [])
        ]
        self.lost: Mask = lost if lost is not None else ~draft.everyone()
        fingerprints = [fingerprint(f"{self.w.service}{k}")[7:17] for k in range(12)]
        pool = rng.integers(0, 4, draft.n)
        served = self.versions["model_alias"][0].artifact.version
        self.fingerprints = [
            f"fp_{fingerprints[(int(p) + 4 * int(v)) % 12]}" for p, v in zip(pool, served, strict=True)
        ]
        self.observed = Observed(draft, outcome, self.salt)
        self.calls = ToolCalls(draft, outcome, self.salt)
        self.code = next(a for a in draft.artifacts if a.surface == "code")

    def resource(self, i: int) -> tuple[str, str]:
        """Service version and region: what a ResourceSpans stands for."""
        return self.code.labels[self.code.version[i]], self.w.regions[self.t.region[i]]

    def spans(self, i: int) -> list[Span]:
        o, at = self.o, float(self.t.at[i])
        trace = self.ids[32 * i : 32 * i + 32]
        base = self._base(i, trace)
        made: list[Span] = []
        clock = at + self.gap[i, 0]
        root_id = self._span_id(i, 0)
        if self.d.retrieves[i]:
            end = clock + self.short[i, 0]
            made.append(self._retrieval(i, base, root_id, clock, end))
            clock = end + 0.002
        clock = self._failed_attempts(i, base, root_id, clock, made)
        status, error = 200, None
        if o.flags["conflict"][i]:
            pass
        elif o.gave_up[i]:
            error = ERRORS[o.error[i]]
            status = {"rate_limit_exceeded": 429, "timeout": 504}.get(error, 502)
        else:
            for k in range(int(o.rounds[i])):
                clock = self._round(i, k, base, root_id, clock, made)
            clock, error = self._answer(i, base, root_id, clock, made)
            status = 400 if error else 200
            if o.flags["app_error"][i]:
                status, error = 500, self.d.options.get("app_error_type", "KeyError")
        end = clock + self.gap[i, 1]
        record = {**base, "status": status, "error": error}
        root = self._span(
            trace, root_id, "", self.convention.root_name(record), 2, at, end, self.convention.root(record)
        )
        if error:
            root["status"] = {"code": 2, "message": str(error)}
        return [root, *made]

    # -- one kind of span each ------------------------------------------------------------------------------------

    def _base(self, i: int, trace: str) -> Record:
        t, w = self.t, self.w
        return {
            "trace": trace,
            "request": "r-" + trace[:12],
            "tenant": w.tenants[t.tenant[i]],
            "route": w.routes[t.route[i]],
            "intent": w.intents[t.intent[i]],
            "intent_known": self.intent_known,
            "workload": WORKLOADS[t.workload[i]],
            "workload_known": self.workload_known,
            "key": w.keys[t.key[i]],
            "conversation": f"c-{(int(t.conversation[i]) * 40503 + 977) & 0xFFFFFFF:07x}",
            "user": f"u-{int(t.user[i]):05x}",
            "quoted": self.quoted,
            "stream": w.streaming,
        }

    def _llm(self, i: int, base: Record) -> Record:
        """What every provider call of the request shares."""
        w, o = self.w, self.o
        fallback = o.provider[i] != w.provider
        prompts = self.versions["prompt_version"]
        prompt = next(v for v in prompts if v.artifact.uses[i])
        kept = not self.lost[i] or "usage" not in self.d.options.get("lost_attributes", ())
        defs = None
        if self.definitions and self.d.uses_tool[i] and self.versions["tool_schemas"][0].shown[i]:
            defs = self.definitions[0][self.versions["tool_schemas"][0].artifact.version[i]]
        system = None
        if w.content == "full" and self.d.recorded["prompt_text"]:
            system = prompt.artifact.contents[prompt.artifact.version[i]]
        alias = self.versions["model_alias"][0]
        return {
            **base,
            "provider": o.provider[i],
            "requested": w.alias if not fallback else f"{o.provider[i]}-small",
            "served": alias.of(i) if not fallback else f"{o.provider[i]}-small-1",
            "fingerprint": self.fingerprints[i] if self.d.recorded["fingerprint"] and not fallback else None,
            "prompt": prompt.artifact.name if self.d.recorded["prompt"] else None,
            "prompt_version": prompt.of(i),
            "system": system,
            "definitions": defs,
            "usage": kept,
        }

    def _failed_attempts(self, i: int, base: Record, root: str, clock: float, made: list[Span]) -> float:
        count = int(self.o.failed[i])
        if not count:
            return clock
        kind = ERRORS[self.o.error[i]]
        conflict = bool(self.o.flags["conflict"][i])
        took = {"overloaded": 0.9, "rate_limit_exceeded": 0.12, "timeout": 30.0, "model_not_found": 0.08}[kind]
        pause = (
            0.18
            if conflict
            else {"overloaded": 0.6, "rate_limit_exceeded": 1.5, "timeout": 0.4, "model_not_found": 0.0}[kind]
        )
        shared = self._llm(i, base)
        for k in range(count):
            record = {
                **shared,
                "served": None,
                "fingerprint": None,
                "tokens_in": None,
                "tokens_out": None,
                "tokens_cached": None,
                "finish": None,
                "question": None,
                "answer": None,
                "ttft": None,
                "error": None if conflict else kind,
                "http": STATUS[kind],
            }
            if conflict and self.w.content != "none":
                record["answer"] = '{"status":"ok"}'
            end = clock + took * (0.7 + 0.6 * self.gap[i, 2] / 0.06)
            span = self._span(
                base["trace"],
                self._span_id(i, 40 + k),
                root,
                self.convention.llm_name(record),
                3,
                clock,
                end,
                self.convention.llm(record),
            )
            if not conflict:
                span["status"] = {"code": 2, "message": kind}
            made.append(span)
            clock = end + pause * (1 if conflict else 2 ** min(k, 3))
        return clock

    def _round(self, i: int, k: int, base: Record, root: str, clock: float, made: list[Span]) -> float:
        """One model call that asks for tools, and the tools."""
        o = self.o
        record = {
            **self._llm(i, base),
            "tokens_in": int(o.tokens_in[i] * 0.8),
            "tokens_out": 24 + self.salt[i] % 9,
            "tokens_cached": int(o.tokens_cached[i]),
            "finish": "tool_calls",
            "question": None,
            "answer": None,
            "ttft": float(o.ttft[i]),
            "error": None,
            "http": None,
        }
        end = clock + float(o.ttft[i]) + 0.2
        made.append(self._provider_span(i, 10 + k, record, root, clock, end))
        clock = end
        per_round = -(-int(o.calls[i]) // int(o.rounds[i]))
        for c in range(k * per_round, min((k + 1) * per_round, int(o.calls[i]))):
            clock = self._tool(i, c, base, root, clock + 0.003, made)
        return clock + 0.003

    def _tool(self, i: int, call: int, base: Record, root: str, clock: float, made: list[Span]) -> float:
        """One call; a flaky tool fails first and is called again, as agents do."""
        flags, first = self.o.flags, call == 0
        failures: list[tuple[str, bool]] = []
        if first and flags["tool_flaky"][i]:
            failures.append((self.d.options.get("flaky_error", "tool_timeout"), True))
        if first and flags["arg_invalid"][i]:
            failures.append(("invalid_arguments", False))
        elif first and flags["tool_error"][i]:
            failures.append(("tool_execution_error", False))
        elif first and flags["unknown_tool"][i]:
            failures.append(("unknown_tool", False))
        outcomes: list[str | None] = [kind for kind, _ in failures]
        if not failures or failures[-1][1]:
            outcomes.append(None)
        for n, error in enumerate(outcomes):
            name, arguments, result = self.calls.call(i, call, error)
            full = self.w.content == "full"
            record = {
                **base,
                "tool": name,
                "call": f"call_{base['trace'][:8]}{call}{n}",
                "error": error,
                "arguments": arguments if full else None,
                "result": result[:LONGEST_VALUE] if full else None,
            }
            end = clock + 0.02 + self.short[i, (call + n) % 4]
            span = self._span(
                base["trace"],
                self._span_id(i, 60 + 3 * call + n),
                root,
                self.convention.tool_name(record),
                1,
                clock,
                end,
                self.convention.tool(record),
            )
            if error:
                span["status"] = {"code": 2, "message": error}
            made.append(span)
            clock = end
        return clock

    def _answer(self, i: int, base: Record, root: str, clock: float, made: list[Span]) -> tuple[float, str | None]:
        o, content = self.o, self.w.content
        overflow = bool(o.overflow[i])
        aborted, cut = bool(o.flags["abort"][i]), bool(o.flags["truncated"][i])
        finish = None if aborted else ("length" if cut else "stop")
        record = {
            **self._llm(i, base),
            "tokens_in": int(o.tokens_in[i]),
            "tokens_out": int(o.tokens_out[i]),
            "tokens_cached": int(o.tokens_cached[i]) if self.d.recorded["cache"] else None,
            "finish": finish,
            "question": o.question[i] if content == "full" else None,
            "answer": o.answer[i] if content != "none" else None,
            "ttft": float(o.ttft[i]),
            "error": None,
            "http": None,
        }
        end = clock + float(o.busy[i]) * (0.55 if aborted else 1.0)
        if overflow:
            record |= {"tokens_out": 0, "finish": None, "answer": None, "error": "context_length_exceeded", "http": 400}
            end = clock + 0.3
        span = self._provider_span(i, 1, record, root, clock, end)
        if overflow:
            span["status"] = {"code": 2, "message": "context_length_exceeded"}
        events = self.observed.evaluations(i, end)
        if events:
            span["events"] = events
        made.append(span)
        return end, "context_length_exceeded" if overflow else None

    def _provider_span(self, i: int, place: int, record: Record, root: str, start: float, end: float) -> Span:
        if not record["usage"]:
            record = {**record, "tokens_in": None, "tokens_out": None, "tokens_cached": None, "finish": None}
        if not self.d.recorded["cache"]:
            record["tokens_cached"] = None
        if not (self.d.recorded["ttft"] and self.w.streaming):
            record["ttft"] = None
        return self._span(
            record["trace"],
            self._span_id(i, place),
            root,
            self.convention.llm_name(record),
            3,
            start,
            end,
            self.convention.llm(record),
        )

    def _retrieval(self, i: int, base: Record, root: str, start: float, end: float) -> Span:
        version = self.versions["retrieval_corpus"][0]
        documents = self.observed.documents(i, start)
        record = {**base, "corpus": version.artifact.name, "corpus_version": version.of(i), "documents": documents}
        return self._span(
            base["trace"],
            self._span_id(i, 2),
            root,
            self.convention.retrieval_name(record),
            3,
            start,
            end,
            self.convention.retrieval(record),
        )

    def _span_id(self, i: int, place: int) -> str:
        return f"{(self.salt[i] * 1009 + i * 7 + 1) & 0xFFFFFFFFFFFF:012x}{place:04x}"

    @staticmethod
    def _span(
        trace: str, own: str, parent: str, name: str, kind: int, start: float, end: float, values: dict[str, Any]
    ) -> Span:
        span: Span = {
            "traceId": trace,
            "spanId": own,
            "name": name,
            "kind": kind,
            "startTimeUnixNano": nanos(start),
            "endTimeUnixNano": nanos(end),
            "attributes": attributes(values),
            "status": {},
        }
        if parent:
            span["parentSpanId"] = parent
        return span
