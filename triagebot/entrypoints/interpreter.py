"""How Python is set where a process does nothing but serve."""

from __future__ import annotations

import gc
import sys
from typing import Final

# Seconds that a walk computes on before the event loop has its turn. An answer in Slack takes some twenty turns: at Python's
# usual 5 ms each, people would wait a tenth of a second for nothing.
SWITCH: Final = 0.0005

# Objects that come together before the collector looks for circles among them. A page that waits for its disk write keeps about
# fifty, and a thousand may wait for one (adapters/db/writer.py): at Python's usual 700, each storm is walked through again and
# again, for a quarter of all that its pages cost, and what they leave is freed without any of that.
YOUNG: Final = 50_000


def settle() -> None:
    """To be called once, when all is loaded: the collector leaves alone what is there now, since it stays to the end."""
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
