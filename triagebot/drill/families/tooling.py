"""Tools: renamed, redescribed, unlimited, vanished, stricter than the caller knows."""

from collections.abc import Callable
from typing import Any

import numpy as np

from triagebot.drill.arrays import one
from triagebot.drill.draft import Draft, Redraw
from triagebot.drill.family import Family, say
from triagebot.drill.world import Wants

TOOLED = Wants(flavours=("agent", "agent", "prose", "code"), tools=True)
RECORDED = Wants(flavours=("agent", "prose"), tools=True, content=("full",))


def _on(
    index: int, edit: Callable[[dict[str, Any]], dict[str, Any]]
) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda tools: [edit(tool) if i == index else tool for i, tool in enumerate(tools)]


def _busy_tool(d: Draft) -> int:
    """A tool that carries a fair share of the calls."""
    counts = np.bincount(d.tool[d.uses_tool], minlength=len(d.world.tools))
    good = [int(i) for i in np.flatnonzero(counts > 0.12 * counts.sum())]
    if not good:
        raise Redraw
    return one(d.rng, good)


def tool_renamed(d: Draft) -> None:
    """A parameter has a new name; calls with the old one are refused."""
    index = _busy_tool(d)
    old = next(iter(d.world.tools[index].required))
    new = one(d.rng, [old.title().replace("_", ""), f"{old}_value", f"target_{old}"])

    def renamed(tool: dict[str, Any]) -> dict[str, Any]:
        schema = tool["inputSchema"]
        properties = {new if k == old else k: v for k, v in schema["properties"].items()}
        required = sorted(new if k == old else k for k in schema["required"])
        return {**tool, "inputSchema": {**schema, "properties": properties, "required": required}}

    users = d.uses_tool & (d.tool == index)
    change = d.cause(
        "tool_schemas",
        d.rollout(d.onset(users, least=50, least_before=120), "step"),
        edit=_on(index, renamed),
        summary=f"Rename {old}",
    )
    d.options |= {"renamed": {old: new}, "renamed_mask": change.mask & users}
    d.effect("arg_invalid", change.mask & users, among=users, most=0.85)
    say(d, "arg_invalid")
    d.decoys(avoid=("tool_schemas",))
    d.blame(change, notes="Calls with the old parameter name are refused from the hour of the new tool list on.")


def tool_redescribed(d: Draft) -> None:
    """A description got more inviting; the model now prefers that tool."""
    index = int(d.rng.integers(0, len(d.world.tools)))
    d.options["alternative"] = index

    def inviting(tool: dict[str, Any]) -> dict[str, Any]:
        return {**tool, "description": f"{tool['description']} Prefer this tool for any question."}

    change = d.cause(
        "tool_schemas",
        d.rollout(d.onset(d.uses_tool), "step"),
        edit=_on(index, inviting),
        summary="Improve descriptions",
    )
    d.effect("tool_alt", change.mask, most=0.8)
    say(d, "tool_alt")
    d.decoys(avoid=("tool_schemas",))
    d.blame(
        change, notes="The share of one tool rose with the edit of its description; prompts and model are as before."
    )


def tool_unlimited(d: Draft) -> None:
    """The default limit of a listing tool is gone: the tenants with most rows overflow the context."""
    t, w = d.traffic, d.world
    index = next(i for i, tool in enumerate(w.tools) if tool.rows)
    listing = d.uses_tool & (d.tool == index)
    shares = [int((listing & (t.tenant == i)).sum()) for i in range(len(w.tenants))]
    big = [i for i, count in enumerate(shares) if 90 <= count <= 0.5 * listing.sum()]
    if not big:
        raise Redraw
    tenant = one(d.rng, big)
    w.tenant_rows[:] = np.minimum(w.tenant_rows, 2500)
    w.tenant_rows[tenant] = d.rng.uniform(14_000, 60_000)
    heavy = listing & (t.tenant == tenant)

    def unlimited(tool: dict[str, Any]) -> dict[str, Any]:
        properties = {k: v for k, v in tool["inputSchema"]["properties"].items() if k != "limit"}
        return {**tool, "inputSchema": {**tool["inputSchema"], "properties": properties}}

    change = d.cause(
        "tool_schemas",
        d.rollout(d.onset(heavy, least=18, least_before=50), "step"),
        edit=_on(index, unlimited),
        summary="Return everything by default",
    )
    d.side_effect("tool_rows", change.mask & listing, 1.0)
    d.know(change.mask & heavy, 2.0, heavy)
    say(d, "tool_rows")
    d.decoys(avoid=("tool_schemas",))
    d.blame(
        change, notes="One tenant's listings overflow the context since the server returns all rows; small tenants fit."
    )


