"""Prompts as templates, a folder a purpose: `system.j2` and `user.j2` under templates/prompts/.

Every value is escaped as XML text, so nothing in it can close the element that fences it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """`hash` names the templates' text, not what was filled in: the same prompt over other facts has the same hash."""

    system: str
    user: str
    hash: str


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("triagebot", "templates/prompts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def prompt(purpose: str, **values: Any) -> Prompt:
    environment = _environment()
    names = [f"{purpose}/{part}.j2" for part in ("system", "user")]
    system, user = (environment.get_template(name).render(**values) for name in names)
    return Prompt(system=system.strip(), user=user.strip(), hash=prompt_hash(purpose))


@cache
def prompt_hash(purpose: str) -> str:
    loader = _environment().loader
    assert loader is not None  # noqa: S101  # set where the environment is made
    digest = hashlib.sha256()
    for part in ("system", "user"):
        digest.update(loader.get_source(_environment(), f"{purpose}/{part}.j2")[0].encode() + b"\0")
    return f"sha256:{digest.hexdigest()[:16]}"
