"""Sources that fail, hang or lie leave a reason behind; what they would have said of owners is not taken for silence."""

from __future__ import annotations

from tests.fakes.walks import AS_OF, FakeRegistry, change, observation, sources
from triagebot.domain.people import Author, Claim
from triagebot.domain.service import Config, Directory, Service
from triagebot.domain.times import Window
from triagebot.errors import SourceFailed
from triagebot.surfaces.application import NODE as APPLICATION
from triagebot.surfaces.collecting import collect_changes
from triagebot.surfaces.contract import Scope
from triagebot.surfaces.telemetry import NODE as TELEMETRY
from triagebot.triage.owners import OwnerDesk

SERVICE = Service(name="support-agent", slack_channel="#s")


async def collected(*registries, **more):
    scope = Scope(service=SERVICE, as_of=AS_OF, window=Window(AS_OF - SERVICE.look_back, AS_OF))
    return await collect_changes("prompt_version", ("prompt_version",), sources(*registries, **more), scope)


class Mute(FakeRegistry):
    """Knows its history and cannot say who owns it."""

    async def claims(self):
        raise SourceFailed("CODEOWNERS cannot be read")


class Liar(FakeRegistry):
    async def history(self, window):
        return ["v17"]


async def test_claims_that_cannot_be_heard_leave_the_changes_and_a_reason():
    snapshot = await collected(Mute("prompt_version", changes=(change(),)))
    assert len(snapshot.changes) == 1
    assert snapshot.problems == ()
    reason = "fake registry of support/system: CODEOWNERS cannot be read"
    assert {claim.unheard for claim in snapshot.claims["support/system"]} == {reason}

    desk = OwnerDesk(config=Config(root=AS_OF, organisation="", services={}, directory=Directory()))
    claims = (*snapshot.claims["support/system"], Claim(source="backstage", who="ada@acme.example", where="catalog"))
    found = await desk.resolve(SERVICE, "prompt_version", "support/system", claims, Author())
    assert found.owner is None
    assert f"CODEOWNERS could not be asked ({reason})" in (found.gap or "")


async def test_a_registry_that_is_gone_is_a_problem_and_its_owner_is_not_guessed():
    snapshot = await collected(FakeRegistry("prompt_version", fails=SourceFailed("no repository at prompts")))
    assert snapshot.problems == ("fake registry of support/system: no repository at prompts",)
    assert {claim.source for claim in snapshot.claims["support/system"]} == {"codeowners", "registry"}


async def test_a_registry_that_hangs_is_a_problem():
    snapshot = await collected(FakeRegistry("prompt_version", hangs=True), deadline=0.01)
    assert snapshot.problems == ("fake registry of support/system: no answer within 0.01 s",)


async def test_a_registry_that_lies_is_a_problem_and_the_others_are_heard():
    snapshot = await collected(
        Liar("prompt_version"), FakeRegistry("prompt_version", "other", changes=(change(artifact="other"),))
    )
    assert [c.artifact for c in snapshot.changes] == ["other"]
    assert "answered with something that is no list of changes" in snapshot.problems[0]


async def test_observations_of_other_surfaces_and_of_traces_are_no_changes_here():
    seen = [
        observation(fingerprint="sha256:a", at=0.1),
        observation(fingerprint="sha256:b", at=0.2),
        observation(surface="tool_schemas", fingerprint="sha256:c", at=0.1),
        observation(fingerprint="x", at=0.3, source="traces"),
    ]
    snapshot = await collected(observations=seen)
    assert [(c.surface, len(c.fingerprints)) for c in snapshot.changes] == [("prompt_version", 2)]


async def test_silence_of_what_only_knows_the_present_is_no_innocence():
    polled = FakeRegistry("prompt_version", remembers=False)
    assert (await collected(polled)).unwatched == (
        "fake registry of support/system: never seen, so that nothing is known of its changes",
    )
    assert (await collected(polled, observations=[observation(at=0.2)])).unwatched == (
        "fake registry of support/system: not seen for 3 d 4 h",
    )
    assert (await collected(polled, observations=[observation(at=0.9)])).unwatched == ()
    assert (await collected(FakeRegistry("prompt_version"))).unwatched == ()
    traced = observation(at=0.9, source="traces")
    assert len((await collected(polled, observations=[traced])).unwatched) == 1


async def test_what_sets_how_is_recorded_is_telemetrys_under_whatever_name_it_is_told():
    told = [change("config", "telemetry instrumentation"), change("config", "autoscaling"), change("code", "otel-demo")]
    scope = Scope(service=SERVICE, as_of=AS_OF, window=Window(AS_OF - SERVICE.look_back, AS_OF))
    heard = {}
    for node in (TELEMETRY, APPLICATION):
        snapshot = await node.collect(sources(changes=told), scope)
        heard[node.name] = {c.artifact for c in snapshot.changes}
    assert heard == {"telemetry": {"telemetry instrumentation"}, "application": {"autoscaling", "otel-demo"}}
