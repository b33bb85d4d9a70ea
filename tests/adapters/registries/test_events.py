"""Change events and observations as others write them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triagebot.adapters.registries.events import parse_change_event, parse_observation, read_changes, read_journal
from triagebot.domain.change import Change, Observation
from triagebot.domain.journal import merge_changes
from triagebot.domain.people import Author
from triagebot.domain.times import parse_time
from triagebot.errors import BadInput

EVENT = {
    "at": "2026-11-03T01:58:00Z",
    "service": "support-agent",
    "surface": "prompt_version",
    "artifact": "support/system",
    "before": "v14",
    "after": "v17",
    "scope": {"region": "eu-west-1"},
    "author": {"name": "Maria", "email": "maria@example.com"},
    "reference": "https://git.example/1",
    "summary": "Shorten",
    "source": "ci",
    "ticket": {"id": 7},
}
SEEN = {
    "observed_at": "2026-11-03T01:58:00+01:00",
    "service": "support-agent",
    "surface": "tool_schemas",
    "artifact": "desk-mcp",
    "fingerprint": "sha256:1",
    "label": "1.4.2",
    "detail": {"tools": 3},
    "source": "mcp",
    "host": "a",
}


def test_an_event_as_in_the_contract() -> None:
    change = parse_change_event(EVENT)

    assert change.introduced.exact
    assert change.introduced.latest == parse_time("2026-11-03T01:58:00Z")
    assert change.author == Author(name="Maria", email="maria@example.com")
    assert (change.before, change.after, dict(change.scope)) == ("v14", "v17", {"region": "eu-west-1"})
    assert change.detail == {"ticket": {"id": 7}}
    assert change.as_json()["source"] == "ci"


def test_the_least_that_an_event_needs() -> None:
    change = parse_change_event({"at": "2026-11-03T01:58:00Z", "artifact": "desk"})
    assert (change.service, change.surface, change.before, change.after, change.source) == (
        "",
        "config",
        "",
        "",
        "event",
    )
    assert (
        parse_change_event({"at": "2026-11-03T01:58:00Z", "artifact": "desk"}, {"desk": "tool_schemas"}).surface
        == "tool_schemas"
    )


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ({"at": None}, "at: is missing"),
        ({"at": 1762135080}, "at: must be an RFC 3339 time"),
        ({"at": "2026-11-03T01:58:00"}, "at: '2026-11-03T01:58:00' has no time zone"),
        ({"at": "yesterday"}, "at: 'yesterday' is not an RFC 3339 time"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at: "),
        ({"artifact": ""}, "artifact: is missing"),
        ({"artifact": ["x"]}, "artifact: must be text"),
        ({"surface": "promt"}, 'surface: "promt" is not one of model_alias'),
        ({"scope": ["eu"]}, "scope: must be an object"),
        ({"scope": {"region": {}}}, "scope: must be an object"),
        ({"scope": {"region": [["eu"]]}}, "scope: must be an object of texts, or of lists of texts"),
        ({"author": 7}, "author: must be an object"),
        ({"author": {"name": []}}, "author.name: must be text"),
        ({"after": {}}, "after: must be text"),
    ],
)
def test_each_mistake_in_an_event_is_one_line(member: dict, said: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_change_event(EVENT | member)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_only_objects_are_events(value: object) -> None:
    with pytest.raises(BadInput, match="must be a JSON object"):
        parse_change_event(value)


@pytest.mark.parametrize(
    ("author", "read"),
    [
        ("Maria <maria@example.com>", Author(name="Maria", email="maria@example.com")),
        ("maria@example.com", Author(email="maria@example.com")),
        ("@maria", Author(name="@maria")),
        ({"name": "Maria", "email": None}, Author(name="Maria")),
        (None, Author()),
    ],
)
def test_authors_in_the_ways_people_write_them(author: object, read: Author) -> None:
    assert parse_change_event(EVENT | {"author": author}).author == read


def test_numbers_are_versions_too() -> None:
    change = parse_change_event(
        EVENT | {"before": 16, "after": 17.5, "scope": {"share": 0.1, "canary": True, "none": None}}
    )
    assert (change.before, change.after, dict(change.scope)) == ("16", "17.5", {"share": "0.1", "canary": "True"})


def test_members_that_the_domain_uses_itself_cannot_be_given() -> None:
    """A sender that says `merged` must not be taken for the outcome of a merge."""
    change = parse_change_event(EVENT | {"merged": "yes", "written": True})
    assert change.detail["event.merged"] == "yes"
    assert merge_changes([change, parse_change_event(EVENT | {"source": "webhook", "merged": [1]})])[0].after == "v17"


def test_files_are_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "changes.jsonl"
    file.write_bytes(
        b"\xef\xbb\xbf" + json.dumps(EVENT).encode() + b"\r\n\n" + json.dumps(EVENT | {"after": "v18"}).encode()
    )
    assert [c.after for c in read_changes(file)] == ["v17", "v18"]
    journal = tmp_path / "journal.jsonl"
    journal.write_text(json.dumps(SEEN) + "\n")
    (seen,) = read_journal(journal)
    assert seen.observed_at == parse_time("2026-11-03T00:58:00Z")
    assert seen.detail == {"tools": 3, "host": "a"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"at": "2026', "changes.jsonl line 3: is not JSON"),
        (b"\xff\xfe", "changes.jsonl line 3: is not JSON"),
        (b'{"at": NaN}', "changes.jsonl line 3: is not JSON"),
        (b"[" * 5000, "changes.jsonl line 3: is not JSON"),
        (b"[]", "changes.jsonl line 3: a change event must be a JSON object"),
        (b"{}", "changes.jsonl line 3: artifact: is missing"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    file = tmp_path / "changes.jsonl"
    file.write_bytes(json.dumps(EVENT).encode() + b"\n\n" + line + b"\n")
    with pytest.raises(BadInput) as error:
        read_changes(file)
    assert str(error.value).startswith(said)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^changes.jsonl: cannot be read: No such file"):
        read_changes(tmp_path / "changes.jsonl")


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ({"fingerprint": None, "label": ""}, "fingerprint: is missing"),
        ({"surface": None}, "surface: is missing"),
        ({"detail": []}, "detail: must be an object"),
        ({"observed_at": "2026-11-03"}, "observed_at: "),
    ],
)
def test_each_mistake_in_an_observation_is_one_line(member: dict, said: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_observation(SEEN | member)
    assert str(error.value).startswith(said)


def test_a_label_stands_in_for_a_fingerprint() -> None:
    assert parse_observation({k: v for k, v in SEEN.items() if k != "fingerprint"}).fingerprint == "1.4.2"


def test_what_is_written_is_read_again() -> None:
    seen = parse_observation(SEEN)
    assert parse_observation(seen.as_json()) == seen


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
members = st.dictionaries(st.sampled_from([*EVENT, *SEEN, "x"]), anything, max_size=6)


@settings(deadline=None)
@given(members)
def test_any_json_is_read_or_refused(given_members: dict) -> None:
    for base, parse, kind in ((EVENT, parse_change_event, Change), (SEEN, parse_observation, Observation)):
        with suppress(BadInput):
            assert isinstance(parse(base | given_members), kind)


def test_a_scope_of_several_values() -> None:
    change = parse_change_event(EVENT | {"scope": {"tenants": ["t-1", "t-2"], "region": [], "ring": [1, None]}})
    assert dict(change.scope) == {"tenants": "t-1, t-2", "ring": "1"}
