"""Provider and quota: malformed fallbacks, daily peaks, windows and limits."""

import numpy as np

from triagebot.drill.arrays import DAY, HOUR, MINUTE, chance, one, rfc3339
from triagebot.drill.decoys import pull
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say
from triagebot.drill.requests import draw
from triagebot.drill.traffic import BATCH
from triagebot.drill.world import Wants


def fallback_malformed(d: Draft) -> None:
    """The second provider answers rubbish; the first is fine."""
    w = d.world
    d.side_effect("fallback", d.everyone(), float(d.rng.uniform(1.6, 2.6)))
    at = d.onset(draw(d, "fallback"), least=60, least_before=120)
    if chance(d.rng, 0.5):
        d.side_effect("fallback", d.traffic.at >= at, 0.5)
    second = draw(d, "fallback")
    d.options["onset"] = at
    knob = "json_invalid" if w.flavour in ("json", "label") else one(d.rng, ["truncated", "escape"])
    d.effect(knob, second & (d.traffic.at >= at), among=second, most=0.6)
    say(d, knob)
    d.decoys()
    d.expect(
        "none_of_five",
        {"node": "provider", "artifact": str(w.fallback)},
        notes=f"Only answers of the fallback {w.fallback} are malformed, since one hour; the primary is healthy.",
    )


def morning_slow(d: Draft) -> None:
    """Slow every morning, today as on any other day: a peak, not a regression."""
    t, w = d.traffic, d.world
    centre = (w.page_at / HOUR - d.rng.uniform(0.2, 1.2)) % 24
    distance = np.abs((t.at / HOUR - centre + 12) % 24 - 12)
    d.side_effect("latency", d.everyone(), float(d.rng.uniform(0.6, 1.1)) * np.exp(-(distance**2) / 3.0))
    say(d, "latency")
    d.decoys(int(d.rng.integers(2, 5)), latest=False)
    d.expect("none_of_five", notes="The same hour of earlier days is as slow: the daily peak, nothing new.")


def quota_window(d: Draft) -> None:
    """The provider counts its daily window anew: our batch of always now starves users right after it, every night."""
    w = d.world
    minutes = float(d.rng.uniform(6, 14))
    start = float((w.page_at / MINUTE - minutes - d.rng.uniform(3, 12)) % 1440)
    nights = (w.end - w.start) / DAY
    d.jobs(BATCH, start_minute=start, minutes=minutes, per_run=max(int(len(d.traffic) * 0.1 / nights), 6))
    t = d.traffic
    since = w.page_at - float(d.rng.integers(4, max(5, int(nights * 0.6)))) * DAY - 6 * HOUR
    minute = ((t.at / MINUTE) - start) % 1440
    mask = (minute >= minutes * 0.7) & (minute <= minutes + 30) & (t.at >= since) & (t.key == 0)
    if since < w.start + DAY or (mask & (t.workload == 0) & d.before_page).sum() < 22:
        raise Redraw
    d.options |= {"workload_known": True, "onset": since}
    d.effect("err_429", mask, most=0.8, z=float(d.rng.uniform(11, 28)))
    d.events.append(
        {
            "at": rfc3339(since - d.rng.uniform(1, 9) * HOUR),
            "service": w.service,
            "surface": "limit",
            "artifact": f"{w.provider} daily token window",
            "before": "rolling 24 h",
            "after": "resets at fixed hours",
            "summary": "Release note: accounting of the daily window",
            "source": "provider_notes",
        }
    )
    say(d, "err_429")
    d.decoys(latest=False)
    d.expect(
        "none_of_five",
        {"node": "quota"},
        notes="429s at the same minutes every night, after a batch that has not changed, since the window is counted otherwise.",
    )


def quota_too_low(d: Draft) -> None:
    """Demand is what it was; the limit was set from a quiet month."""
    t, w = d.traffic, d.world
    at = d.onset(least=120, most=0.4)
    local = (t.at / HOUR + np.array(w.offsets)[t.region]) % 24
    d.options["onset"] = at
    d.effect("err_429", (t.at >= at) & (np.abs(local - 13.5) < 3.2), most=0.5, z=float(d.rng.uniform(10, 28)))
    before = int(d.rng.integers(4, 9)) * 100
    after = f"{int(before * 0.62)}k"
    name = f"{w.provider} tokens per minute"
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "limit",
            "artifact": name,
            "before": f"{before}k",
            "after": after,
            "author": d.person(),
            "reference": pull(d),
            "summary": "Quarterly quota from the trailing four weeks",
            "source": "capacity",
        }
    )
    say(d, "err_429")
    d.decoys(avoid=("limit",))
    d.expect(
        "none_of_five",
        {"node": "quota", "artifact": name, "after": after},
        notes="429s in busy hours from the lowered limit on, at the usual demand and without another workload.",
    )


def answers_capped(d: Draft) -> None:
    """The published limit on the length of an answer was cut: long answers end mid-sentence."""
    at = d.onset(least=80)
    name, after = f"{d.world.alias} max_output_tokens", str(one(d.rng, [256, 512, 1024]))
    d.options["onset"] = at
    d.effect("truncated", d.traffic.at >= at)
    d.events.append(
        {
            "at": rfc3339(at),
            "service": d.world.service,
            "surface": "limit",
            "artifact": name,
            "before": "4096",
            "after": after,
            "summary": "Published output limit changed",
            "source": "poller",
        }
    )
    say(d, "truncated")
    d.decoys(avoid=("limit",))
    d.expect(
        "none_of_five",
        {"node": "quota", "artifact": name, "after": after},
        notes="Answers are cut off from the lowered limit on; prompts and models are as before.",
    )


FAMILIES = (
    Family(
        "fallback_malformed",
        "C21",
        fallback_malformed,
        Wants(fallback=True, content=("full", "output")),
        pairs=("S4-09/S0-10",),
    ),
    Family(
        "morning_slow", "C20", morning_slow, Wants(days=(6, 25), content=("full", "output")), pairs=("S1-09/S0-10",)
    ),
    Family(
        "quota_window", "C23", quota_window, Wants(days=(10, 30), batch=False), pairs=("S3-08/S3-03", "S3-03/S2-01")
    ),
    Family("answers_capped", "C23", answers_capped),
    Family("quota_too_low", "C23", quota_too_low, Wants(batch=False), pairs=("S3-03/S2-01",)),
)
