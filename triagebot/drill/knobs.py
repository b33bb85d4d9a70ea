"""The dials of the simulated product: what a request can do wrong, how often it does so on a quiet day, who can see it."""

from dataclasses import dataclass

import numpy as np

from triagebot.drill.arrays import HOUR, Floats, Mask, Rng, log_uniform, logit
from triagebot.drill.traffic import Traffic
from triagebot.drill.world import World


@dataclass(frozen=True)
class Knob:
    """`rate`: a share per request, kept on the logit scale; otherwise a shift in units of `sd`. `low` and `high` bound the
    quiet value, `cap` (in `sd`) what a change may do. `needs` and `flavours` say where it applies.
    """

    name: str
    rate: bool
    low: float
    high: float
    sd: float = 1.0
    needs: str = ""
    cap: float = 3.2
    flavours: tuple[str, ...] = ()


KNOBS = {
    knob.name: knob
    for knob in (
        Knob("json_invalid", True, 0.004, 0.03, needs="output", flavours=("json", "label")),
        Knob("schema_missing", True, 0.003, 0.025, needs="output", flavours=("json",)),
        Knob("fence", True, 0.01, 0.12, needs="output", flavours=("json", "label", "code")),
        Knob("preamble", True, 0.01, 0.06, needs="output"),
        Knob("apology", True, 0.01, 0.05, needs="output", flavours=("prose", "agent")),
        Knob("refusal", True, 0.008, 0.04, needs="output"),
        Knob("wrong_language", True, 0.002, 0.008, needs="output", flavours=("prose", "agent")),
        Knob("escape", True, 0.002, 0.012, needs="output"),
        Knob("claim", True, 0.002, 0.012, needs="output", flavours=("prose", "agent")),
        Knob("unsafe", True, 0.001, 0.006, needs="output", flavours=("prose", "agent")),
        Knob("rationale", True, 0.90, 0.97, needs="output"),
        Knob("clarify", True, 0.08, 0.2, needs="output", flavours=("prose", "agent")),
        Knob("bad_code", True, 0.02, 0.08, needs="output", flavours=("code",)),
        Knob("truncated", True, 0.003, 0.015),
        Knob("arg_invalid", True, 0.005, 0.03, needs="tools"),
        Knob("tool_error", True, 0.01, 0.04, needs="tools"),
        Knob("tool_flaky", True, 0.005, 0.02, needs="tools"),
        Knob("type_drift", True, 0.0005, 0.001, needs="tools"),
        Knob("unknown_tool", True, 0.0005, 0.001, needs="tools"),
        Knob("tool_alt", True, 0.03, 0.15, needs="tools"),
        Knob("extra_calls", False, 0.0, 0.0, 1.3, needs="tools", cap=1.6),
        Knob("tool_rows", False, 0.0, 0.0, 0.6, needs="tools"),
        Knob("empty", True, 0.02, 0.08, needs="corpus"),
        Knob("score", False, 0.0, 0.0, 1.0, needs="corpus"),
        Knob("age", False, 0.0, 0.0, 0.9, needs="corpus"),
        Knob("err_5xx", True, 0.004, 0.012),
        Knob("err_429", True, 0.001, 0.005),
        Knob("err_404", True, 0.00004, 0.00008),
        Knob("timeout", True, 0.002, 0.006),
        Knob("abort", True, 0.002, 0.006),
        Knob("fallback", True, 0.015, 0.05),
        Knob("app_error", True, 0.001, 0.005),
        Knob("conflict", True, 0.0003, 0.0006),
        Knob("retry_more", True, 0.002, 0.006),
        Knob("latency", False, 0.0, 0.0, 0.42),
        Knob("ttft", False, 0.0, 0.0, 0.35),
        Knob("out_len", False, 0.0, 0.0, 0.55),
        Knob("prompt_len", False, 0.0, 0.0, 0.5),
        Knob("tokens_per_byte", False, 0.0, 0.0, 0.01),
        Knob("steps", False, 0.0, 0.0, 1.7, needs="tools", cap=1.4),
        Knob("cache", True, 0.6, 0.92, needs="cache"),
        Knob("quality", False, 0.0, 0.0, 1.0),
        Knob("judge", False, 0.0, 0.0, 0.9, needs="scores"),
        Knob("outcome", False, 0.0, 0.0, 1.0, needs="feedback"),
        Knob("confidence", False, 0.0, 0.0, 0.9, needs="label"),
    )
}


@dataclass
class Effect:
    """`delta` on the knob's own scale for the requests of `mask`; an array where it varies (a drift, a decay)."""

    knob: str
    mask: Mask
    delta: float | Floats


class Quiet:
    """The linear predictor of every knob on a quiet day: a base with tenant, intent, region and hour differences."""

    def __init__(self, rng: Rng, world: World, traffic: Traffic) -> None:
        self.base: dict[str, Floats] = {}
        hours = (traffic.at / HOUR) % 24
        busy = np.exp(-((hours - 15.0) ** 2) / 18.0)
        for name, knob in KNOBS.items():
            n_t, n_i, n_r = len(world.tenants), len(world.intents), len(world.regions)
            tenant, intent, region = rng.normal(0, 1, n_t), rng.normal(0, 1, n_i), rng.normal(0, 1, n_r)
            base = logit(log_uniform(rng, knob.low, knob.high)) if knob.rate else 0.0
            width = 0.22 if knob.rate else 0.16 * knob.sd
            if name in ("tokens_per_byte", "judge", "prompt_len", "cache"):
                width = 0.0
            predictor = base + width * (
                tenant[traffic.tenant] + 1.5 * intent[traffic.intent] + 0.5 * region[traffic.region]
            )
            if name in ("latency", "ttft"):
                predictor = predictor + rng.uniform(0.1, 0.35) * busy
            self.base[name] = predictor
