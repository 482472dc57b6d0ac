"""How alike a few crops are, as numbers and as pictures: a matrix of all pairs, and where each part looked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import UserError
from data.kernels.parts import embedding_distance
from data.records import FloatArray, Image, PartEmbeddings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rgb = tuple[int, int, int]

_DPI = 100
_GAP = 8
_CELL_W, _CELL_H = 92, 116
_SIDE = 120
_HEADER, _TITLE, _LINE = 150, 34, 18
_INK, _QUIET, _EMPTY = "#18181b", "#52525b", "#e4e4e7"
_EMPTY_RGB: Rgb = (228, 228, 231)
_PART_H, _PART_W, _PART_TITLE, _PART_LABEL = 132, 76, 62, 18
_MOST_NAME = 60


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """All pairs of N crops.

    Attributes:
        distance: (N, N) float32 cosine distance, 0-2, visibility-weighted over the parts; NaN without a part in common.
        shared: (N, N) float32, 0-1: mean weight of the parts, how much the pair has in common.
    """

    distance: FloatArray
    shared: FloatArray

    @property
    def span(self) -> tuple[float, float] | None:
        """Smallest and largest distance of two different crops; None where no pair can be compared."""
        others = self.distance[~np.eye(len(self.distance), dtype=bool)]
        others = others[np.isfinite(others)]
        return (float(others.min()), float(others.max())) if len(others) else None

    def colors(self) -> list[list[Rgb]]:
        """(N, N) sRGB colours: closest pair dark, farthest bright; grey on the diagonal and without evidence."""
        from matplotlib import colormaps

        low, high = self.span or (0.0, 1.0)
        share = (np.nan_to_num(self.distance) - low) / max(high - low, 1e-6)
        table = np.rint(colormaps["viridis"](np.clip(share, 0, 1))[..., :3] * 255).astype(int)
        grey = ~np.isfinite(self.distance) | np.eye(len(self.distance), dtype=bool)
        return [
            [_EMPTY_RGB if bare else (int(r), int(g), int(b)) for (r, g, b), bare in zip(colors, bares, strict=True)]
            for colors, bares in zip(table, grey, strict=True)
        ]


def compare(embeddings: PartEmbeddings) -> Similarity:
    """Compare every crop with every other, as the pipeline compares people."""
    distance, shared = embedding_distance(embeddings, embeddings)
    return Similarity(distance.astype(np.float32), shared.astype(np.float32))


def cell_text(similarity: Similarity, row: int, column: int) -> tuple[str, str]:
    """Distance and shared visibility of a pair, as text."""
    if row == column:
        return "same", "crop"
    distance, shared = similarity.distance[row, column], similarity.shared[row, column]
    return ("none", "0 %") if not np.isfinite(distance) else (f"{distance:.2f}", f"{100 * shared:.0f} %")


def legend(similarity: Similarity) -> tuple[str, str]:
    """What the cells mean."""
    span = similarity.span
    told = "" if span is None else f"; closest {span[0]:.2f}, farthest {span[1]:.2f}"
    return (
        f"cell: cosine distance (0 = alike), share of the parts seen in both{told}",
        "none: no part is seen in both crops, nothing can be said",
    )


def draw_matrix(
    similarity: Similarity, pictures: Sequence[Image], names: Sequence[str], title: str, path: Path
) -> None:
    """Write the matrix as PNG: crops along both sides by number, the names below.

    Args:
        similarity: of N crops.
        pictures: N pictures, any sizes.
        names: N names.
        title: line at the top.
        path: of the PNG.

    Raises:
        UserError: when it cannot be written.
    """
    count = len(pictures)
    width = _SIDE + count * _CELL_W + _GAP
    height = _HEADER + _TITLE + count * _CELL_H + _GAP + (count + 3) * _LINE
    width = max(width, 480)
    axes = _canvas(width, height)
    _write(axes, _GAP, _TITLE / 2, title, 10, _INK, weight="bold")
    top = _HEADER + _TITLE
    colors = similarity.colors()
    for number, picture in enumerate(pictures):
        x, y = _SIDE + number * _CELL_W, top + number * _CELL_H
        _place(axes, picture, (x + 4, _TITLE + 18, x + _CELL_W - 4, top - 6))
        _write(axes, x + _CELL_W / 2, _TITLE + 8, str(number + 1), 9, _INK, align="center", weight="bold")
        _place(axes, picture, (28, y + 3, _SIDE - 6, y + _CELL_H - 3))
        _write(axes, 14, y + _CELL_H / 2, str(number + 1), 9, _INK, align="center", weight="bold")
        for column in range(count):
            _cell(axes, (_SIDE + column * _CELL_W, y), colors[number][column], cell_text(similarity, number, column))
    below = top + count * _CELL_H + _GAP + _LINE / 2
    for line in (
        *legend(similarity),
        *(f"{number}  {shortened(name)}" for number, name in enumerate(names, start=1)),
    ):
        _write(axes, _GAP, below, line, 7, _QUIET)
        below += _LINE
    _save(axes, path)


def draw_parts(
    rows: Sequence[Sequence[Image]], labels: Sequence[Sequence[str]], titles: Sequence[str], path: Path
) -> None:
    """Write a table of pictures as PNG: one row per crop, a title per column, a label below each picture.

    Args:
        rows: pictures by row and column.
        labels: of the same shape; "" for none.
        titles: one per column.
        path: of the PNG.

    Raises:
        UserError: when it cannot be written.
    """
    tall = _PART_H + _PART_LABEL
    axes = _canvas(28 + len(titles) * _PART_W + _GAP, _PART_TITLE + len(rows) * tall + _GAP)
    for column, title in enumerate(titles):
        x = 28 + (column + 0.5) * _PART_W
        _write(axes, x, _PART_TITLE - 6, title.replace("_", "\n"), 7, _INK, align="center", base="bottom")
    for row, pictures in enumerate(rows):
        y = _PART_TITLE + row * tall
        _write(axes, 14, y + _PART_H / 2, str(row + 1), 9, _INK, align="center", weight="bold")
        for column, picture in enumerate(pictures):
            x = 28 + column * _PART_W
            _place(axes, picture, (x + 2, y + 2, x + _PART_W - 2, y + _PART_H - 2))
            _write(axes, x + _PART_W / 2, y + _PART_H + 6, labels[row][column], 7, _QUIET, align="center")
    _save(axes, path)


def shortened(name: str) -> str:
    """A name that fits a line: the middle is left out of a long one."""
    if len(name) <= _MOST_NAME:
        return name
    half = (_MOST_NAME - 3) // 2
    return f"{name[:half]}...{name[-half:]}"


def _cell(axes: "Axes", corner: tuple[float, float], color: Rgb, text: tuple[str, str]) -> None:
    from matplotlib.patches import Rectangle

    shade = tuple(channel / 255 for channel in color)
    axes.add_patch(Rectangle(corner, _CELL_W, _CELL_H, facecolor=shade, edgecolor="white", linewidth=2))
    # Rec. 709 weights: dark letters on light cells.
    light = 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2] > 120
    ink, middle = (_INK if light else "white"), corner[0] + _CELL_W / 2
    _write(axes, middle, corner[1] + _CELL_H / 2 - 10, text[0], 12, ink, align="center", weight="bold")
    _write(axes, middle, corner[1] + _CELL_H / 2 + 14, text[1], 8, ink, align="center")


def _canvas(width: float, height: float) -> "Axes":
    """Axes over a whole figure whose data are its pixels, from the upper left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return axes


def _place(axes: "Axes", picture: Image, box: tuple[float, float, float, float]) -> None:
    """Put a picture into the middle of a box, as large as fits, without changing its aspect."""
    left, top, right, bottom = box
    scale = min((right - left) / picture.shape[1], (bottom - top) / picture.shape[0])
    half_w, half_h = picture.shape[1] * scale / 2, picture.shape[0] * scale / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        picture, extent=(x - half_w, x + half_w, y + half_h, y - half_h), aspect="auto", interpolation="bilinear"
    )
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


def _write(
    axes: "Axes",
    x: float,
    y: float,
    text: str,
    points: float,
    color: str,
    *,
    align: str = "left",
    base: str = "center",
    weight: str = "normal",
) -> None:
    options: dict[str, Any] = {"fontsize": points, "color": color, "ha": align, "va": base, "fontweight": weight}
    # A dollar sign in a file name is no mathematics.
    axes.text(x, y, text, parse_math=False, linespacing=1.0, **options)


def _save(axes: "Axes", path: Path) -> None:
    figure = axes.get_figure(root=True)
    assert figure is not None
    try:
        # Without its version of matplotlib the same picture has the same bytes.
        figure.savefig(path, metadata={"Software": None})
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
