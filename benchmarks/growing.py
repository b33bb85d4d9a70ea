"""A store grown to many times its spans inside the engine: every copy of a trace has an id, and so a level, of its own."""

from __future__ import annotations

from triagebot.adapters.traces import schema
from triagebot.adapters.traces.store import ChdbStore

FRESH = "lower(concat(hex(cityHash64(TraceId, n)), hex(sipHash64(TraceId, n))))"
AT_ONCE = 25  # copies a statement


async def grow(store: ChdbStore, copies: int, *, spread_seconds: int = 0) -> None:
    """Adds `copies` of every span in the store, each trace moved by up to `spread_seconds`."""
    await store.execute("CREATE DATABASE grow ENGINE = Memory")
    await store.execute(f"CREATE TABLE grow.seed ENGINE = Memory AS SELECT * FROM triagebot.{schema.TABLE}")
    found = await store.ask(
        f"SELECT name FROM system.columns WHERE database = 'triagebot' AND table = '{schema.TABLE}' ORDER BY position",
        {},
    )
    columns = [f"`{name}`" for name in found.column("name").to_pylist()]
    fresh = {"`TraceId`": FRESH, "`level`": schema.LEVEL.replace("TraceId", FRESH)}
    if spread_seconds:
        fresh["`Timestamp`"] = f"Timestamp + toIntervalSecond(cityHash64(TraceId, n) % {spread_seconds})"
    values = ", ".join(fresh.get(name, name) for name in columns)
    for first in range(0, copies, AT_ONCE):
        await store.execute(
            f"INSERT INTO triagebot.{schema.TABLE} ({', '.join(columns)}) SELECT {values} FROM grow.seed "
            f"ARRAY JOIN range({first}, {min(first + AT_ONCE, copies)}) AS n SETTINGS max_block_size = 2000"
        )
    await store.execute("DROP DATABASE grow")