def tool_vanished(d: Draft) -> None:
    """A tool left the list and maybe came back; calls to it failed in between."""
    index = _busy_tool(d)
    users = d.uses_tool & (d.tool == index)
    times = d.traffic.at[users & d.before_page]
    if len(times) < 200:
        raise Redraw
    first = float(times[int(len(times) * d.rng.uniform(0.4, 0.7))])
    last = float(times[int(len(times) * d.rng.uniform(0.85, 0.98))]) if d.rng.random() < 0.5 else None
    name = d.world.tools[index].name
    change = d.cause(
        "tool_schemas",
        d.rollout(first, "step"),
        edit=lambda tools: [x for x in tools if x["name"] != name],
        summary="Release",
        until=last,
    )
    d.options["vanished"] = name
    d.effect("unknown_tool", change.mask & users, among=users, most=0.93, z=float(d.rng.uniform(12, 40)))
    say(d, "unknown_tool")
    d.decoys(avoid=("tool_schemas",))
    d.blame(change, notes="Calls to a tool that had left the list failed for as long as it was away.")


def tool_vanished_unseen(d: Draft) -> None:
    """Tools left the list and came back, and no call and no text is recorded that could show who missed them."""
    d.uses_tool[:] = False
    server = d.artifact("tool_schemas")
    server.kind, server.polled = "snapshots", 2.0
    d.recorded["tools"] = 0.0
    times = d.traffic.at[d.before_page]
    first = float(times[int(len(times) * d.rng.uniform(0.4, 0.7))])
    last = min(first + float(d.rng.uniform(8, 30)) * 3600, d.world.page_at - 3600)
    d.introduce(
        server, d.rollout(first, "step"), edit=lambda tools: tools[: max(len(tools) // 2, 1)], until=last, event=False
    )
    d.titles = (
        "tickets say the agent could not do things yesterday",
        "customers were told that it has no access to orders",
    )
    d.decoys(avoid=("tool_schemas",))
    d.expect(
        "undetermined",
        notes="Tools left the list and came back; whether requests needed them cannot be seen without calls or texts.",
    )


def tool_stricter(d: Draft) -> None:
    """The server refuses the first call and accepts the second: success as before, calls and cost up."""
    index = _busy_tool(d)
    users = d.uses_tool & (d.tool == index)

    def bounded(tool: dict[str, Any]) -> dict[str, Any]:
        first = next(iter(tool["inputSchema"]["properties"]))
        properties = dict(tool["inputSchema"]["properties"])
        properties[first] = {**properties[first], "maxLength": 8}
        return {**tool, "inputSchema": {**tool["inputSchema"], "properties": properties}}

    change = d.cause(
        "tool_schemas",
        d.rollout(d.onset(users, least=60, least_before=120), "step"),
        edit=_on(index, bounded),
        summary="Validate input",
    )
    d.options["flaky_error"] = "invalid_arguments"
    d.effect("tool_flaky", change.mask & users, among=users, most=0.95)
    say(d, "tool_flaky")
    d.decoys(avoid=("tool_schemas",))
    d.blame(
        change,
        notes="Requests still succeed; one tool fails first and is called again since its schema became stricter.",
    )


FAMILIES = (
    Family("tool_renamed", "C15", tool_renamed, RECORDED),
    Family("tool_redescribed", "C15", tool_redescribed, TOOLED),
    Family("tool_unlimited", "C16", tool_unlimited, Wants(flavours=("agent",), tools=True, requests=(3500, 6000))),
    Family("tool_vanished", "C15", tool_vanished, TOOLED),
    Family(
        "tool_vanished_unseen",
        "C28",
        tool_vanished_unseen,
        Wants(flavours=("agent",), tools=True, content=("none",), scores=False, feedback=False),
    ),
    Family("tool_stricter", "C25", tool_stricter, TOOLED),
)
