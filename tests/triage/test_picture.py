import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.triage.postmortem import worlds
from triagebot.domain.signal import Signal
from triagebot.domain.times import Interval, Window
from triagebot.ports import Dimension, RequestTable
from triagebot.triage.picture import Mark, Marks, alt_text, baseline, draw, marks_of, series_from, shown

END = datetime(2026, 11, 3, 4, tzinfo=UTC)
WINDOW = Window(END - timedelta(hours=24), END)
RATE = Signal(name="json_invalid", title="bad JSON", sql="x")
LATENCY = Signal(name="duration", title="time to answer", sql="x", unit="ms")


def table(at, values, weight=None, signal="json_invalid", region=None):
    at = np.asarray(at, dtype=np.float64)
    codes = np.zeros(len(at), dtype=np.int32) if region is None else np.asarray(region, dtype=np.int32)
    return RequestTable(
        at=at,
        weight=np.ones(len(at)) if weight is None else np.asarray(weight, dtype=np.float64),
        trace_id=tuple(str(n) for n in range(len(at))),
        dimensions={"region": Dimension(codes=codes, labels=("eu", "us"))},
        signals={signal: np.asarray(values, dtype=np.float64)},
        spans=len(at),
        requests=len(at),
    )


def world(n=4000, seed=3):
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(WINDOW.start.timestamp(), WINDOW.end.timestamp(), n))
    bad = rng.uniform(size=n) < np.where(at > worlds.ONSET.timestamp(), 0.118, 0.021)
    return table(at, bad, region=rng.integers(0, 2, n))


def exact(at):
    return Interval(at, at)


def marks(**more):
    values = {
        "onset": Interval(worlds.ONSET - timedelta(minutes=8), worlds.ONSET),
        "changes": (Mark(at=exact(worlds.ONSET), label="support/system v17", implicated=True),),
        "page": worlds.PAGED,
        "before": 0.021,
        "after": 0.118,
    }
    return Marks(**values | more)


def test_a_rate_is_counted_in_bins_with_wilsons_interval():
    start = WINDOW.start.timestamp()
    found = series_from(
        table([start + 1, start + 2, start + 3, start + 4, start + 43201], [1, 0, 0, 0, 1]), RATE, {}, WINDOW, 2
    )
    assert found.value.tolist() == [0.25, 1.0]
    assert found.n.tolist() == [4, 1]
    assert found.low[0] == pytest.approx(0.0456, abs=1e-4)
    assert found.high[0] == pytest.approx(0.6994, abs=1e-4)
    assert found.high[1] == 1.0
    assert found.low[1] == pytest.approx(0.2065, abs=1e-4)


def test_a_mean_has_a_normal_interval_and_one_request_none():
    start = WINDOW.start.timestamp()
    found = series_from(
        table([start, start + 1, start + 43201], [100, 300, 50], signal="duration"), LATENCY, {}, WINDOW, 2
    )
    assert found.value.tolist() == [200, 50]
    assert found.high[0] == pytest.approx(200 + 1.96 * 100, rel=1e-3)
    assert np.isnan(found.low[1])


def test_a_sample_counts_with_its_weights():
    start = WINDOW.start.timestamp()
    found = series_from(table([start, start + 1], [1, 0], weight=[3, 1]), RATE, {}, WINDOW, 1)
    assert (found.value[0], found.n[0]) == (0.75, 4)
    plain = series_from(table([start] * 4, [1, 1, 1, 0]), RATE, {}, WINDOW, 1)
    assert found.high[0] - found.low[0] > plain.high[0] - plain.low[0]


def test_the_slice_the_window_and_what_says_nothing():
    start = WINDOW.start.timestamp()
    whole = table(
        [start - 1, start, start + 1, start + 2, WINDOW.end.timestamp()], [1, 1, np.nan, 0, 1], region=[0, 0, 0, 1, 0]
    )
    assert series_from(whole, RATE, {}, WINDOW, 1).n[0] == 2
    assert series_from(whole, RATE, {"region": "us"}, WINDOW, 1).value[0] == 0
    for nothing in ({"region": "mars"}, {"planet": "eu"}):
        assert series_from(whole, RATE, nothing, WINDOW, 1).n[0] == 0
    assert series_from(whole, LATENCY, {}, WINDOW, 1).n[0] == 0
    with pytest.raises(ValueError, match="bins"):
        series_from(whole, RATE, {}, WINDOW, 0)


def test_the_last_moment_of_the_window_does_not_fall_out_by_rounding():
    just_before = np.nextafter(WINDOW.end.timestamp(), 0)
    assert series_from(table([just_before], [1]), RATE, {}, WINDOW, 7).n.tolist() == [0, 0, 0, 0, 0, 0, 1]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 86399), st.booleans()), max_size=60), st.integers(1, 30))
def test_bins_hold_every_request_once(rows, bins):
    start = WINDOW.start.timestamp()
    found = series_from(table([start + at for at, _ in rows], [bad for _, bad in rows]), RATE, {}, WINDOW, bins)
    assert found.n.sum() == len(rows)
    full = found.n > 0
    assert np.all((found.low[full] <= found.value[full] + 1e-12) & (found.value[full] <= found.high[full] + 1e-12))


def test_the_baseline_ends_where_the_onset_may_begin():
    series = series_from(world(), RATE, {}, WINDOW, 48)
    low, middle, high = baseline(series, worlds.ONSET - timedelta(minutes=8))
    assert low < middle < high < 0.06
    assert middle == pytest.approx(0.021, abs=0.006)
    assert baseline(series, WINDOW.start + timedelta(hours=1)) is None


