"""Score the ground paths of runs against truth in metres."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.layout import check_length
from data.datasets.mot_folder import stated_lengths, truth_files
from data.errors import UserError
from data.formats.world import WorldTable, read_world_mot, read_world_paths
from data.kernels.sampled_frames import common_step, stepped
from data.listing import by_stem, listed
from data.records import DoubleArray, IntArray
from data.site import load_site
from pipeline.evaluation.annotated import FEWEST_FRAMES, only
from pipeline.evaluation.ground import GroundComparison, GroundTally
from pipeline.evaluation.result import align
from pipeline.folder.run_folder import RunFolder

logger = logging.getLogger(__name__)

COMBINED = "COMBINED"
_SHARES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDP", "IDR", "MODA", "MODP")
_COUNTS = ("IDSW", "Frag", "MT", "ML")
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class GroundRule:
    """What makes a match on the ground.

    Attributes:
        limit_m: distance below which two places may be one person, in tracks.
        detection_limit_m: the same for MODA and MODP, at most ``limit_m``.
        fps: frames per second of the truth; None takes that of the run's cameras.
    """

    limit_m: float = 1.0
    detection_limit_m: float = 1.0
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class GroundRow:
    """One line of the table."""

    name: str
    tally: GroundTally

    def to_json(self) -> dict[str, Any]:
        """Shares as fractions, metres and accelerations, counts."""
        numbers: dict[str, float | None] = {**self.tally.fractions(), **self.tally.metres()}
        rounded = {name: None if value is None else round(value, _DECIMALS) for name, value in numbers.items()}
        return {"name": self.name, **rounded, **self.tally.tracks.counts()}

    def cells(self) -> list[str]:
        """Texts of the table's columns, shares in percent."""
        shares, metres, counts = self.tally.fractions(), self.tally.metres(), self.tally.tracks.counts()
        texts = [f"{100 * shares[name]:.3f}" for name in _SHARES]
        lengths = ["-" if value is None else f"{value:.3f}" for value in metres.values()]
        return [self.name, *texts, *lengths, *(str(counts[name]) for name in _COUNTS)]


