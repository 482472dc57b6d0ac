"""Pictures of transition models: a matrix of lag curves per camera pair, and the topology graph."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import DoubleArray, IntArray
from st_model.model import Table, TransitionModel
from st_model.published import PublishedDistribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THIN_COUNT = 10
_MOST_CURVES = 12
_MOST_LABELS = 30
_NODE_FONT, _LABEL_FONT = 8.0, 6.5
_REACH, _BEND = 1.42, 0.24
_INK, _THIN, _BAR, _FRAME = "#1f4e79", "#b0b0b0", "#c9d8e8", "#d8d8d8"
_TICK_FONT = 6.0
_CELL, _TALLEST = 0.93, 0.7
_TICKS_S = (
    *((second, f"{second} s" if second else "0") for second in (0, 2, 5, 10, 20, 30)),
    *((60 * minute, f"{minute} min") for minute in (1, 2, 5, 10, 30)),
    *((3600 * hour, f"{hour} h") for hour in (1, 3, 10, 24, 240)),
)


@dataclass(frozen=True, slots=True, eq=False)
class PairCurves:
    """What is drawn of a model, whatever its kind.

    Attributes:
        cameras: C names.
        counts: (C, C) events behind each pair.
        shares: (C, C) probability of each target, given the source.
        mass: (C, C, B) smoothed probability per bin, each pair on its own scale.
        raw: (C, C, B) counts per bin, or None where unknown.
        medians: (C, C) median lag in seconds or frames, NaN without events.
        ticks: positions on the bin axis and their labels.
        unit: "s" or "frames".
    """

    cameras: tuple[str, ...]
    counts: DoubleArray
    shares: DoubleArray
    mass: DoubleArray
    raw: DoubleArray | None
    medians: DoubleArray
    ticks: tuple[tuple[float, str], ...]
    unit: str


def model_curves(model: TransitionModel, table: Table = "next") -> PairCurves:
    """Curves of a transition model."""
    counts = model.next_counts if table == "next" else model.any_counts
    density = model.next if table == "next" else model.any
    raw = model.evidence.next if table == "next" else model.evidence.any
    edges = model.grid.edges_s
    mass = density * np.diff(edges)
    ticks = tuple(
        (float(np.log1p(second / model.grid.linear_s) / model.grid.step), label)
        for second, label in _TICKS_S
        if second <= model.grid.max_lag_s
    )
    medians = np.where(counts > 0, _medians(mass, edges), np.nan)
    shares = mass.sum(-1) / np.maximum(mass.sum((1, 2))[:, None], 1e-300)
    return PairCurves(model.cameras, counts, shares, mass, raw[..., :-1], medians, ticks, "s")


def published_curves(distribution: PublishedDistribution) -> PairCurves:
    """Curves of a published distribution."""
    bins = distribution.probability.shape[-1]
    edges = np.arange(bins + 1.0) * distribution.bin_frames
    counts = distribution.counts
    if distribution.histogram is None:
        counts = (distribution.probability.sum(-1) > 0).astype(np.float64)
    total = counts.sum(1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    step = 10.0 ** np.ceil(np.log10(max(bins / 4, 1)))
    step = step / 2 if bins / step < 2 else step
    ticks = tuple(
        (place, f"{int(place * distribution.bin_frames):,}") for place in np.arange(0, bins + 1, step).tolist()
    )
    medians = np.where(counts > 0, _medians(distribution.probability, edges), np.nan)
    return PairCurves(
        distribution.cameras, counts, shares, distribution.probability, distribution.histogram, medians, ticks, "frames"
    )


def draw(curves: PairCurves, path: Path, title: str) -> None:
    """Write the matrix of curves and, beside it, the topology graph as one PNG.

    Rows are the cameras left, columns those entered. Beyond 12 cameras the matrix shows the 12 with the most events.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    busiest = np.argsort(-(curves.counts.sum(0) + curves.counts.sum(1)), kind="stable")[:_MOST_CURVES]
    shown = np.sort(busiest)
    side = max(5.0, 1.15 * len(shown) + 1.5)
    graph = max(6.0, 0.9 * side)
    height = max(side, graph) + 0.5
    figure = Figure(figsize=(side + graph, height), dpi=110)
    FigureCanvasAgg(figure)
    halves: Any = figure.subfigures(1, 2, width_ratios=[side, graph])
    left, right = halves
    note = "" if len(shown) == len(curves.cameras) else f" (the {len(shown)} busiest of {len(curves.cameras)} cameras)"
    left.suptitle(f"{title}\nrows: camera left, columns: camera entered{note}", fontsize=10)
    cell = 72 * min(side / (len(shown) + 1.25), 0.92 * height / (len(shown) + 0.7))
    _draw_matrix(left.add_axes((0.0, 0.0, 1.0, 0.92)), curves, shown, cell)
    right.suptitle("how people go on: share of those who leave, events, median lag", fontsize=10)
    area = 0.94 * height
    _draw_graph(right.add_axes((0.0, 0.0, 1.0, 0.94)), curves, 72 * min(graph, area) / (2 * _REACH))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _medians(mass: DoubleArray, edges: DoubleArray) -> DoubleArray:
    running = np.cumsum(mass, axis=-1)
    half = running[..., -1:] / 2
    place = np.minimum((running < half).sum(-1), mass.shape[-1] - 1)
    medians: DoubleArray = (edges[place] + edges[place + 1]) / 2
    return medians


