"""Our own software around the model: client, retries, streams, jobs."""

import numpy as np

from triagebot.drill.arrays import HOUR, MINUTE, chance, one, rfc3339
from triagebot.drill.decoys import pull
from triagebot.drill.draft import Draft
from triagebot.drill.family import Family, say
from triagebot.drill.records import polled_times
from triagebot.drill.requests import draw
from triagebot.drill.world import Wants


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


FAMILIES = (
    Family("client_ignores_429", "C24", client_ignores_429, Wants(content=("full", "output"))),
    Family("retry_storm", "C25", retry_storm),
    Family("partial_streams", "C22", partial_streams, pairs=("S3-04/S1-12",)),
    Family("warmup_stopped", "C27", warmup_stopped, Wants(cache=True, days=(6, 30)), pairs=("S3-06/S3-02",)),
)
