"""What happened to every request: one vectorised pass over the knobs gives columns, one entry a request."""

from dataclasses import dataclass

import numpy as np

from triagebot.drill.arrays import Floats, Ints, Mask, Rng, rng_for, sigmoid
from triagebot.drill.draft import Draft
from triagebot.drill.knobs import KNOBS
from triagebot.drill.text import Grammar, paragraphs

MAX_RETRIES = 2
CONTEXT_LIMIT = 120_000
ERRORS = ("", "overloaded", "rate_limit_exceeded", "timeout", "model_not_found")
STATUS = {"overloaded": 529, "rate_limit_exceeded": 429, "timeout": 504, "model_not_found": 404}


@dataclass
class Outcome:
    """Columns, one entry a request. `flags` are booleans by knob; seconds for times; `failed` provider attempts of kind
    `error` (index into ERRORS) come before the last; `gave_up` when the last failed too.
    """

    flags: dict[str, Mask]
    error: Ints
    failed: Ints
    gave_up: Mask
    provider: list[str]
    question: list[str]
    answer: list[str]
    tokens_in: Ints
    tokens_out: Ints
    tokens_cached: Ints
    ttft: Floats
    busy: Floats
    calls: Ints
    rounds: Ints
    rows: Ints
    docs: Ints
    top: Floats
    ages: Floats
    quality: Floats
    score: Floats
    thumbs: Ints
    confidence: Floats
    overflow: Mask


def draw(draft: Draft, knob: str) -> Mask:
    """The knob's outcome per request. The dice depend on the knob only, so a family may look before the simulation does."""
    uniform = rng_for(*draft.seeds, "draw", knob).random(draft.n)
    return np.asarray(uniform < sigmoid(draft.predictor(knob)), dtype=np.bool_)


