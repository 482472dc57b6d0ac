"""What a calibration found, to look at: the floor with cameras, views and people, and each camera's frame."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.atomic import replacing
from pipeline.site_calibration.estimate import Estimate
from pipeline.site_calibration.refinement import fused

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_REACH_M = 25.0
_COLUMNS = 3


def draw(result: Estimate, path: Path) -> None:
    """Write a PNG.

    On the left the floor: where cameras stand and look, what their frames show, and the people they were fitted to. On
    the right every camera's frame: feet of its boxes, where all cameras together put these feet, and lines of the floor
    a metre apart.

    Args:
        result: what was found.
        path: the file; what is there is replaced.

    Raises:
        OSError: when it cannot be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(result.cameras)
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(7.5 + 4 * _COLUMNS, max(6.5, 2.9 * rows)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, _COLUMNS + 2, width_ratios=[1.0, 1.0, *[1.0] * _COLUMNS])
    floor = figure.add_subplot(grid[:, :2])
    colours = [matplotlib.colormaps["tab10"](number % 10) for number in range(count)]
    models = [pinhole.model for pinhole in result.pinholes]
    feet, _, place = fused(result.instants, result.matches, models)
    _draw_floor(floor, result, place, colours)
    for number, (camera, model) in enumerate(zip(result.cameras, models)):
        axes = figure.add_subplot(grid[number // _COLUMNS, 2 + number % _COLUMNS])
        width, height = result.pinholes[number].size
        lines = _metre_lines(place)
        for line in lines:
            pixels = model.to_image(line)
            axes.plot(pixels[:, 0], pixels[:, 1], color="0.8", linewidth=0.5)
        mine = result.matches.camera == number
        fit = model.to_image(place[result.matches.person[mine]])
        axes.plot(
            np.stack([feet[mine, 0], fit[:, 0]]), np.stack([feet[mine, 1], fit[:, 1]]), color="black", linewidth=0.6
        )
        axes.plot(feet[mine, 0], feet[mine, 1], ".", color=colours[number], markersize=3)
        axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
        axes.set_title(camera, color=colours[number], fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_floor(axes: "Axes", result: Estimate, place: np.ndarray, colours: list) -> None:
    axes.plot(place[:, 0], place[:, 1], ".", color="0.6", markersize=2, zorder=1)
    for camera, pinhole, colour in zip(result.cameras, result.pinholes, colours):
        view = pinhole.model.visible_ground(pinhole.size, _REACH_M)
        axes.fill(view[:, 0], view[:, 1], facecolor=(*colour[:3], 0.06), edgecolor=(*colour[:3], 0.6), linewidth=0.8)
        axes.plot(pinhole.x_m, pinhole.y_m, "o", color=colour, markersize=8, label=camera, zorder=3)
        axes.annotate(
            "",
            (pinhole.x_m + 1.5 * np.cos(pinhole.yaw), pinhole.y_m + 1.5 * np.sin(pinhole.yaw)),
            (pinhole.x_m, pinhole.y_m),
            arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 2},
        )
    corners = np.concatenate([place, [(one.x_m, one.y_m) for one in result.pinholes]])
    low, high = corners.min(axis=0) - 2, corners.max(axis=0) + 2
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xlabel="metres", ylabel="metres")
    axes.grid(color="0.93")
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4, frameon=False)
    axes.set_title(
        f"{result.people} people seen by several cameras; held-out people {result.error_m:.2f} m apart in the middle",
        fontsize=10,
    )


def _metre_lines(place: np.ndarray) -> list[np.ndarray]:
    """Lines of the floor a metre apart around where people were, each (N, 2)."""
    low, high = np.floor(place.min(axis=0)), np.ceil(place.max(axis=0))
    steps = [np.arange(low[axis], high[axis] + 1) for axis in (0, 1)]
    fine = [np.linspace(low[axis], high[axis], 60) for axis in (0, 1)]
    along = [np.stack([np.full(60, x), fine[1]], axis=1) for x in steps[0]]
    return along + [np.stack([fine[0], np.full(60, y)], axis=1) for y in steps[1]]
