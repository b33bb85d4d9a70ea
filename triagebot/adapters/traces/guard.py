"""What `run` lets through: one SELECT over our own table and subqueries of it, and nothing that reaches outside."""

from __future__ import annotations

import re
from typing import Final

from triagebot.errors import Refused

_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.)*'")
_SOURCE: Final = re.compile(r"\b(?:FROM|JOIN)\s+(\(|[A-Za-z_][\w.]*)", re.IGNORECASE)
# `file` reads a file even as an ordinary function; the others wait, look at other tables or tell about the machine.
_FORBIDDEN: Final = re.compile(
    r"\b(?:file|url|s3\w*|remote\w*|cluster\w*|input|executable|postgresql|mysql|sqlite|mongodb|redis|hdfs|odbc|jdbc|merge|"
    r"azure\w*|delta\w*|iceberg\w*|hudi|python|dictGet\w*|joinGet\w*|sleep\w*|getSetting\w*|hostName|fqdn|getMacro|"
    r"getServerPort|catboost\w*|evalMLMethod|showCertificate|filesystem\w*)\s*\(",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(
    r"\b(?:INSERT|ALTER|CREATE|DROP|ATTACH|DETACH|SYSTEM|SET|SETTINGS|INTO|OUTFILE|FORMAT|GRANT|KILL|OPTIMIZE|TRUNCATE|UNION)\b",
    re.IGNORECASE,
)


def check(query: str, table: str) -> None:
    """Raises Refused where the query is not of the shape that `evidence_query` makes over `table`."""
    bare = _LITERAL.sub("''", query)
    if not bare.startswith("SELECT ") or ";" in bare or "--" in bare or "/*" in bare or "`" in bare:
        raise Refused("only evidence queries are run again: this is not one")
    for source in _SOURCE.findall(bare):
        if source not in ("(", table):
            raise Refused(f"only evidence queries are run again: this one reads {source[:60]}")
    if found := _FORBIDDEN.search(bare) or _WORDS.search(bare):
        raise Refused(f"only evidence queries are run again: this one uses {found[0][:60]}")