def simulate(draft: Draft) -> Outcome:
    t, w = draft.traffic, draft.world
    rng = rng_for(*draft.seeds, "simulate")
    flags = {name: draw(draft, name) for name, knob in KNOBS.items() if knob.rate and name != "cache"}
    _applicable(draft, flags)
    shift = {name: draft.predictor(name) for name, knob in KNOBS.items() if not knob.rate}
    error, failed, gave_up = _attempts(draft, rng, flags)
    calls = np.where(draft.uses_tool, 1 + rng.poisson(0.3 * np.exp(shift["extra_calls"])), 0).clip(0, 12)
    rounds = np.where(draft.uses_tool, 1 + rng.poisson(0.15 * np.exp(shift["steps"])), 0).clip(0, 9)
    calls = np.maximum(calls, rounds)
    rows, overflow = _tool_rows(draft, rng, shift["tool_rows"], calls)
    top = (0.78 + 0.055 * (shift["score"] + rng.normal(0, 1, draft.n))).clip(0.05, 0.99)
    docs = np.where(draft.retrieves, np.where(flags["empty"], 0, 5), 0)
    ages = np.exp(3.0 + shift["age"] + rng.normal(0, 0.9, draft.n)).clip(0.1, 3000)
    confidence = sigmoid(1.3 + shift["confidence"] + rng.normal(0, 0.9, draft.n))
    question, asked = _questions(draft, rng)
    answer, tokens_out = _answers(draft, rng, flags, shift, confidence)
    factor = np.exp(shift["tokens_per_byte"])
    prefix = float(rng.integers(500, 2400)) * np.exp(shift["prompt_len"]) * factor
    history = t.turn.clip(0, 12) * rng.integers(90, 160, draft.n)
    tokens_in = prefix + asked * factor + history + docs * 140 + rows * 13 + calls * 60
    hit = (rng.random(draft.n) < sigmoid(draft.predictor("cache"))) & (error == 0)
    cached = np.where(hit, (prefix * 0.97 // 128) * 128, 0)
    # Retries back off by the seconds that the provider names; a client that ignores them hammers.
    pace = np.exp(shift["latency"])
    ttft = 0.42 * np.exp(shift["ttft"] + rng.normal(0, 0.33, draft.n)) * pace * np.where(hit, 0.8, 1.0)
    busy = ttft + tokens_out * 0.013 * pace * np.exp(rng.normal(0, 0.2, draft.n))
    quality = _quality(draft, rng, flags, shift["quality"], top, error, overflow)
    # Thumbs: up (1) or down (0); most users say nothing (-1).
    given = rng.random(draft.n) < draft.options.get("thumbs_share", 0.15)
    down = rng.random(draft.n) < sigmoid(-1.5 - 1.1 * quality - shift["outcome"])
    score = sigmoid(0.7 + 0.8 * quality + shift["judge"])
    scored = (rng.random(draft.n) < draft.options.get("score_share", 0.4)) & ~gave_up
    spoken = [w.provider] * draft.n
    if w.fallback:
        spoken = [str(w.fallback) if f else w.provider for f in flags["fallback"]]
    return Outcome(
        flags=flags,
        error=error,
        failed=failed,
        gave_up=gave_up,
        provider=spoken,
        question=question,
        answer=answer,
        tokens_in=np.round(tokens_in).astype(np.int64),
        tokens_out=tokens_out,
        tokens_cached=np.minimum(cached, tokens_in - 1).astype(np.int64),
        ttft=ttft,
        busy=busy,
        calls=calls,
        rounds=rounds,
        rows=rows,
        docs=docs,
        top=top,
        ages=ages,
        quality=quality,
        score=np.where(scored & w.scores, score, np.nan),
        thumbs=np.where(given & w.feedback & (t.workload == 0), np.where(down, 0, 1), -1),
        confidence=confidence,
        overflow=overflow,
    )


def _applicable(draft: Draft, flags: dict[str, Mask]) -> None:
    """Clear what cannot happen in this world."""
    nobody = ~draft.everyone()
    for name in flags:
        if not draft.possible(name):
            flags[name] = nobody
    for name, knob in KNOBS.items():
        if knob.needs == "tools" and name in flags:
            flags[name] = flags[name] & draft.uses_tool
    if draft.world.fallback is None:
        flags["fallback"] = nobody


def _attempts(draft: Draft, rng: Rng, flags: dict[str, Mask]) -> tuple[Ints, Ints, Mask]:
    """Kind of provider error, failed attempts, and whether the request gave up."""
    error: Ints = np.select([flags["err_429"], flags["err_5xx"], flags["timeout"]], [2, 1, 3], 0)
    stays = np.where(error == 2, 0.55, 0.35)
    failed = np.where(error > 0, rng.geometric(1 - stays), 0)
    most = np.where(flags["retry_more"], 8, MAX_RETRIES)
    failed = np.where(flags["retry_more"] & (error > 0), failed * 3, failed)
    gave_up = failed > most
    gone = flags["err_404"]
    error, failed, gave_up = np.where(gone, 4, error), np.where(gone, 1, failed), gave_up | gone
    conflict = flags["conflict"] & ~gone
    failed = np.where(conflict, rng.integers(5, 12, draft.n), np.minimum(failed, most + 1))
    error = np.where(conflict, 2, error)
    return error, failed, gave_up & ~conflict


def _tool_rows(draft: Draft, rng: Rng, shift: Floats, calls: Ints) -> tuple[Ints, Mask]:
    """Rows that listing tools return: a default limit of 50 holds unless the knob has been moved."""
    t, w = draft.traffic, draft.world
    lists = np.array([tool.rows for tool in w.tools] or [False])[
        draft.tool if w.tools else np.zeros(draft.n, dtype=np.int64)
    ]
    size = w.tenant_rows[t.tenant] * np.exp(rng.normal(0, 0.2, draft.n))
    quiet = draft.quiet.base["tool_rows"]
    rows = np.where(np.abs(shift - quiet) > 0.05, size, np.minimum(size, 50))
    rows = np.where(lists & (calls > 0), rows, 0).astype(np.int64)
    return rows, rows * 13 > CONTEXT_LIMIT


def _texts(language: str, lengths: Floats) -> list[str]:
    """One text for each length, in tokens of four characters."""
    base, pool = paragraphs()[language], []
    for i, length in enumerate(lengths):
        text = base[i % 24]
        while len(text) < length * 4:
            text += " " + base[(i + len(text)) % 24]
        pool.append(text[: int(length * 4)])
    return pool


def _questions(draft: Draft, rng: Rng) -> tuple[list[str], Floats]:
    """User texts and their tokens, in the user's language. Some texts recur byte by byte, and the same bytes always count the
    same tokens.
    """
    t, w = draft.traffic, draft.world
    lengths = np.exp(np.linspace(np.log(8), np.log(6000), 64))
    pools = [_texts(language, lengths) for language in w.languages]
    spot = np.searchsorted(lengths, t.length).clip(0, 63)
    recurring = (rng.random(draft.n) < 0.3) | (t.workload != 0)
    number = rng.integers(10_000, 99_999, draft.n)
    texts = [
        f"[{w.intents[intent]}] {pools[spoken][s]}" if same else f"[{w.intents[intent]}] Case {n}. {pools[spoken][s]}"
        for s, same, n, intent, spoken in zip(
            spot.tolist(), recurring.tolist(), number.tolist(), t.intent.tolist(), t.language.tolist(), strict=True
        )
    ]
    size = np.array([len(text) for text in texts], dtype=np.float64)
    return texts, np.ceil(size / 4.1 * (1 + (size % 7) * 0.01))


def _answers(
    draft: Draft, rng: Rng, flags: dict[str, Mask], shift: dict[str, Floats], confidence: Floats
) -> tuple[list[str], Ints]:
    t, w = draft.traffic, draft.world
    grammar = Grammar(w.flavour)
    wanted = {"json": 90, "prose": 85, "code": 80, "agent": 70, "label": 30}[w.flavour]
    tokens = np.exp(np.log(wanted) + shift["out_len"] + rng.normal(0, 0.38, draft.n)).clip(8, 900).astype(int)
    salts = rng.integers(0, 1 << 30, draft.n).tolist()
    names = (
        "refusal",
        "fence",
        "preamble",
        "apology",
        "escape",
        "truncated",
        "abort",
        "json_invalid",
        "schema_missing",
        "bad_code",
        "claim",
        "unsafe",
        "clarify",
        "rationale",
    )
    columns = [flags[name].tolist() for name in names]
    wrong = flags["wrong_language"].tolist()
    answers = []
    for i, (salt, size) in enumerate(zip(salts, tokens.tolist(), strict=True)):
        one = {name: column[i] for name, column in zip(names, columns, strict=True)}
        language = w.languages[t.language[i]]
        if wrong[i]:
            language = "en" if language != "en" else "de"
        one |= {
            "language": language,
            "intent": w.intents[t.intent[i]],
            "confidence": float(confidence[i]),
            "label": (w.intents[t.intent[i]], "other")[salt % 3 == 0],
        }
        answers.append(grammar.answer(one, size, salt))
    per_byte = np.exp(shift["tokens_per_byte"])
    length = np.array([len(a) * (1.9 if not a.isascii() and w.languages[0] != "en" else 1.0) for a in answers])
    return answers, np.maximum(np.round(length / 4.0 * per_byte), 1).astype(np.int64)


def _quality(
    draft: Draft, rng: Rng, flags: dict[str, Mask], shift: Floats, top: Floats, error: Ints, overflow: Mask
) -> Floats:
    harm = {
        "refusal": 2.2,
        "json_invalid": 1.8,
        "schema_missing": 1.2,
        "type_drift": 1.3,
        "truncated": 1.2,
        "abort": 1.4,
        "bad_code": 1.5,
        "wrong_language": 0.8,
        "unsafe": 1.0,
        "tool_error": 0.7,
        "arg_invalid": 0.7,
        "unknown_tool": 1.2,
        "app_error": 1.5,
    }
    value = 0.9 + rng.normal(0, 1, draft.n) + shift
    for name, cost in harm.items():
        value = value - cost * flags[name]
    low = np.where(draft.retrieves, ((0.70 - top) / 0.1).clip(0, 4), 0)
    empty = flags["empty"] & draft.retrieves
    return np.asarray(value - 0.35 * low - 0.9 * empty - 0.3 * (error > 0) - 2.0 * overflow, dtype=np.float64)


def scored_share(draft: Draft) -> float:
    """Share of requests with an online score."""
    return float(draft.options.get("score_share", 0.4))
