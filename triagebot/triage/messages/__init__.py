"""What people read in the chat: pure functions from stored records to messages."""

from triagebot.triage.messages.incident import (
    details_message,
    evidence_message,
    misplaced_message,
    picture_alt,
    unconfigured_message,
    verdict_message,
    walking_message,
)

__all__ = [
    "details_message",
    "evidence_message",
    "misplaced_message",
    "picture_alt",
    "unconfigured_message",
    "verdict_message",
    "walking_message",
]