@dataclass(frozen=True, slots=True)
class GroundResult:
    """Scores of all groups.

    Attributes:
        limit_m: distance below which two places may be one person.
        rows: one per group, then COMBINED where there are several.
        warnings: what the reader of the scores must know.
    """

    limit_m: float
    rows: tuple[GroundRow, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Rounded to 6 decimals, so the same input gives the same bytes."""
        return {
            "rule": {"ground_m": self.limit_m},
            "unit": "fraction; MOTP in metres, accelerations in m/s^2",
            "scores": [row.to_json() for row in self.rows],
            "warnings": list(self.warnings),
        }

    def table(self) -> str:
        """An aligned table, shares in percent."""
        header = ["group", *_SHARES, "MOTP m", "acc m/s2", "true acc", *_COUNTS]
        return "\n".join(
            [f"ground: less than {self.limit_m:g} m apart", *align([header, *(row.cells() for row in self.rows)])]
        )


def evaluate_ground(gt: Path, pred: Path, limit_m: float, fps: float | None = None) -> GroundResult:
    """Score every group of a truth.

    Truth that is given for every n-th frame only is scored on these frames. Times of a run become frames by the frame
    rate of the truth, whose first frame is second 0 of the common clock.

    Args:
        gt: folder of ``<group>.txt`` in metres (``data.formats.world``), with an optional ``lengths.json``.
        pred: a run folder, a folder of ``<group>.csv`` or ``<group>.txt``, or one such file. Names must agree unless
            there is one on either side.
        limit_m: distance below which two places may be one person.
        fps: frames per second of the truth; None takes that of the run's cameras where they agree.

    Raises:
        UserError: something is absent or broken, the frame rate is unknown, or nothing at all is matched.
    """
    if not (math.isfinite(limit_m) and limit_m > 0):
        raise UserError(f"--ground is {limit_m:g}; give a distance in metres above 0, usually 1.0")
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise UserError(f"--fps is {fps:g}; give frames per second above 0")
    if not gt.is_dir():
        raise UserError(f"{gt} is not a folder; give the folder of the truth")
    truth, lengths = truth_files(gt), stated_lengths(gt)
    if not truth:
        raise UserError(f"{gt} holds no truth in metres (<group>.txt)")
    rows, warnings = [], []
    for name, path in _paired(truth, find_places(pred), pred):
        tally, lines = _score(truth[name], lengths, path, limit_m, fps)
        rows.append(GroundRow(name if len(truth) > 1 else path.stem, tally))
        warnings += [f"{name}: {line}" for line in lines]
    for line in warnings:
        logger.warning("%s", line)
    if not sum(row.tally.matches for row in rows):
        raise UserError(
            f"{pred}: no place is less than {limit_m:g} m from a true one in the same frame; are both in metres and in "
            "the same coordinates, and is --fps the truth's?"
        )
    if len(rows) > 1:
        rows.append(GroundRow(COMBINED, sum((row.tally for row in rows[1:]), start=rows[0].tally)))
    return GroundResult(limit_m, tuple(rows), tuple(warnings))


def _score(
    path: Path, lengths: Mapping[str, int], found: Path, limit_m: float, fps: float | None
) -> tuple[GroundTally, list[str]]:
    """Tally of one group, and what is to be said of it."""
    true = read_world_mot(path)
    if not len(true):
        raise UserError(f"{path} holds no rows: there is nothing to score against")
    last = int(true.frames[-1])
    length = lengths.get(path.stem, last + 1)
    check_length(path, last, length, 1)
    return score_group(true, length, found, GroundRule(limit_m, limit_m, fps))


def score_group(
    true: WorldTable, length: int, path: Path, rule: GroundRule, annotated: IntArray | range | None = None
) -> tuple[GroundTally, list[str]]:
    """Tally of one group.

    Args:
        true: where people stood.
        length: number of frames.
        path: predicted places, ``<group>.csv`` of a run or ``<group>.txt``.
        rule: what makes a match.
        annotated: (A,) frames that were annotated; None: all, or every n-th where the truth has no others.

    Returns:
        The tally, and what is to be said of it.

    Raises:
        UserError: the predictions are broken, or their frame rate is unknown.
    """
    rate = rule.fps if rule.fps is not None else _run_fps(path)
    found = read_places(path, rate)
    lines = []
    beyond = int((found.frames >= length).sum())
    if beyond:
        lines.append(f"{beyond} predicted rows after frame {length}, the last of the truth, are left out")
    step = 1 if annotated is not None else common_step([true.frames], FEWEST_FRAMES)
    if step != 1:
        annotated = stepped(true.frames, step, length)
        lines.append(f"the truth has one frame in {step}: only these {len(annotated)} are scored")
    frames = range(length) if annotated is None else annotated
    comparison = GroundComparison.of(_only(true, frames), _only(found, frames), len(frames), rule.limit_m)
    frame_s = None if rate is None else step / rate
    return GroundTally.of(comparison, rule.limit_m, frame_s, rule.detection_limit_m), lines


def _only(rows: WorldTable, annotated: IntArray | range) -> WorldTable:
    """Rows of the annotated frames, which are numbered anew from 0."""
    kept, numbers = only(rows.frames, annotated)
    return WorldTable.make(numbers, rows.ids[kept], rows.xy[kept], rows.flags[kept])


def read_places(path: Path, fps: float | None) -> WorldTable:
    """Predicted places frame by frame.

    Args:
        path: ``<group>.csv`` of a run, whose seconds become frames, or ``<group>.txt``.
        fps: frames per second of the truth.

    Raises:
        UserError: the file is broken, or a run's file is given without a frame rate.
    """
    if path.suffix == ".txt":
        table = read_world_mot(path)
        return table.select(table.flags)
    paths = read_world_paths(path)
    if fps is None:
        raise UserError(f"{path} gives seconds and the truth gives frames; give the frame rate of the truth with --fps")
    return _nearest_rows(paths.times_s * fps, paths.ids, paths.xy)


def _nearest_rows(places: DoubleArray, ids: np.ndarray, xy: DoubleArray) -> WorldTable:
    """One row per id and frame, the one nearest to the frame in time."""
    frames = np.round(places).astype(np.int64)
    order = np.lexsort((np.abs(places - frames), ids, frames))
    order = order[frames[order] >= 0]
    again = np.zeros(len(order), bool)
    again[1:] = (np.diff(frames[order]) == 0) & (np.diff(ids[order]) == 0)
    kept = order[~again]
    return WorldTable.make(frames[kept], ids[kept], xy[kept])


def find_places(pred: Path) -> dict[str, Path]:
    """Files of predicted places by group."""
    if pred.is_file():
        return {pred.stem: pred}
    for pattern in ("world/*.csv", "*.csv", "*.txt"):
        found = by_stem(listed(pred, pattern))
        if found:
            return found
    raise UserError(
        f"{pred} has no places on the ground: neither world/<group>.csv of a run nor <group>.csv or .txt; a run writes "
        "them for the groups of its site file"
    )


def _paired(truth: Mapping[str, Path], predictions: Mapping[str, Path], pred: Path) -> list[tuple[str, Path]]:
    """Each truth with its predictions."""
    if len(truth) == 1 and len(predictions) == 1:
        return [(next(iter(truth)), next(iter(predictions.values())))]
    for name in truth:
        if name not in predictions:
            raise UserError(f"{pred} has no places of group '{name}'; it has {', '.join(predictions)}")
    return [(name, predictions[name]) for name in truth]


def _run_fps(path: Path) -> float | None:
    """Frame rate of the cameras of a run's group, or None where they differ or it is no file of a run."""
    folder = RunFolder(path.resolve().parent.parent)
    if path.resolve().parent.name != "world" or not (folder.site.exists() and folder.manifest.exists()):
        return None
    inputs = folder.read_inputs()
    members: Sequence[str] = next(
        (group.cameras for group in load_site(folder.site).groups if group.name == path.stem), ()
    )
    rates = {round(float(inputs[camera]["fps"]), 3) for camera in members if inputs.get(camera, {}).get("fps")}
    return rates.pop() if len(rates) == 1 else None
