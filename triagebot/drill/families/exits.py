"""Outside the five surfaces: provider, quota, application, traffic, telemetry."""

import numpy as np

from triagebot.drill.arrays import DAY, HOUR, MINUTE, chance, one, rfc3339
from triagebot.drill.decoys import pull
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say
from triagebot.drill.records import polled_times
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


def client_ignores_429(d: Draft) -> None:
    """A release of our client believes the body and not the status: it hammers a throttled provider."""
    at = d.onset(least=60, most=0.4)
    change = d.cause(
        "code",
        d.rollout(at, one(d.rng, ["step", "region_ramp", "one_region"])),
        summary="Merge default envelope into responses",
    )
    d.effect("conflict", change.mask, most=0.3)
    say(d, "conflict")
    d.decoys(avoid=("code",))
    d.blame(
        change,
        notes="Status 429 with a body that says ok, and the next call 180 ms later, only where the new release runs.",
    )


def retry_storm(d: Draft) -> None:
    """Two layers retry: the same provider errors as ever now cost three times the calls."""
    d.side_effect("err_5xx", d.everyone(), float(d.rng.uniform(1.8, 2.4)))
    failing = draw(d, "err_5xx") | draw(d, "timeout")
    at = d.onset(failing, least=30, least_before=50)
    change = d.cause(
        "code", d.rollout(at, one(d.rng, ["step", "region_ramp"])), summary="Wrap the SDK in our own retry"
    )
    d.effect("retry_more", change.mask & failing, among=failing, most=0.99, z=float(d.rng.uniform(12, 40)))
    d.side_effect("retry_more", change.mask & ~failing, 5.0)
    say(d, "retry_more")
    d.decoys(avoid=("code",))
    d.blame(
        change, notes="Provider errors are as frequent as before; calls per failing request tripled with the release."
    )


def partial_streams(d: Draft) -> None:
    """A proxy closes long streams; half answers are stored as whole ones."""
    w, t = d.world, d.traffic
    where, scope = (d.slice("region", least=0.2, most=0.8)) if chance(d.rng, 0.4) else (d.everyone(), {})
    at = d.onset(where)
    d.options["onset"] = at
    d.effect("abort", where & (t.at >= at), among=where, most=0.5)
    name, after = "edge-proxy idle_timeout", f"{int(d.rng.integers(5, 20))}s"
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "config",
            "artifact": name,
            "before": "60s",
            "after": after,
            **({"scope": scope} if scope else {}),
            "author": d.person(),
            "reference": pull(d),
            "summary": "Tighten idle timeouts",
            "source": "ci",
        }
    )
    say(d, "abort")
    d.decoys(avoid=("config",))
    d.expect(
        "none_of_five",
        {"node": "application", "artifact": name, "after": after},
        notes="Answers end without a finish reason since the proxy's timeout; model, prompt and tools are as before.",
    )


def warmup_stopped(d: Draft) -> None:
    """A blue/green switch orphaned the job that kept the cache warm: the share decays over a day and a half."""
    t, w = d.traffic, d.world
    at = d.onset(least=int(0.12 * d.n), most=0.6)
    hours = np.maximum(t.at - at, 0) / HOUR
    fall = float(d.rng.uniform(2.4, 4.0)) * (1 - np.exp(-hours / float(d.rng.uniform(9, 16))))
    d.side_effect("cache", d.everyone(), fall * -1.0)
    d.know(t.at >= at + 8 * HOUR, 0.5)
    d.options["onset"] = at
    for when in polled_times(d.rng, w.start, w.end, 6.0):
        last = min(when - float(d.rng.uniform(1, 5)) * MINUTE, at)
        d.observations.append(
            {
                "observed_at": rfc3339(when),
                "service": w.service,
                "surface": "job",
                "artifact": "prompt-cache-warmup",
                "fingerprint": "schedule:*/5@blue",
                "label": "*/5 * * * *",
                "detail": {"last_success": rfc3339(last), "every_seconds": 300, "host": "blue"},
                "source": "scheduler",
            }
        )
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "config",
            "artifact": "live colour",
            "before": "blue",
            "after": "green",
            "author": d.person(),
            "reference": pull(d),
            "summary": "Switch traffic to green",
            "source": "ci",
        }
    )
    say(d, "cache")
    d.decoys(avoid=("config",), latest=True)
    d.expect(
        "none_of_five",
        {"node": "application"},
        notes="The cached share decays after the last run of the warm-up job; token counts of the same prompts are constant.",
    )


