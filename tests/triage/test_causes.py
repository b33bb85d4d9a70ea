import asyncio
from types import SimpleNamespace

import pytest

from tests.triage.decisions import suspect
from triagebot.domain.people import Ownership
from triagebot.surfaces.contract import Snapshot
from triagebot.triage.causes import changed_cause


class Owners:
    def __init__(self):
        self.asked = []

    async def resolve(self, service, surface, artifact, claims, author):
        self.asked.append((surface, artifact, claims))
        return Ownership(owner=None, gap="nobody")


@pytest.mark.parametrize(
    ("detail", "asked"),
    [
        ({}, ("limit", "nightly", ("of the limit",))),
        ({"neighbour": "eval", "owned_as": "job"}, ("job", "nightly", ("of the job",))),
    ],
)
def test_who_owns_a_job_that_took_anothers_share_is_asked_as_a_jobs_owner(detail, asked):
    owners = Owners()
    snapshots = {
        "quota": Snapshot(node="quota", claims={"nightly": ("of the limit",)}),
        "application": Snapshot(node="application", claims={"nightly": ("of the job",)}),
    }
    told = suspect("quota", "limit", "nightly", detail=detail)
    cause = asyncio.run(changed_cause(told, 0.9, (), snapshots, None, SimpleNamespace(owners=owners)))
    assert owners.asked == [asked]
    assert cause.node == "quota"
