"""Invented incidents: a seeded generator of case folders for rehearsal and for the benchmark in the open.

Nothing that triages may import this package: it knows the answers.
"""