def test_drawing_twice_gives_the_same_bytes():
    series = series_from(world(), RATE, {"region": "eu"}, WINDOW)
    for format_ in ("svg", "png"):
        assert draw(series, marks(), format=format_) == draw(series, marks(), format=format_)
    svg = draw(series, marks(), format="svg")
    ET.fromstring(svg)
    assert b"<dc:date>" not in svg


def test_a_png_is_wide_enough_for_a_phone():
    image = Image.open(BytesIO(draw(series_from(world(), RATE, {}, WINDOW), marks())))
    assert image.width >= 1080
    assert image.height <= 1.4 * image.width


def boxes(series, given):
    from triagebot.triage import chart  # noqa: PLC0415  as the product does

    figure = chart.build(series, given)
    renderer = figure.canvas.get_renderer()
    texts = [t for t in (*figure.axes[0].texts, *figure.texts) if t.get_gid() in ("flag", "title")]
    frame = figure.bbox
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()], frame


def many(times):
    labels = (
        "docs-index 2026-11-03",
        "github-mcp 1.4.2",
        "checkout 44",
        "judge-rubric r9",
        "a very long artifact name v1",
        "x y",
    )
    return tuple(Mark(at=exact(at), label=labels[n % 6], implicated=n == 0) for n, at in enumerate(times))


@settings(deadline=None, max_examples=12)
@given(st.lists(st.integers(-3000, 86400), min_size=1, max_size=7), st.integers(0, 86400))
def test_labels_never_overlap_and_never_leave_the_picture(seconds, paged):
    changes = many([WINDOW.start + timedelta(seconds=s) for s in seconds])
    given_ = marks(changes=changes, page=WINDOW.start + timedelta(seconds=paged), ended=END)
    found, frame = boxes(series_from(world(200), RATE, {"region": "eu"}, WINDOW), given_)
    for n, (text, box) in enumerate(found):
        assert box.x0 >= 0, text
        assert (box.x1 <= frame.x1 + 1, box.y1 <= frame.y1 + 1) == (True, True), text
        for other, its in found[n + 1 :]:
            assert not box.overlaps(its), (text, other)


@pytest.mark.parametrize(
    "label",
    ["$\\frac{", "^_$x$", "日本語 v2", "🚨 v1", "<script>", "a\nb", "\x00", "\u202eabc", "%s %d", "{0}", "x" * 400, ""],
)
def test_any_label_can_be_drawn(label):
    series = replace(series_from(world(200), RATE, {}, WINDOW), title=label or "t", where=label)
    ET.fromstring(draw(series, marks(changes=(Mark(at=exact(worlds.ONSET), label=label),)), format="svg"))


@pytest.mark.parametrize(
    ("signal", "values"),
    [
        (RATE, []),
        (RATE, [0.0] * 50),
        (RATE, [1.0] * 50),
        (LATENCY, [5.0] * 50),
        (LATENCY, [-3.0] * 50),
        (LATENCY, [1e12] * 50),
        (RATE, [np.nan] * 50),
    ],
)
def test_odd_data_can_be_drawn(signal, values):
    at = [WINDOW.start.timestamp() + 60 * n for n in range(len(values))]
    series = series_from(table(at, values, signal=signal.name), signal, {}, WINDOW)
    assert draw(series, Marks()).startswith(b"\x89PNG")


def test_a_window_of_seconds_and_one_of_months():
    for length in (timedelta(seconds=90), timedelta(days=200)):
        window = Window(END - length, END)
        assert draw(series_from(table([window.start.timestamp()], [1]), RATE, {}, window), marks())


def test_the_verdicts_marks():
    found = marks_of(worlds.implicated(), worlds.timeline())
    assert [(m.label, m.implicated) for m in found.changes] == [
        ("support/system v17", True),
        ("docs-index 2026-11-03", False),
    ]
    assert (found.before, found.after, found.page) == (0.021, 0.118, worlds.PAGED)
    assert found.ended == worlds.PAGED + timedelta(minutes=49)
    assert marks_of({}) == Marks()


def test_a_snapshot_that_says_what_it_is_of_is_told_whole():
    moment = {"earliest": "2026-11-03T01:00:00Z", "latest": "2026-11-03T01:00:00Z"}
    cause = {"node": "model_alias", "artifact": "tourmal-3", "after": "tourmal-3-2026-09-21", "introduced": moment}
    other = cause | {"after": "v9"}
    assert [m.label for m in marks_of({"causes": [cause]}).changes] == ["tourmal-3-2026-09-21"]
    assert [m.label for m in marks_of({"causes": [other]}).changes] == ["tourmal-3 v9"]


def test_the_picture_in_words():
    series = series_from(world(), RATE, {"region": "eu"}, WINDOW)
    said = alt_text(series, marks_of(worlds.implicated()))
    for part in (
        "Bad JSON: 2.1 % → 11.8 %",
        "region eu",
        "Implicated change: support/system v17",
        "Paged at 2026-11-03 02:47",
    ):
        assert part in said
    assert "No request in this window" in alt_text(series_from(table([], []), RATE, {}, WINDOW), Marks())


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.118, "rate", "11.8 %"),
        (14000, "ms", "14 s"),
        (412, "ms", "412 ms"),
        (1234, "tokens", "1,234 tokens"),
        (0.81, "score", "0.81"),
    ],
)
def test_values_on_the_axis(value, unit, said):
    assert shown(value, unit) == said


def test_matplotlib_is_not_imported_before_a_picture_is_drawn():
    code = "import sys, triagebot.triage.picture; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
