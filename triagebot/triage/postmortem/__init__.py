"""The postmortem of an incident: drafted from the record, edited and reviewed by people, published by a person."""

from triagebot.triage.postmortem.compose import compose
from triagebot.triage.postmortem.lifecycle import draft, edit, files, obstacles, publish, review
from triagebot.triage.postmortem.root_cause import complaint

__all__ = ["complaint", "compose", "draft", "edit", "files", "obstacles", "publish", "review"]
