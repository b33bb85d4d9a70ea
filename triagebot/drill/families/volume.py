"""How much there is, and how much of it is seen: traffic and telemetry."""

from triagebot.drill.arrays import one, rfc3339
from triagebot.drill.decoys import pull
from triagebot.drill.draft import Draft
from triagebot.drill.family import Family
from triagebot.drill.world import Wants


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
    Family("demand_grew", "C26", demand_grew, Wants(content=("full", "output"))),
    Family("noisy_tenant", "C26", noisy_tenant, Wants(content=("full", "output"))),
    Family("telemetry_lost", "C28", telemetry_lost, Wants(scores=True)),
    Family("sampling_cut", "C28", sampling_cut, Wants(content=("full", "output"))),
)
