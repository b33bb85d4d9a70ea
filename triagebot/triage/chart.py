"""Drawing a Series with matplotlib. Figure API on the Agg and SVG canvases: no pyplot, no global state but the rc context."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib import dates, font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from triagebot.triage.picture import Marks, Series, baseline, earlier, moves, shown

# Okabe and Ito's palette, told apart with any colour vision; line style and weight say the same again.
# https://jfly.uni-koeln.de/color/
BLUE: Final = "#0072B2"
VERMILION: Final = "#C44E00"  # a little darker than theirs, for 4.5:1 on white
ORANGE: Final = "#E69F00"
GREY: Final = "#5F6670"
PALE: Final = "#E4E8EC"
# 5.2 inches with 10.5-point text is 390 CSS pixels of a phone with text of 11.
WIDTH: Final = 5.2
HEIGHT: Final = 3.6
LANE: Final = 0.23  # inches for one row of labels
FOOT: Final = 0.44
HEAD: Final = 0.6
LEFT: Final = 0.125
ACROSS: Final = 0.85
MARGIN: Final = 0.02
MOST_CHARACTERS: Final = 90  # nothing wider fits, and what does not fit is cut by measuring
SIZE: Final = 10.5
DPI: Final = 220
_RC: Final[dict[str, Any]] = {
    "svg.hashsalt": "triagebot",  # https://matplotlib.org/stable/users/explain/customizing.html: ids would be random
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": SIZE,
    "text.usetex": False,
    "axes.unicode_minus": True,
}
_DATES: Final[dict[str, Any]] = {
    "formats": ["%Y", "%b", "%b %d", "%H:%M", "%H:%M", "%H:%M:%S"],
    "zero_formats": ["", "%Y", "%b", "%b %d", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d %H:%M"],
}
# Untyped functions of a typed package.
_when: Any = dates
# The rc context and the font cache are the process's: one picture at a time.
_ONE = threading.Lock()


def render(series: Series, marks: Marks, *, format: Literal["png", "svg"]) -> bytes:  # noqa: A002  # savefig's own word
    settings: Any = _RC  # matplotlib types the keys as a literal of all its 300 settings
    with _ONE, mpl.rc_context(settings):
        figure = build(series, marks)
        out = io.BytesIO()
        metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
        figure.savefig(out, format=format, dpi=DPI, metadata=metadata, facecolor="white")
    return out.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A moment with a label above the axes. `before` the picture's left edge it has no line, only a label at the edge."""

    at: datetime
    label: str
    colour: str
    weight: float
    style: Any
    bold: bool = False
    since: datetime | None = None
    before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A flag's line (`share` of the width), the row of its label, and the side of the line on which the label stands."""

    flag: Flag
    text: str
    share: float
    lane: int
    side: Literal["left", "right"]


