import numpy as np
import pytest

from tests.fakes.walks import SERVICE, change, spread, table
from triagebot.signals.catalogue import SIGNALS
from triagebot.surfaces.contract import Snapshot
from triagebot.surfaces.tree import TREE
from triagebot.triage.attribute import attribute

N = 3000
TOLD = [signal for signal in SIGNALS if signal.name in ("request_failed", "refusal")]


@pytest.mark.parametrize("seed", range(3))
def test_that_no_input_is_recorded_of_what_failed_is_no_slice_in_which_fewer_fail(seed):
    """Calls that fail before they are sent have no text: among those with one hardly any fails, whatever was changed when."""
    rng = np.random.default_rng(seed)
    failed = rng.random(N) < 0.03
    language = np.where(rng.random(N) < 0.9, 1.0, 3.0)
    language[failed & (rng.random(N) < 0.9)] = np.nan
    signals = {
        "request_failed": failed,
        "refusal": rng.random(N) < 0.05,
        "input_language": language,
        "input_chars": np.where(np.isnan(language), np.nan, np.exp(rng.normal(5, 1, N))),
    }
    corpus = np.where((np.arange(N) < 0.4 * N) | (rng.random(N) < 0.3), "kb@v1", "kb@v2")
    seen = table(spread(N), {"tenant": rng.choice(["a", "b", "c"], N), "corpus": corpus}, signals)
    changes = (change("retrieval_corpus", "kb", at=0.4),)
    snapshots = {node.name: Snapshot(node=node.name) for node in TREE}
    for node in TREE:
        own = tuple(c for c in changes if c.surface in node.surfaces)
        snapshots[node.name] = Snapshot(node=node.name, changes=own)
    found = attribute(seen, snapshots, TREE, SERVICE, TOLD, frozenset())
    assert found.explanations == ()


@pytest.mark.parametrize(("recorded", "told"), [(False, {"prompt_version"}), (True, {"prompt_version", "application"})])
def test_a_flag_that_hands_out_a_version_is_not_weighed_against_it(recorded, told):
    """Some requests of either arm record the flag alone: it fitted better than the prompt that was behind it."""
    rng = np.random.default_rng(1)
    short = (rng.random(N) < 0.5) & (np.arange(N) > 0.4 * N)
    prompt = np.where(rng.random(N) < 0.06, "", np.where(short, "hr@v9-short", "hr@v9"))
    flags = np.where(short, "length=short", "length=control")
    signals = {"refusal": rng.random(N) < np.where(short, 0.4, 0.05), "request_failed": rng.random(N) < 0.03}
    seen = table(spread(N), {"prompt": prompt, "flags": flags}, signals)
    snapshots = {node.name: Snapshot(node=node.name) for node in TREE}
    if recorded:
        flipped = change("flag", "length", at=0.4, before="control", after="short")
        snapshots["application"] = Snapshot(node="application", changes=(flipped,))
    found = attribute(seen, snapshots, TREE, SERVICE, TOLD, frozenset())
    by_key = {s.key: s.node for s in found.suspects}
    (shown,) = found.explanations
    assert {by_key[key] for key in shown.posterior if key} == told


@pytest.mark.parametrize("later", [0.0, 0.02])
def test_a_flag_for_all_is_weighed_against_the_prompt_that_all_got_soon_after(later):
    rng = np.random.default_rng(2)
    place = np.arange(N)
    prompt = np.where(place > (0.5 + later) * N, "hr@v10", "hr@v9")
    flags = np.where(place > 0.5 * N, "length=short", "length=control")
    signals = {"refusal": rng.random(N) < np.where(place > 0.5 * N, 0.3, 0.05), "request_failed": rng.random(N) < 0.03}
    snapshots = {node.name: Snapshot(node=node.name) for node in TREE}
    found = attribute(
        table(spread(N), {"prompt": prompt, "flags": flags}, signals), snapshots, TREE, SERVICE, TOLD, frozenset()
    )
    by_key = {s.key: s.node for s in found.suspects}
    assert {by_key[key] for key in found.explanations[0].posterior if key} == {"prompt_version", "application"}
