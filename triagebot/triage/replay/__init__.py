"""Replay: failing requests are sent again as they were and with one surface swapped, to see which swap takes the symptom away."""
