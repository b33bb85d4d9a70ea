"""Every error that triagebot raises on purpose, each one clear line for a person.

TriagebotError
├── BadInput                 what arrived cannot be used: names file, line, field
│   ├── BadConfig            triagebot.yaml
│   ├── BadPage              a page's body
│   └── BadTrace             an OTLP payload
├── NotFound                 a name that nobody knows (service, incident, user)
├── Refused                  understood, and not allowed (signature, role, a draft without an owner)
│   ├── Forbidden            … to this person: names who may
│   └── LeaseLost            … because another worker has the work by now
├── SourceFailed             a registry, store or API that could not answer; `permanent` says whether to try again
│   ├── SourceTimeout        … in time
│   └── GatewayRefused       a model gateway that will refuse the same again: this request, this model, or everything
└── StoreBusy                another process owns the store
"""

from __future__ import annotations

from typing import Literal


class TriagebotError(Exception):
    """Root of the tree. `str(error)` is one line fit for a person."""


class BadInput(TriagebotError):
    """Something that arrived cannot be used. The message names what is wrong and where."""


class BadConfig(BadInput):
    """triagebot.yaml, with the place of the mistake (`services.support-agent.registries[2].path`)."""


class BadPage(BadInput):
    """A page whose body is not what its source sends."""


class BadTrace(BadInput):
    """An OTLP payload that cannot be decoded. `line` is 1-based where it came from a file, else None."""


class NotFound(TriagebotError):
    """A service, incident, node or user that is not known here."""


class Refused(TriagebotError):
    """Understood and not allowed. The message says what to do instead."""


class Forbidden(Refused):
    """Not allowed to this person. The message says who may."""


class LeaseLost(Refused):
    """Another worker has this work by now: whoever hears it stops, and writes nothing more."""


class SourceFailed(TriagebotError):
    """A registry, a trace store or an API could not answer.

    `permanent` is True where trying again cannot help (a revoked token, a repository that is gone).
    `retry_after` is the number of seconds that the source asked for, where it did.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class SourceTimeout(SourceFailed):
    """A source that did not answer within its deadline."""


class GatewayRefused(SourceFailed):
    """A model gateway that refused for good. `reach` is what else it will refuse: `request` (nothing), `model`, `everything`."""

    def __init__(self, message: str, *, reach: Literal["request", "model", "everything"]) -> None:
        super().__init__(message, permanent=True)
        self.reach = reach


class StoreBusy(TriagebotError):
    """The embedded store is owned by another process; ask the running server instead."""