def _last_bin(curves: PairCurves) -> int:
    weighted = (curves.mass * np.sign(curves.counts)[..., None]).sum((0, 1))
    if not weighted.sum() > 0:
        return curves.mass.shape[-1]
    running = np.cumsum(weighted) / weighted.sum()
    return min(max(4, int(np.searchsorted(running, 0.995)) + 1), len(running))


def _draw_matrix(axes: "Axes", curves: PairCurves, shown: IntArray, points_per_cell: float) -> None:
    """One cell of the axes per pair: the unit square with its top left corner at (column, row)."""
    from matplotlib.collections import LineCollection, PolyCollection

    count, last = len(shown), _last_bin(curves)
    group = max(1, last // 60)
    boxes, bars, lines, colors = [], [], [], []
    for row, source in enumerate(shown):
        for column, target in enumerate(shown):
            left, floor = column + (1 - _CELL) / 2, row + (1 + _CELL) / 2
            boxes.append([(left + x * _CELL, floor - y * _CELL) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))])
            events = curves.counts[source, target]
            thin = events < THIN_COUNT
            if curves.raw is not None and events > 0:
                heights = curves.raw[source, target, : last - last % group].reshape(-1, group).sum(1)
                bars.append(_steps(heights / max(heights.max(), 1e-12), group / last, left, floor))
            if events > 0:
                curve = curves.mass[source, target, :last]
                x = left + (np.arange(last) + 0.5) / last * _CELL
                lines.append(np.stack([x, floor - curve / curve.max() * _TALLEST * _CELL], axis=1))
                colors.append(_THIN if thin else _INK)
            text = f"{events:,.0f}" if events == round(events) else f"{events:,.1f}"
            axes.text(left + 0.96 * _CELL, floor - 0.95 * _CELL, text, ha="right", va="top", fontsize=7,
                      color=_THIN if thin else "black")  # fmt: skip
        axes.text(-0.06, row + 0.5, _short(curves.cameras[source]), ha="right", va="center", fontsize=8)
        axes.text(row + 0.5, -0.02, _short(curves.cameras[source]), ha="center", va="bottom", fontsize=8)
    axes.add_collection(PolyCollection(boxes, facecolors="none", edgecolors=_FRAME, linewidths=0.8))
    axes.add_collection(PolyCollection(bars, facecolors=_BAR, linewidths=0))
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=1.3))
    ticks = [tick for tick in curves.ticks if tick[0] <= last]
    for place, label in _spaced(ticks, last * 0.6 * _TICK_FONT * 8 / (points_per_cell * _CELL)):
        align = "left" if place == 0 else "right" if place > 0.9 * last else "center"
        for column in range(count):
            mark = column + (1 - _CELL) / 2 + place / last * _CELL
            axes.plot([mark, mark], [count - (1 - _CELL) / 2, count + 0.01], color="#606060", linewidth=0.6)
            axes.text(mark, count + 0.03, label, ha=align, va="top", fontsize=_TICK_FONT)
    kind = "log scale" if curves.unit == "s" else curves.unit
    note = f"lag ({kind}); number: events; grey: fewer than {THIN_COUNT}"
    axes.text(count / 2, count + 0.03 + 2.2 * _TICK_FONT / points_per_cell, note, ha="center", va="top", fontsize=8)
    axes.set_xlim(-1.2, count + 0.05)
    axes.set_ylim(count + 0.45, -0.25)
    axes.axis("off")


def _steps(heights: DoubleArray, width: float, left: float, floor: float) -> DoubleArray:
    """Outline of a bar chart in a cell: (2 n + 2, 2); ``width`` is a bar's share of the cell."""
    edges = left + np.minimum(np.arange(len(heights) + 1) * width, 1.0) * _CELL
    x = np.concatenate([edges[:1], np.repeat(edges, 2)[1:-1], edges[-1:]])
    y = floor - np.concatenate([[0.0], np.repeat(heights, 2), [0.0]]) * _TALLEST * _CELL
    return np.stack([x, y], axis=1)


def _spaced(ticks: list[tuple[float, str]], apart: float) -> list[tuple[float, str]]:
    kept: list[tuple[float, str]] = []
    for tick in ticks:
        if not kept or tick[0] - kept[-1][0] >= apart:
            kept.append(tick)
    return kept


def _short(name: str) -> str:
    return name if len(name) <= 10 else name[:9] + "…"


