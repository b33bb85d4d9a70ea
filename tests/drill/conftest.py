"""Case folders are made once a session and shared: they are read, never written to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drill import reading
from triagebot.drill.draft import Draft
from triagebot.drill.make import draft_case, write_case
from triagebot.errors import BadInput

SEED = 5


class Made:
    """One family's folder, its draft, and what a stranger reads from it."""

    def __init__(self, family: str, out: Path) -> None:
        for requests in (600, 1500, 3000, 5000):
            try:
                self.draft: Draft = draft_case(family, SEED, requests=requests)
            except BadInput:
                continue
            break
        self.path = write_case(self.draft, out)
        self.spans = reading.spans_of(out)
        self.rows = reading.measure(self.spans, {truth.knob for truth in self.draft.truths})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    kept: dict[str, Made] = {}
    root = tmp_path_factory.mktemp("drill")

    def get(family: str) -> Made:
        if family not in kept:
            kept[family] = Made(family, root / family)
        return kept[family]

    return get
