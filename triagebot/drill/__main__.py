"""`python -m triagebot.drill OUT --seeds 0:3 [--families a,b] [--requests N]`: write case folders OUT/<family>-<seed>/."""

import argparse
import sys
from pathlib import Path

from triagebot.drill.make import list_families, make_case
from triagebot.errors import TriagebotError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m triagebot.drill", description="Write invented incidents as case folders."
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0:1", help="FIRST:LAST, LAST not included")
    parser.add_argument("--families", default="", help="comma-separated names; all where not given")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--list", action="store_true", help="print families and stop")
    given = parser.parse_args(arguments)
    if given.list:
        for family in list_families():
            sys.stdout.write(f"{family.name}\t{family.capability}\t{', '.join(family.pairs)}\n")
        return 0
    first, _, last = given.seeds.partition(":")
    chosen = given.families.split(",") if given.families else [f.name for f in list_families()]
    try:
        for name in chosen:
            for seed in range(int(first), int(last or int(first) + 1)):
                sys.stderr.write(f"{make_case(name, seed, given.out / f'{name}-{seed}', requests=given.requests)}\n")
    except (TriagebotError, ValueError) as error:
        sys.stderr.write(f"drill: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
