"""What the local Slack answers instead of a result, and what it refuses to do for a person."""

from typing import Any

from triagebot.errors import TriagebotError


class SlackError(TriagebotError):
    """An `ok: false` answer: Slack's own error code, the explanations Slack puts beside it, and the HTTP status."""

    def __init__(
        self, code: str, *explanations: str, status: int = 200, retry_after: int | None = None, **more: Any
    ) -> None:
        super().__init__(code if not explanations else f"{code}: {'; '.join(explanations)}")
        self.code = code
        self.explanations = explanations
        self.status = status
        self.retry_after = retry_after
        self.more = more

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error": self.code, **self.more}
        if self.explanations:
            body["errors"] = list(self.explanations)
            body["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in self.explanations]}
        return body


class CannotActError(TriagebotError):
    """A person asked for what Slack's own client would not let them do.

    Such as clicking a button that is not there, submitting an empty required field, or acting while deactivated.
    """
