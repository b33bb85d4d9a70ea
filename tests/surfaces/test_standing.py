from datetime import timedelta

import pytest

from tests.fakes.walks import AS_OF, observation
from triagebot.domain.times import format_time
from triagebot.surfaces.standing import stopped

HOUR = timedelta(hours=1)


def look(hours_ago, success_hours_ago, **more):
    detail = {"last_success": format_time(AS_OF - success_hours_ago * HOUR)} | more.pop("detail", {})
    at = AS_OF - hours_ago * HOUR
    return observation("job", **{"artifact": "warm-cache", "observed_at": at, "label": "ok", "detail": detail} | more)


def test_a_job_that_no_longer_succeeds_stopped_when_its_next_success_was_due():
    looks = [look(h, h) for h in (30, 29, 28, 27)] + [look(h, 27) for h in (20, 10, 1)]
    change = stopped(looks)[0]
    assert (change.surface, change.artifact, change.detail["stopped"]) == ("job", "warm-cache", True)
    assert change.introduced.earliest == AS_OF - 27 * HOUR
    assert change.introduced.latest == AS_OF - 26 * HOUR


def test_a_job_that_keeps_succeeding_did_not_stop():
    assert stopped([look(h, h) for h in range(30, 0, -1)]) == []


def test_one_late_run_is_none_missed():
    assert stopped([look(h, h) for h in (30, 29, 28, 27)] + [look(25, 27)]) == []


def built(days, still, surface="retrieval_corpus"):
    """Versions that came on these days before the page, two looks a day, and then none for the days that are `still`."""
    looks = []
    for day in range(max(days), -1, -1):
        version = max([d for d in days if d >= day], default=0, key=lambda d: -d) if day >= still else min(days)
        looks += [
            observation(surface, "kb", label="ok", fingerprint=f"v{version}", observed_at=AS_OF - (24 * day + h) * HOUR)
            for h in (8, 2)
        ]
    return looks


@pytest.mark.parametrize(
    ("days", "still", "surface", "stops"),
    [
        (range(10, 19), 10, "retrieval_corpus", True),
        (range(1, 10), 1, "retrieval_corpus", False),
        ((10, 11, 13, 17, 18, 19), 10, "retrieval_corpus", False),
        (range(10, 14), 10, "retrieval_corpus", False),
        (range(10, 19), 10, "prompt_version", False),
    ],
)
def test_an_index_that_had_a_new_version_each_day_and_has_none_any_more_stopped(days, still, surface, stops):
    found = stopped(built(list(days), still, surface))
    assert bool(found) is stops
    if found:
        assert found[0].introduced.latest - found[0].introduced.earliest == 24 * HOUR
        assert found[0].introduced.earliest == AS_OF - (24 * 10 + 8) * HOUR


@pytest.mark.parametrize(
    "fingerprints",
    [["a", "b"] * 8 + ["b"] * 30, [f"v{k}" for k in range(9)] + ["v8"] * 40],
)
def test_versions_that_come_back_and_a_load_that_was_finished_are_no_schedule(fingerprints):
    """Every half hour a look: two replicas that answer in turn, a collection that is filled once."""
    start = AS_OF - len(fingerprints) * HOUR / 2
    looks = [
        observation("retrieval_corpus", "kb", label="ok", fingerprint=f, observed_at=start + k * HOUR / 2)
        for k, f in enumerate(fingerprints)
    ]
    assert stopped(looks) == []


def test_a_job_that_began_again_did_not_stop():
    looks = [look(h, h) for h in (30, 29, 28)] + [look(10, 28), look(1, 1)]
    assert stopped(looks) == []


def test_what_is_declared_counts_before_what_was_seen():
    detail = {"every_seconds": 86400}
    assert stopped([look(1, 48, detail=detail)]) == []
    assert len(stopped([look(1, 100, detail=detail)])) == 1


def test_two_successes_tell_of_no_rhythm():
    assert stopped([look(90, 90), look(80, 80), look(1, 80)]) == []


@pytest.mark.parametrize("told", [None, 7, "yesterday", "", ["2026-01-01T00:00:00Z"]])
def test_what_cannot_be_read_as_a_time_stops_nothing(told):
    looks = [observation("job", "j", at / 10, detail={"last_success": told}) for at in range(9)]
    assert stopped(looks) == []


def test_each_thing_is_looked_at_by_itself_whatever_the_order():
    broken = [look(h, h) for h in (30, 29, 28)] + [look(1, 28)]
    fine = [look(h, h, artifact="other") for h in (30, 29, 28, 1)]
    both = [one for pair in zip(broken, fine, strict=True) for one in pair]
    assert [c.artifact for c in stopped(both[::-1])] == ["warm-cache"]
    assert stopped([]) == []
