"""What the grid reads from sums per bin is what each contrast says on its own."""

import numpy as np
import pytest

from tests.attribution.worlds import DAY, world
from triagebot.attribution.bayes import weigh_exposures
from triagebot.attribution.grid import Grid, edges_of
from triagebot.attribution.panel import adjusted
from triagebot.attribution.scan import scan, slices_of
from triagebot.attribution.thresholds import MIN_APART, MIN_SIDE


def gridded(seed=3, aware=False):
    made = world(seed, n=900)
    panel = made.panel(0.3 * ((made.at > made.at[500]) & (made.region == 1)), aware=aware)
    slices = slices_of(panel, ("region",), least=60, most=5)
    columns = list(panel.columns.values())
    group = columns[0].group
    edges = edges_of(panel.size)
    rows = [np.flatnonzero(one.mask) for one in slices]
    return panel, slices, columns, edges, Grid.build(panel.at, edges, group, columns, slices, rows)


def alone(column, slice_, exposure):
    within = adjusted(column, slice_.mask) if slice_.dimension else column
    log_bf, effect = weigh_exposures(within, (exposure * slice_.mask)[:, None])
    return log_bf[0], effect[0]


@pytest.mark.parametrize("aware", [False, True])
def test_a_step(aware):
    panel, slices, columns, edges, grid = gridded(aware=aware)
    steps, best = grid.steps()
    rows = np.arange(panel.size)
    for s, slice_ in enumerate(slices):
        for c, column in enumerate(columns):
            for k in (5, 60, 110, int(best.start[s, c])):
                assert steps[s, k, c] == pytest.approx(alone(column, slice_, rows >= edges[k])[0], abs=1e-6)
            value, effect = alone(column, slice_, rows >= edges[best.start[s, c]])
            assert (best.value[s, c], best.effect[s, c]) == pytest.approx((value, effect), abs=1e-6)
            assert best.value[s, c] == steps[s, :, c].max()


def test_a_pulse():
    panel, slices, columns, edges, grid = gridded()
    best = grid.pulses()
    rows = np.arange(panel.size)
    for s, slice_ in enumerate(slices):
        for c, column in enumerate(columns):
            start, end = edges[best.start[s, c]], edges[best.end[s, c]]
            inside = (rows >= start) & (rows < end)
            value, effect = alone(column, slice_, inside)
            if column.group.apart[inside & slice_.mask].sum() < MIN_APART - 1e-9:
                value = 0.0
            assert best.value[s, c] == pytest.approx(value, abs=1e-6)
            assert value == 0.0 or best.effect[s, c] == pytest.approx(effect, abs=1e-6)
            assert best.average[s, c] <= best.value[s, c]
            assert slice_.mask[start:end].sum() <= 0.5 * slice_.mask.sum()
            assert value == 0.0 or slice_.mask[:start].sum() >= MIN_SIDE


@pytest.mark.parametrize("seed", range(4))
def test_a_step_is_not_told_as_a_pulse_that_lasted_until_then(seed):
    made = world(seed)
    risk = np.where(made.region == 1, np.where(made.at > 1.7 * DAY, 0.35, 0.12), 0.0)
    panel = made.panel(risk, aware=False)
    slices = slices_of(panel, ("region",), least=60, most=5)
    told = scan(panel, [panel.columns["failed"]], slices)["failed"]
    assert (told.shape, told.slice.value) == ("step", "b")
    assert abs(told.start - 1.7 * DAY) < 0.2 * DAY


def test_the_slice_that_moved_shows_it_most():
    _, slices, columns, _, grid = gridded()
    _, best = grid.steps()
    failed = [c.signal.name for c in columns].index("failed")
    assert slices[int(best.value[:, failed].argmax())].value == "b"


def test_a_bin_without_requests_of_the_slice_is_empty():
    panel, _, columns, edges, _ = gridded()
    rare = np.zeros(panel.size, dtype=bool)
    rare[100:140] = True
    slices = slices_of(panel, (), least=60, most=1)
    rows = [np.arange(panel.size), np.flatnonzero(rare)]
    grid = Grid.build(panel.at, edges, columns[0].group, columns, [slices[0], slices[0]], rows)
    assert grid.count[1].sum() == 40
    assert (grid.count[1] > 0).sum() <= 8
    assert not grid.weight[1][grid.count[1] == 0].any()


@pytest.mark.parametrize("seed", range(5))
def test_a_ramp_of_events_is_worth_what_its_rates_say_of_them(seed):
    """Nobody until late, and then half of them: rates that rise from long before fit that badly."""
    made = world(seed, n=1500)
    panel = made.panel(0.5 * (made.at > made.at[1380]), base=0.01)
    column = panel.columns["failed"]
    edges = edges_of(panel.size)
    slices = slices_of(panel, (), least=60, most=1)
    grid = Grid.build(panel.at, edges, column.group, [column], slices, [np.arange(panel.size)])
    best = grid.ramps()
    begun, full = (made.at[edges[one[0, 0]]] for one in (best.start, best.end))
    middle = np.append((made.at[edges][1:] + made.at[edges][:-1]) / 2, (made.at[edges][-1] + made.at[-1]) / 2)
    exposure = np.clip((middle - begun) / (full - begun), 0, 1)[
        np.searchsorted(edges, np.arange(panel.size), "right") - 1
    ]
    event, mean = column.raw, column.raw.mean()
    told = max(
        event @ np.log(rates / mean) + (1 - event) @ np.log((1 - rates) / (1 - mean))
        for level in np.linspace(0.001, 0.05, 25)
        for rates in (np.clip(level + rise * exposure, 1e-4, 1 - 1e-4) for rise in np.linspace(0.05, 0.9, 60))
    )
    # What is left of it once the number of moments tried and the size of the effect are paid for.
    assert best.value[0, 0] == pytest.approx(told / column.dispersion, rel=0.1)
    assert best.value[0, 0] < grid.steps()[1].value[0, 0]
