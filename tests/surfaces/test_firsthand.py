import numpy as np
import pytest

from tests.fakes.walks import SERVICE, after, explanation, moved, spread, table, weighed
from triagebot.domain.service import RegistryEntry, Service
from triagebot.ports import SEPARATOR
from triagebot.surfaces.firsthand import artifact_for, common_value, exposed, first_hand
from triagebot.surfaces.tree import NODES

N = 100
AT = spread(N)


def test_the_clearest_of_a_nodes_own_signs():
    told = explanation(
        moved("refusal", N, best=90.0),
        moved("documents", N, best=20.0, effect=-0.3),
        moved("top_score", N, best=40.0, effect=-0.3),
    )
    assert first_hand(told, {"documents", "top_score"}).signal == "top_score"
    assert first_hand(told, {"ttft_ms"}) is None


def test_what_became_better_is_no_sign_of_harm():
    told = explanation(moved("refusal", N, best=60.0), moved("top_score", N, best=40.0, effect=0.3))
    assert first_hand(told, {"top_score"}) is None
    own = explanation(moved("refusal", N, best=60.0), moved("document_chars", N, best=40.0, effect=0.3))
    assert first_hand(own, {"document_chars"}).signal == "document_chars", "either direction may harm"


def test_where_a_recorded_change_explains_it_nothing_is_first_hand():
    assert first_hand(explanation(moved("documents", N), best="prompt_version|x|v1|v2|t"), {"documents"}) is None


def test_who_was_exposed_is_inside_slice_and_time():
    mask = np.arange(N) % 2 == 0
    pulse = moved("documents", N, start=after(0.25).timestamp(), end=after(0.5).timestamp(), mask=mask)
    assert (np.flatnonzero(exposed(table(AT), pulse)) == np.arange(26, 50, 2)).all()


def test_the_most_common_value_among_them():
    names = np.where(np.arange(N) < 60, "a", f"b{SEPARATOR}c")
    told = table(AT, {"tool_names": names})
    assert common_value(told, "tool_names", moved("tool_failed", N, start=after(0.7).timestamp())) in {"b", "c"}
    assert common_value(told, "tool_names", moved("tool_failed", N, start=0.0)) == "a"
    assert common_value(table(AT), "tool_names", moved("tool_failed", N)) == ""


def service(*artifacts):
    entries = tuple(RegistryEntry(surface="tool_schemas", artifact=a, kind="declared") for a in artifacts)
    return Service(name="s", slack_channel="#s", registries=entries)


@pytest.mark.parametrize(
    ("declared", "seen", "expected"),
    [((), "x", "x"), (("mcp",), "x", "mcp"), (("a", "b"), "b", "b"), (("a", "b"), "x", "x"), (("a",), "", "a")],
)
def test_the_declared_artifact_that_a_name_in_the_traces_belongs_to(declared, seen, expected):
    assert artifact_for(service(*declared), ("tool_schemas",), seen) == expected


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("tool_schemas", "tool_result_error"),
        ("retrieval_corpus", "retrieval_empty"),
        ("provider", "overloaded"),
        ("provider", "ms_per_token"),
        ("quota", "rate_limited"),
        ("application", "unfinished"),
        ("application", "cache_share"),
    ],
)
def test_a_node_is_implied_by_its_own_signals_and_by_no_others(name, signal):
    around = weighed(table(AT))
    worse = -0.3 if signal == "cache_share" else 0.3
    implied = NODES[name].imply(explanation(moved(signal, N, best=33.0, effect=worse)), 4, around, SERVICE)
    assert (implied.node, implied.explanation, implied.strength) == (name, 4, 33.0)
    assert implied.reason
    assert 0 < implied.confidence < 1
    assert NODES[name].imply(explanation(moved("refusal", N)), 4, around, SERVICE) is None


def test_a_prompt_is_never_implied_without_a_change():
    for name in ("prompt_version", "model_alias", "eval_freshness", "telemetry"):
        assert NODES[name].imply(explanation(moved("refusal", N)), 0, weighed(table(AT)), SERVICE) is None


def test_the_provider_is_named_as_the_traces_name_it():
    told = table(AT, {"provider": np.where(np.arange(N) >= 50, "tidewell", "north")})
    slow = explanation(moved("ttft_ms", N, start=after(0.5).timestamp()))
    assert NODES["provider"].imply(slow, 0, weighed(told), SERVICE).artifact == "tidewell"


def test_the_neighbour_that_takes_the_quota_is_named():
    late = np.arange(N) >= 50
    workload = np.where(late & (np.arange(N) % 2 == 0), "nightly-evals", "chat")
    told = table(AT, {"workload": workload}, {"input_tokens": np.full(N, 100.0)})
    limited = explanation(moved("rate_limited", N, start=after(0.5).timestamp()))
    assert NODES["quota"].imply(limited, 0, weighed(told), SERVICE).artifact == "nightly-evals"
    steady = table(AT, {"workload": ["chat"] * N}, {"input_tokens": np.full(N, 100.0)})
    assert NODES["quota"].imply(limited, 0, weighed(steady), SERVICE).artifact == ""