def _lag_text(value: float, unit: str) -> str:
    if unit == "frames":
        return f"{value:,.0f} fr"
    if value < 100:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def _draw_graph(axes: "Axes", curves: PairCurves, points_per_unit: float) -> None:
    from matplotlib.patches import Circle, FancyArrowPatch

    count = len(curves.cameras)
    angle = np.pi / 2 - 2 * np.pi * np.arange(count) / max(count, 1)
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1.0 if count > 1 else 0.0)
    names = [_short(name) for name in curves.cameras]
    fits = 0.62 * _NODE_FONT * max(len(name) for name in names) / 2 / points_per_unit
    radius = min(max(0.09, fits), 2.2 / max(count, 1))
    axes.set_xlim(-_REACH, _REACH)
    axes.set_ylim(-_REACH, _REACH)
    axes.set_aspect("equal")
    axes.axis("off")
    taken = [(x - radius, y - radius, x + radius, y + radius) for x, y in place]
    labels = []
    for source, target in _edges(curves):
        share, strong = curves.shares[source, target], curves.counts[source, target] >= THIN_COUNT
        color, width = (_INK if strong else _THIN), 0.5 + 4.0 * share
        if source == target:
            outward = (
                place[source] / max(float(np.linalg.norm(place[source])), 1e-9) if count > 1 else np.array([0, 1.0])
            )
            path = _loop(place[source], outward, radius)
            axes.plot(path[:, 0], path[:, 1], color=color, linewidth=width, alpha=0.8, zorder=1)
        else:
            path = _arc(place[source], place[target], radius)
            axes.plot(path[:-3, 0], path[:-3, 1], color=color, linewidth=width, alpha=0.8, zorder=1)
            arrow = FancyArrowPatch(
                tuple(path[-4]), tuple(path[-1]), arrowstyle="-|>", mutation_scale=8 + 6 * share, shrinkA=0, shrinkB=0,
                color=color, linewidth=width, alpha=0.8, zorder=2,
            )  # fmt: skip
            axes.add_patch(arrow)
        lag = _lag_text(curves.medians[source, target], curves.unit)
        labels.append((f"{share:.0%} · {curves.counts[source, target]:,.0f} · {lag}", path))
    for text, path in labels[:_MOST_LABELS]:
        _place_label(axes, text, path, taken, points_per_unit)
    for (x, y), name in zip(place, names):
        axes.add_patch(Circle((x, y), radius, facecolor="white", edgecolor=_INK, linewidth=1.5, zorder=3))
        size = min(_NODE_FONT, 2 * radius * points_per_unit / (0.62 * len(name)))
        axes.text(x, y, name, ha="center", va="center", fontsize=size, zorder=4)


def _edges(curves: PairCurves) -> list[tuple[int, int]]:
    """Pairs worth an arrow, most events first: somebody took the way, and at least 5 % of those who leave do.

    Fractions of an event that would be printed as 0 are doubts about other ways.
    """
    sources, targets = np.nonzero((curves.shares >= 0.05) & (curves.counts >= 0.5))
    order = np.argsort(-curves.counts[sources, targets], kind="stable")
    return [(int(sources[i]), int(targets[i])) for i in order]


def _arc(start: DoubleArray, end: DoubleArray, radius: float) -> DoubleArray:
    """(100, 2) points of a curve that bends to the right, from rim to rim."""
    across = np.array([end[1] - start[1], start[0] - end[0]])
    middle = (start + end) / 2 + _BEND * across
    t = np.linspace(0, 1, 401)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    outside = (np.linalg.norm(curve - start, axis=1) > radius) & (np.linalg.norm(curve - end, axis=1) > radius * 1.05)
    points = curve[outside] if outside.sum() > 2 else curve
    return points[np.linspace(0, len(points) - 1, 100).astype(np.int64)]


def _loop(node: DoubleArray, outward: DoubleArray, radius: float) -> DoubleArray:
    """(100, 2) points of a circle that touches a node, from its far side on."""
    size = min(radius, 0.11)
    turn = np.arctan2(outward[1], outward[0]) + np.linspace(0, 2 * np.pi, 100)
    points: DoubleArray = node + outward * (radius + size) + size * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return points


def _place_label(
    axes: "Axes",
    text: str,
    path: DoubleArray,
    taken: list[tuple[float, float, float, float]],
    points_per_unit: float,
) -> None:
    """Write a label on the first free spot of an edge; without one it is left out rather than written over another."""
    width = (0.58 * _LABEL_FONT * len(text) + 4) / points_per_unit
    height = (1.3 * _LABEL_FONT + 2) / points_per_unit
    order = np.argsort(np.abs(np.arange(len(path)) - 0.36 * len(path)), kind="stable")
    for x, y in path[order]:
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        free = all(box[2] < b[0] or b[2] < box[0] or box[3] < b[1] or b[3] < box[1] for b in taken)
        if free and max(abs(x) + width / 2, abs(y) + height / 2) < _REACH:
            taken.append(box)
            axes.text(x, y, text, fontsize=_LABEL_FONT, ha="center", va="center", zorder=5,
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.9})  # fmt: skip
            return
