"""The answer to a question in an incident's thread. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from triagebot.domain.incident import Incident
from triagebot.ports import Message
from triagebot.triage.messages.rendering import render
from triagebot.triage.messages.replay import spent_words


def answer_message(incident: Incident, answer: Mapping[str, Any]) -> Message:
    """Every line with the ids that it rests on; what the record does not hold is told so, with what was not found."""
    spent = ""
    if answer.get("calls"):
        spent = spent_words(
            answer.get("tokens"), answer.get("money"), str(answer.get("currency") or ""), calls=answer.get("calls")
        )
    values = {
        "incident": incident,
        "said": [{"text": s["text"], "cites": ", ".join(s["cites"])} for s in answer.get("said") or ()],
        "subject": str(answer.get("subject") or ""),
        "how": str(answer.get("how") or ""),
        "model": str(answer.get("model") or ""),
        "reason": str(answer.get("reason") or "").rstrip("."),
        "spent": spent,
    }
    return render("replies/answer", values)
