"""The numbers of a training's ``log.jsonl`` as a picture: losses, shares, learning rate and scores over the steps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.atomic import replacing
from data.errors import UserError
from data.records import DoubleArray
from data.training_folder import CURVES, LOG

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NO_CURVES = ("what", "step", "epoch", "skipped")
_COUNTED = ("step", "epoch")
# What of a scoring is drawn; the rest is in the log.
_SCORES = ("mAP", "rank1", "l1")
# At most so many points of a curve are drawn; each is the mean of the steps it stands for.
_POINTS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One number over a training.

    Attributes:
        name: of the number, behind what it was measured on where that is not the training itself.
        x: (N,) steps, or epochs where the log counts those.
        y: (N,) values.
    """

    name: str
    x: DoubleArray
    y: DoubleArray


def read_curves(folder: Path) -> list[Curve]:
    """The curves of the training in a folder, in the order in which the log first names them.

    Raises:
        UserError: when there is no log.
    """
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{folder} holds no log of a training ({LOG})") from None
    found: dict[str, tuple[list[float], list[float]]] = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # a line that broke off
        place = next((entry[name] for name in _COUNTED if name in entry), None) if isinstance(entry, dict) else None
        if place is None:
            continue
        prefix = "" if entry.get("what", "train") == "train" else f"{entry['what']} "
        for name, value in entry.items():
            if name not in _NO_CURVES and isinstance(value, (int, float)):
                x, y = found.setdefault(prefix + name, ([], []))
                x.append(place)
                y.append(value)
    return [Curve(name, np.array(x, np.float64), np.array(y, np.float64)) for name, (x, y) in found.items()]


def thinned(curve: Curve, points: int = _POINTS) -> Curve:
    """A curve of at most so many points, each the mean of its neighbours."""
    if len(curve.x) <= points:
        return curve
    starts = np.linspace(0, len(curve.x), points, endpoint=False).astype(np.int64)
    counts = np.diff([*starts, len(curve.x)])
    return Curve(curve.name, *(np.add.reduceat(values, starts) / counts for values in (curve.x, curve.y)))


def draw_curves(folder: Path) -> Path | None:
    """Draw the curves of a training into its folder; None where nothing has been logged yet.

    Raises:
        UserError: when there is no log.
    """
    curves = [thinned(curve) for curve in read_curves(folder)]
    if not curves:
        return None
    from matplotlib.figure import Figure

    groups = _groups(curves)
    figure = Figure(figsize=(9, 2.2 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False, sharex=True)[:, 0]
    for place, (title, members) in zip(axes, groups, strict=True):
        _draw_group(place, title, members)
    axes[-1].set_xlabel("step")
    figure.suptitle(folder.resolve().name)
    with replacing(folder / CURVES, durable=False) as temporary:
        figure.savefig(temporary, format="png", dpi=80)
    return folder / CURVES


def _groups(curves: Sequence[Curve]) -> list[tuple[str, list[Curve]]]:
    """Curves by what they have in common; a group without curves is left out, and so are a scoring's details."""
    groups: dict[str, list[Curve]] = {
        "losses": [],
        "shares of 1": [],
        "scores": [],
        "learning rate": [],
        "gradient": [],
    }
    for curve in curves:
        name = curve.name
        if " " in name:
            if name.split(" ")[1].removesuffix("_without_prompts") in _SCORES:
                groups["scores"].append(curve)
        elif "rate" in name:
            groups["learning rate"].append(curve)
        elif "gradient" in name:
            groups["gradient"].append(curve)
        elif name.endswith(("accuracy", "trivial", "valid")):
            groups["shares of 1"].append(curve)
        else:
            groups["losses"].append(curve)
    return [(title, members) for title, members in groups.items() if members]


def _draw_group(axes: "Axes", title: str, curves: Sequence[Curve]) -> None:
    for row, curve in enumerate(curves):
        style = "-" if row < 10 else "--"
        axes.plot(curve.x, curve.y, style, label=curve.name, linewidth=1, marker="." if len(curve.x) < 30 else "")
    if title in ("losses", "gradient") and all((curve.y > 0).all() for curve in curves):
        axes.set_yscale("log")
    axes.set_title(title, loc="left", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
