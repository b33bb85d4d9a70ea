"""What a person's act brought about: whether the app acknowledged it, with what, and how fast."""

from dataclasses import dataclass, field
from typing import Any, Literal

EnvelopeType = Literal["events_api", "slash_commands", "interactive"]


@dataclass
class Delivery:
    """`error` is what Slack shows the person: operation_timeout after three seconds, dispatch_failed where the app
    could not be reached or did not answer 200. `latency` in seconds, by a monotonic clock.
    """

    kind: EnvelopeType
    payload: dict[str, Any]
    acked: bool = False
    status: int | None = None
    body: Any = None
    latency: float = 0.0
    error: str | None = None
    by: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def errors(self) -> dict[str, str]:
        """A submission's messages by block_id, empty where the app accepted it."""
        if isinstance(self.body, dict) and self.body.get("response_action") == "errors":
            return dict(self.body["errors"])
        return {}
