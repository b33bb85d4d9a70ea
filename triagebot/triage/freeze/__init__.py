"""Freezing: changes of a service's surfaces held, pinned, watched and given free again. See domain/freeze.py for the words."""

from triagebot.triage.freeze.desk import FreezeDesk
from triagebot.triage.freeze.gate import Answer, Gate
from triagebot.triage.freeze.parts import Parts
from triagebot.triage.freeze.plan import Wanted
from triagebot.triage.freeze.tell import FreezeTell
from triagebot.triage.freeze.work import FreezeWork

__all__ = ["Answer", "FreezeDesk", "FreezeTell", "FreezeWork", "Gate", "Parts", "Wanted"]
