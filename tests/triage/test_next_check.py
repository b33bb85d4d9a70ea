import pytest

from tests.fakes.walks import change, explanation, moved, spread, table, weighed
from triagebot.domain.evidence import Finding
from triagebot.domain.nodes import EXITS, NODES
from triagebot.surfaces.contract import Implied, Suspect
from triagebot.triage.decide import Decision
from triagebot.triage.nextcheck import next_check
from triagebot.triage.read import Reading

N = 60
TABLE = table(spread(N))


def suspect(node="prompt_version", artifact="support/system"):
    told = change(node, artifact)
    return Suspect(key=told.key, node=node, change=told, served=True, requests=9)


def reading(node, artifact="x", *, implied=False):
    why = explanation(moved("refusal", N))
    if implied:
        return Reading(
            0, why, None, Implied(node=node, artifact=artifact, explanation=0, reason="r", confidence=0.9, strength=1)
        )
    return Reading(0, why, suspect(node, artifact))


def findings(*unknown):
    return [Finding(node=n, status="unknown" if n in unknown else "clear", reason="r") for n in NODES]


def told(decision, *unknown, suspects=()):
    line = next_check(decision, findings(*unknown), weighed(TABLE, suspects=suspects))
    assert line.endswith(".")
    assert "\n" not in line
    return line


@pytest.mark.parametrize("implied", [False, True])
def test_a_named_change_is_swapped_back(implied):
    decision = Decision("implicated", (reading("tool_schemas", "orders-mcp", implied=implied),), {}, "")
    assert "orders-mcp" in told(decision)


def test_a_ruler_that_moved_needs_no_replay():
    decision = Decision("implicated", (), {}, "", ruler=(suspect("eval_freshness", "nightly"), None))
    assert "replay" not in told(decision).lower()


@pytest.mark.parametrize("node", EXITS)
def test_each_exit_has_a_next_step(node):
    assert told(Decision("none_of_five", (reading(node, implied=True),), {}, ""))


def test_no_two_exits_have_the_same():
    lines = {told(Decision("none_of_five", (reading(node, implied=True),), {}, "")) for node in EXITS}
    assert len(lines) == len(EXITS)


def test_nothing_moved_and_a_mix_that_did():
    assert "moved" in told(Decision("none_of_five", (), {}, ""))
    assert "mix" in told(Decision("none_of_five", (), {}, "", traffic="the mix moved"))


def test_what_is_no_longer_recorded_is_to_be_recorded_again():
    assert "recorded again" in told(Decision("none_of_five", (), {}, "", telemetry="requests are missing"))


@pytest.mark.parametrize(
    ("artifact", "says"), [("m-1 max_output_tokens", "cut off"), ("acme tokens per minute", "old limit back")]
)
def test_a_limit_that_was_lowered_is_asked_back(artifact, says):
    line = told(Decision("none_of_five", (reading("quota", artifact),), {}, ""))
    assert says in line
    assert "neighbour" not in line


def test_open_changes_are_swapped_one_at_a_time_by_name():
    both = (suspect(), suspect("model_alias", "m"))
    line = told(Decision("undetermined", (), {s.key: 0.5 for s in both}, "open"), suspects=both)
    assert "support/system" in line
    assert "m, support/system" in line


@pytest.mark.parametrize(
    ("node", "says"),
    [("model_alias", "gen_ai.response.model"), ("retrieval_corpus", "corpus"), ("prompt_version", "prompt")],
)
def test_what_could_not_be_seen_is_to_be_recorded(node, says):
    line = told(Decision("undetermined", (), {}, "what moved follows nothing"), node)
    assert line.startswith("What moved follows nothing")
    assert says in line


def test_an_exit_that_cannot_be_seen_is_no_reason_to_declare_anything():
    assert "Read" in told(Decision("undetermined", (), {}, "what moved follows nothing"), "telemetry")


def test_without_a_single_request_the_traces_are_looked_for_first():
    decision = Decision(
        status="undetermined", told=(), possible={}, why="only 0 requests of this service in the window"
    )
    line = next_check(decision, findings("model_alias", "tool_schemas"), weighed(table([])))
    assert "see that they are sent here" in line
    assert "triagebot doctor" in line


def test_a_model_that_was_switched_off_is_replaced():
    off = change("provider", "hollowpeak", before="marl-6-01", after="retired")
    gone = Suspect(key=off.key, node="provider", change=off, served=False, requests=9)
    why = Reading(0, explanation(moved("model_missing", N)), gone)
    line = told(Decision("none_of_five", (why,), {}, ""))
    assert "in place of marl-6-01" in line
    unknown = Implied(
        node="provider",
        artifact="hollowpeak",
        explanation=0,
        reason="gone",
        confidence=0.85,
        strength=9.0,
        whatever=True,
    )
    why = Reading(0, explanation(moved("model_missing", N)), None, unknown)
    assert "still served" in told(Decision("none_of_five", (why,), {}, ""))
