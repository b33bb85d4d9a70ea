"""Case folders made by the drill, and walks of them."""

import asyncio
from contextlib import AsyncExitStack

from triagebot.bootstrap import open_case
from triagebot.drill.make import make_case
from triagebot.triage.init import write_from_world


def make(family, seed, folder, *, requests=1500):
    """A case folder with its configuration, as `triagebot drill` and `triagebot init` leave it."""
    path = make_case(family, seed, folder / f"{family}-{seed}", requests=requests)
    write_from_world(path)
    return path


def walked(path, until=None):
    """The verdict of a folder, as JSON."""

    async def walk():
        async with AsyncExitStack() as stack:
            case = await open_case(path, stack)
            return (await case.walk(until)).as_json()

    return asyncio.run(walk())
