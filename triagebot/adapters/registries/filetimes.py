"""When a file was written, by its name: the time of the file system does not survive a copy, a checkout or an archive."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_STAMP: Final = re.compile(
    r"""(?<!\d)(?P<date>\d{4}-?\d{2}-?\d{2})
        (?:[T_\ -]?(?P<time>\d{2}[-:.]?\d{2}(?:[-:.]?\d{2})?)(?P<fraction>[.,]\d{1,9})?
        (?P<zone>Z|[+-]\d{2}[-:]?\d{2})?)?(?!\d)""",
    re.VERBOSE,
)


def time_in_name(name: str) -> datetime | None:
    """The first date in a file's name: `20260909T220219Z`, `2026-09-09T02-54-15+00-00`, `2026-09-09`.

    Without a zone UTC is assumed, which is what the tools write that leave it out (promptfoo, lm_eval on servers).
    """
    for found in _STAMP.finditer(name):
        date = found["date"].replace("-", "")
        time = re.sub(r"\D", "", found["time"] or "").ljust(6, "0")
        zone = found["zone"] or "Z"
        zone = zone if zone == "Z" else zone[:3] + zone[-2:]
        fraction = (found["fraction"] or "")[1:7].ljust(6, "0")
        try:
            return datetime.strptime(f"{date}{time}{fraction}{zone}", "%Y%m%d%H%M%S%f%z").astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
