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


# What may follow the one table, or a subquery that stands for it: never a comma and another table.
_AFTER: Final = re.compile(r"\s*(?:\)|WHERE\b|GROUP BY\b|LIMIT\b|$)", re.IGNORECASE)


def check(query: str, table: str) -> None:
    """Raises Refused where the query is not of the shape that `evidence_query` makes over `table`."""
    bare = _LITERAL.sub("''", query)
    if not bare.startswith("SELECT ") or ";" in bare or "--" in bare or "/*" in bare or "`" in bare:
        raise Refused("only evidence queries are run again: this is not one")
    if found := _FORBIDDEN.search(bare) or _WORDS.search(bare):
        raise Refused(f"only evidence queries are run again: this one uses {found[0][:60]}")
    for source in _SOURCE.finditer(bare):
        end = _closing(bare, source.end()) if source[1] == "(" else source.end()
        if source[1] not in ("(", table) or not _AFTER.match(bare, end):
            raise Refused(
                f"only evidence queries are run again: this one reads {bare[source.start(1) : end + 20][:60]}"
            )


def _closing(text: str, start: int) -> int:
    """Just past the parenthesis that closes the one before `start`; the end where none does."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if not depth:
            return position + 1
    return len(text)
