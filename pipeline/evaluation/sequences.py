"""Truth and predictions of a sequence cut to what is scored: frames, people, places in the picture.

What is left out is named and counted. Rules: a prediction after the last frame of a stated length has nothing to be
judged by and is left out, where nobody states a length it is false; rows of other classes than people are no truth;
frames that were not annotated say nothing; in DukeMTMC predictions count within the window and where their feet stand
in the camera's region (``region.py``). A predicted box without area overlaps nothing and is false.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from data.datasets.mot_folder import LABELS_FILE
from data.datasets.tracking import TrackingDataset, TruthSequence
from data.formats.mot import PEDESTRIAN, MotTable
from data.kernels.sampled_frames import common_step, stepped
from data.records import IntArray
from pipeline.evaluation.annotated import FEWEST_FRAMES, only
from pipeline.evaluation.region import feet_inside
from pipeline.evaluation.rules import Rule

# Fewer predictions where nobody is are false alarms like others.
_FEWEST_ELSEWHERE = 10
# A tracker may lose the last people of a recording; a tenth of all true rows at its end is a run that stopped early.
_FEWEST_LATE = 10
_LATE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Sequence:
    """What one sequence or camera is scored from, frames below ``length``.

    Attributes:
        name: of the sequence or camera.
        length: number of frames.
        truth: all rows, ignored ones too.
        predictions: rows that are judged.
    """

    name: str
    length: int
    truth: MotTable
    predictions: MotTable


def pair_sequences(
    dataset: TrackingDataset, found: Mapping[str, MotTable | None], rule: Rule
) -> tuple[list[Sequence], list[str]]:
    """Cut both sides of sequences to what is scored.

    Args:
        dataset: the truth.
        found: predictions of the sequences to score; None where there are none.
        rule: mot17 has a class list of its own.

    Returns:
        The sequences, on the clock of the site where they have one, and what the reader of the scores must know.
    """
    chosen = [dataset.sequence(name) for name in found]
    step = annotated_step(chosen)
    sequences, lines = [], []
    for one in chosen:
        sequence, told = _pair(dataset, one, found[one.name])
        lines += told
        if rule.rule != "mot17":
            table, told = _people_only(dataset, one.name, sequence.truth)
            sequence = replace(sequence, truth=table)
            lines += told
        sequence, told = _annotated_only(one, sequence, step, _shift(dataset, one))
        sequences.append(sequence)
        lines += [*told, *_elsewhere(sequence), *_untracked(sequence)]
    return sequences, lines


def annotated_step(sequences: Iterable[TruthSequence]) -> int:
    """The n of a truth that has people in every n-th frame alone; 1 where it has not, or says what was annotated."""
    chosen = tuple(sequences)
    if any(one.annotated is not None for one in chosen):
        return 1
    return common_step((one.truth.frames for one in chosen), FEWEST_FRAMES)


def _pair(dataset: TrackingDataset, one: TruthSequence, found: MotTable | None) -> tuple[Sequence, list[str]]:
    """Both sides on one clock, predictions that can be judged."""
    name, lines = one.name, []
    if found is None and len(one.truth):
        lines.append(f"{name}: no predictions, scored as empty ({len(one.truth)} true rows)")
    found = MotTable.empty() if found is None else found
    found = found.select(found.flags)
    flat = int((found.boxes[:, 2:] <= found.boxes[:, :2]).any(axis=1).sum())
    if flat:
        lines.append(f"{name}: {flat} predicted boxes have no area and count as false")
    length, shift = one.length, _shift(dataset, one)
    if dataset.window is not None:
        length = dataset.window.last - dataset.window.first + 1
    else:
        length = shift + (max(length, int(found.frames.max(initial=-1)) + 1) if one.open_end else length)
    truth, found = one.truth.shifted(shift), found.shifted(shift)
    within = (found.frames >= 0) & (found.frames < length)
    if not within.all():
        outside = int((~within).sum())
        last = f"after frame {length}, the last of the truth," if dataset.window is None else "outside the window"
        lines.append(f"{name}: {outside} predicted rows {last} are left out")
        found = found.select(within)
    if one.region is not None:
        stands = feet_inside(found.boxes, one.region)
        if not stands.all():
            lines.append(f"{name}: {int((~stands).sum())} predictions stand outside its region and are left out")
        found = found.select(stands)
    return Sequence(name, length, truth, found), lines


def _shift(dataset: TrackingDataset, one: TruthSequence) -> int:
    """What is added to frames of a sequence to have those of the site's clock, or of the window."""
    return one.offset if dataset.window is None else one.offset - dataset.window.first


def _people_only(dataset: TrackingDataset, name: str, truth: MotTable) -> tuple[MotTable, list[str]]:
    """Rows of people, and what is to be said of the others."""
    others = truth.class_ids != PEDESTRIAN if dataset.classes is None else ~dataset.are_people(truth)
    count = int(others.sum())
    if not count:
        return truth, []
    classes = ", ".join(map(str, np.unique(truth.class_ids[others]).tolist()))
    if dataset.classes is None:
        return truth, [f"{name}: {count} true rows of class {classes} count as people; {LABELS_FILE} would say who is"]
    return truth.select(~others), [f"{name}: {count} true rows of class {classes} are no people and are left out"]


def _annotated_only(one: TruthSequence, sequence: Sequence, step: int, shift: int) -> tuple[Sequence, list[str]]:
    """Both sides in the annotated frames, which are numbered anew from 0."""
    frames: IntArray | range
    if step > 1:
        frames = stepped(one.truth.frames + shift, step, sequence.length)
    elif one.annotated is not None:
        frames = one.annotated + shift
        frames = frames[(frames >= 0) & (frames < sequence.length)]
    else:
        return sequence, []
    cut = replace(
        sequence,
        length=len(frames),
        truth=_only(sequence.truth, frames),
        predictions=_only(sequence.predictions, frames),
    )
    left_out = len(sequence.predictions) - len(cut.predictions)
    which = f"the truth has one frame in {step}" if step > 1 else f"{len(frames)} of {one.length} frames are annotated"
    scored = f"only these {len(frames)} are scored" if step > 1 else "only these are scored"
    return cut, [f"{one.name}: {which}: {scored}, {left_out} predicted rows between them are left out"]


def _elsewhere(sequence: Sequence) -> list[str]:
    """A line where most predictions are in frames without truth, as if only a part of the frames was annotated."""
    truth, found = sequence.truth, sequence.predictions
    outside = int((~np.isin(found.frames, truth.frames)).sum())
    if not len(truth) or outside < _FEWEST_ELSEWHERE or 2 * outside <= len(found):
        return []
    return [
        f"{sequence.name}: the truth has somebody in {len(np.unique(truth.frames))} of {sequence.length} frames; "
        f"{outside} of {len(found)} predicted rows are in the others and count as false: was all of it annotated?"
    ]


def _untracked(sequence: Sequence) -> list[str]:
    """A line where much of the truth comes after the last prediction, as if only the first frames were tracked."""
    truth, found = sequence.truth, sequence.predictions
    late = int((truth.frames > found.frames.max()).sum()) if len(found) else 0
    if late < _FEWEST_LATE or late <= _LATE_SHARE * len(truth):
        return []
    return [
        f"{sequence.name}: {late} of {len(truth)} true rows come after the last prediction and count as missed: "
        "was all of it tracked?"
    ]


def _only(table: MotTable, frames: IntArray | range) -> MotTable:
    kept, numbers = only(table.frames, frames)
    return replace(table.select(kept), frames=numbers)