def build(series: Series, marks: Marks) -> Figure:
    """The figure, as tall as the rows of labels need: where two labels would touch, one moves a row up."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    FigureCanvasAgg(figure)
    placed = _plan(figure, series, marks)
    extra = LANE * (1 + max((one.lane for one in placed), default=-1))
    tall = HEIGHT + extra
    figure.set_size_inches(WIDTH, tall)
    axes = figure.add_axes((LEFT, FOOT / tall, ACROSS, (tall - FOOT - HEAD - extra) / tall))
    axes.set_xlim(*(_day(float(edge)) for edge in (series.edges[0], series.edges[-1])))
    _band(axes, series, marks)
    _line(axes, series)
    _axes(axes, series)
    for one in placed:
        _draw_flag(axes, one, tall - FOOT - HEAD - extra)
    _titles(figure, series, marks, tall)
    return figure


def _day(seconds: float) -> float:
    return float(_when.date2num(datetime.fromtimestamp(seconds, UTC)))


def _number(at: datetime) -> float:
    return float(_when.date2num(at))


def drawable(text: str) -> str:
    """Characters that the font lacks as a box, so that no label can make the drawing fail or warn."""
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    known = font.get_charmap()
    return "".join(c if ord(c) in known and c.isprintable() else "\u25a1" for c in text[:MOST_CHARACTERS])


def _band(axes: Axes, series: Series, marks: Marks) -> None:
    usual = baseline(series, marks.onset.earliest) if marks.onset else None
    if usual is not None:
        low, middle, high = usual
        axes.axhspan(low, high, color=PALE, linewidth=0, zorder=0)
        axes.axhline(middle, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    if marks.onset is not None:
        left, right = _number(marks.onset.earliest), _number(marks.onset.latest)
        least = (axes.get_xlim()[1] - axes.get_xlim()[0]) / 250
        axes.axvspan(left, max(right, left + least), color=ORANGE, alpha=0.35, linewidth=0, zorder=0.5)


def _line(axes: Axes, series: Series) -> None:
    x = np.array([_day(float(centre)) for centre in series.centres])
    if not np.any(series.n > 0):
        axes.text(0.5, 0.5, "no request says anything", transform=axes.transAxes, ha="center", va="center", color=GREY)
        axes.set_ylim(0, 1)
        return
    axes.fill_between(x, series.low, series.high, color=BLUE, alpha=0.18, linewidth=0, zorder=2)
    axes.plot(x, series.value, color=BLUE, linewidth=1.8, zorder=3, solid_capstyle="round")
    alone = np.isnan(np.r_[np.nan, series.value[:-1]]) & np.isnan(np.r_[series.value[1:], np.nan]) & (series.n > 0)
    axes.plot(x[alone], series.value[alone], "o", color=BLUE, markersize=3, zorder=3)
    top, bottom = _limits(series)
    axes.set_ylim(bottom, top)


def _limits(series: Series) -> tuple[float, float]:
    """(top, bottom): the line and most of its intervals; a bin of two requests must not flatten the rest."""
    values = series.value[series.n > 0]
    busy = (series.n >= 0.25 * np.median(series.n[series.n > 0])) & np.isfinite(series.high) & np.isfinite(series.low)
    peak = float(values.max())
    top = max(peak, min(float(series.high[busy].max()), peak + 0.4 * abs(peak))) if busy.any() else peak
    bottom = min(float(values.min()), float(series.low[busy].min()) if busy.any() else np.inf)
    if series.unit != "score" and bottom >= 0:
        bottom = 0.0
    room = (top - bottom) or abs(top) or 1.0
    ceiling = top + 0.08 * room
    if series.unit == "rate":
        ceiling = min(ceiling, 1.02)
    return ceiling, bottom if bottom == 0.0 else bottom - 0.08 * room


def _axes(axes: Axes, series: Series) -> None:
    locator = _when.AutoDateLocator(minticks=3, maxticks=5, tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_when.ConciseDateFormatter(locator, tz=UTC, **_DATES))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: shown(value, series.unit)))
    axes.grid(axis="y", color="#EEF0F2", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9AA2AB")
    axes.tick_params(colors="#333A42", length=3)


def _flags(series: Series, marks: Marks) -> list[Flag]:
    """Everything that gets a label, changes first."""
    start, end = (datetime.fromtimestamp(float(edge), UTC) for edge in (series.edges[0], series.edges[-1]))
    found = []
    for mark in marks.changes:
        since = None if mark.at.exact else mark.at.earliest
        before = mark.at.latest < start
        label = f"\u25c2 {mark.label}, {earlier(mark, start)}" if before else mark.label
        colour, weight, style = (VERMILION, 2.2, "-") if mark.implicated else (GREY, 1.1, (0, (4, 2)))
        found.append(
            Flag(
                at=mark.at.latest,
                label=label,
                colour=colour,
                weight=weight,
                style=style,
                bold=mark.implicated,
                since=since,
                before=before,
            )
        )
    if marks.page:
        found.append(
            Flag(
                at=marks.page,
                label=f"page {marks.page:%H:%M}",
                colour="black",
                weight=1.3,
                style="-",
                before=marks.page < start,
            )
        )
    if marks.ended:
        dots = (0, (1, 1))
        found.append(
            Flag(
                at=marks.ended,
                label=f"end {marks.ended:%H:%M}",
                colour="black",
                weight=1.3,
                style=dots,
                before=marks.ended < start,
            )
        )
    return [flag for flag in found if flag.at <= end]


def _plan(figure: Figure, series: Series, marks: Marks) -> list[Placed]:
    """A row for every label, rows given out so that few lines cross a label: on either side the outer line gets the higher
    row, then comes what lies before the picture, the implicated changes on top.
    """
    start, end = float(series.edges[0]), float(series.edges[-1])
    measured = []
    for flag in _flags(series, marks):
        share = 0.0 if flag.before else (flag.at.timestamp() - start) / (end - start)
        label, width = _fitted(figure, flag, room=1.0 if flag.before else max(share, 1 - share))
        measured.append((flag, label, share, width, share + width > 1.0))
    measured.sort(key=lambda one: (one[0].bold, one[0].before, one[2] if one[4] else -one[2]))
    lanes: list[list[tuple[float, float]]] = []
    placed = []
    for flag, label, share, width, left in measured:
        span = (share - width - 0.01, share + 0.01) if left else (share - 0.01, share + width + 0.01)
        lane = next((n for n, row in enumerate(lanes) if _free(span, row)), len(lanes))
        if flag.bold or flag.before:
            lane = len(lanes)
        if lane == len(lanes):
            lanes.append([])
        for row in lanes[:lane]:
            row.append((share - 0.01, share + 0.01))
        lanes[lane].append(span)
        placed.append(Placed(flag=flag, text=label, share=share, lane=lane, side="left" if left else "right"))
    return placed


def _fitted(figure: Figure, flag: Flag, room: float) -> tuple[str, float]:
    """The label, cut where it would leave the picture, and its width."""
    label = drawable(flag.label)
    while (width := _width(figure, label, bold=flag.bold)) > room and len(label) > 4:
        label = f"{label[:-2]}…"
    return label, width


def _width(figure: Figure, label: str, *, bold: bool) -> float:
    """Width of a label as a share of the axes."""
    canvas: Any = figure.canvas
    text = figure.text(0, 0, label, fontsize=SIZE - 0.5, fontweight="bold" if bold else "normal", parse_math=False)
    width = float(text.get_window_extent(canvas.get_renderer()).width)
    text.remove()
    return width / (figure.dpi * WIDTH * ACROSS) + 0.012


def _free(span: tuple[float, float], lane: list[tuple[float, float]]) -> bool:
    return all(span[1] <= left or span[0] >= right for left, right in lane)


def _draw_flag(axes: Axes, one: Placed, inches: float) -> None:
    """One label above the axes and its line down to the foot. `inches` is the height of the axes."""
    flag = one.flag
    foot = 1 + (0.05 + one.lane * LANE) / inches
    beside = 0.0 if flag.before else 0.01 if one.side == "right" else -0.01
    axes.text(
        one.share + beside,
        foot,
        one.text,
        transform=axes.transAxes,
        color=flag.colour,
        ha="left" if one.side == "right" else "right",
        va="bottom",
        fontsize=SIZE - 0.5,
        fontweight="bold" if flag.bold else "normal",
        parse_math=False,
        zorder=6,
        gid="flag",
        # Where a line has to cross a label, the label wins.
        bbox={"facecolor": "white", "linewidth": 0, "pad": 0.6},
    )
    if flag.before:
        return
    line: dict[str, Any] = {"transform": axes.transAxes, "color": flag.colour, "clip_on": False}
    top = foot + (LANE - 0.05) / inches
    axes.plot(
        [one.share] * 2, [0, top], linewidth=flag.weight, linestyle=flag.style, zorder=5 if flag.bold else 4, **line
    )
    if flag.since is not None:
        # Known only to lie between two moments: a bar from the one to the other along the foot.
        start, end = axes.get_xlim()
        left = max((_number(flag.since) - start) / (end - start), 0.0)
        axes.plot([left, one.share], [0.012] * 2, linewidth=3, solid_capstyle="butt", zorder=4, **line)


def _titles(figure: Figure, series: Series, marks: Marks, tall: float) -> None:
    """Two lines: what moved; from what to what, and where."""
    title = drawable(series.title[:1].upper() + series.title[1:])
    larger = (SIZE + 1.5) / (SIZE - 0.5)
    while _width(figure, title, bold=True) * larger * ACROSS > 1 - 2 * MARGIN and len(title) > 8:
        title = f"{title[:-2]}…"
    figure.text(
        MARGIN, 1 - 0.06 / tall, title, va="top", fontsize=SIZE + 1.5, fontweight="bold", parse_math=False, gid="title"
    )
    moved = drawable(moves(series, marks))
    used = _width(figure, moved, bold=True) * ACROSS + 0.01 if moved else 0.0
    where = drawable(series.where) or "all requests"
    while _width(figure, f"{where} (UTC)", bold=False) * ACROSS + used > 1 - 2 * MARGIN and len(where) > 8:
        where = f"{where[:-2]}…"
    line: dict[str, Any] = {"va": "top", "fontsize": SIZE - 0.5, "parse_math": False}
    figure.text(MARGIN, 1 - 0.32 / tall, moved, fontweight="bold", color=VERMILION, gid="title", **line)
    figure.text(MARGIN + used, 1 - 0.32 / tall, f"{where} (UTC)", color=GREY, gid="title", **line)
