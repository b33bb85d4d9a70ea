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