def demand_grew(d: Draft) -> None:
    """A campaign: twice the requests, each as ever."""
    t = d.traffic
    at = d.onset(least=300, most=0.6)
    d.thin((t.at >= at) | (d.rng.random(d.n) < d.rng.uniform(0.35, 0.5)))
    d.options["onset"] = at
    d.titles = ("spend 2x against forecast", "daily cost above band", "burn rate alert")
    d.know(d.traffic.at >= at, 0.3)
    d.decoys()
    d.expect(
        "none_of_five",
        {"node": "traffic"},
        notes="Requests doubled; calls, tokens, cache and price per request did not move.",
    )


def noisy_tenant(d: Draft) -> None:
    """One tenant sends several times as much as before."""
    t = d.traffic
    where, _ = d.slice("tenant", least=0.12, most=0.4)
    at = d.onset(least=300, most=0.6)
    d.thin(~where | (t.at >= at) | (d.rng.random(d.n) < d.rng.uniform(0.05, 0.15)))
    d.options["onset"] = at
    d.titles = ("spend anomaly", "daily token budget exceeded", "cost per day up by half")
    d.know(d.traffic.at >= at, 0.3)
    d.decoys()
    d.expect(
        "none_of_five", {"node": "traffic"}, notes="One tenant's requests multiplied; every request costs what it did."
    )


def telemetry_lost(d: Draft) -> None:
    """An update of the instrumentation drops usage and scores: the dashboards fall, the product does not."""
    _t, w = d.traffic, d.world
    at = d.onset(least=200)
    rollout = d.rollout(at, one(d.rng, ["step", "region_ramp", "share_ramp"]))
    d.options |= {
        "lost": rollout.mask & (d.rng.random(d.n) < d.rng.uniform(0.6, 1.0)),
        "sdk_updated": rollout.mask,
        "lost_attributes": ("usage", "scores", "model", "prompt"),
        "onset": at,
    }
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "config",
            "artifact": "telemetry instrumentation",
            "summary": "Update the instrumentation package",
            "author": d.person(),
            "reference": pull(d),
            "source": "ci",
        }
    )
    d.titles = ("token usage fell by half overnight", "quality score has too few samples", "model dashboard empty")
    d.know(rollout.mask, 0.5)
    d.decoys(avoid=("config",))
    d.expect(
        "none_of_five",
        {"node": "telemetry"},
        notes="Attributes vanish with the new instrumentation; lengths, times and errors that remain are as before.",
    )


def sampling_cut(d: Draft) -> None:
    """The collector keeps a third of the traces: volume falls, nothing else."""
    t, w = d.traffic, d.world
    at = d.onset(least=300)
    share = float(d.rng.uniform(0.25, 0.5))
    after = t.at >= at
    d.options |= {"sampled_out": after & (d.rng.random(d.n) > share), "onset": at}
    d.events.append(
        {
            "at": rfc3339(at),
            "service": w.service,
            "surface": "config",
            "artifact": "otel-collector tail_sampling",
            "before": "100%",
            "after": f"{round(share * 100)}%",
            "author": d.person(),
            "reference": pull(d),
            "summary": "Cut trace costs",
            "source": "ci",
        }
    )
    d.titles = ("request volume down by two thirds", "traffic dropped, outage?", "fewer conversations than yesterday")
    d.know(after, 0.3)
    d.decoys(avoid=("config",))
    d.expect(
        "none_of_five",
        {"node": "telemetry"},
        notes="Volume fell to the share that the collector now keeps; conversations lack turns, rates did not move.",
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
    Family("quota_too_low", "C23", quota_too_low, Wants(batch=False), pairs=("S3-03/S2-01",)),
    Family("client_ignores_429", "C24", client_ignores_429, Wants(content=("full", "output"))),
    Family("retry_storm", "C25", retry_storm),
    Family("partial_streams", "C22", partial_streams, pairs=("S3-04/S1-12",)),
    Family("warmup_stopped", "C27", warmup_stopped, Wants(cache=True, days=(6, 30)), pairs=("S3-06/S3-02",)),
    Family("demand_grew", "C26", demand_grew, Wants(content=("full", "output"))),
    Family("noisy_tenant", "C26", noisy_tenant, Wants(content=("full", "output"))),
    Family("telemetry_lost", "C28", telemetry_lost, Wants(scores=True)),
    Family("sampling_cut", "C28", sampling_cut, Wants(content=("full", "output"))),
)
