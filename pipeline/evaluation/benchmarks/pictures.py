"""What a run starts from when it is made of a data set: the pictures that come with it."""

from collections.abc import Sequence
from pathlib import Path

from data.datasets.registry import TRACKING, read_dataset
from data.errors import UserError
from data.listing import listed
from data.pictures import is_picture


def video_arguments(name: str, root: Path, split: str, sequences: Sequence[str]) -> list[str]:
    """``--videos NAME=FOLDER ...`` for ``pipeline.run``.

    Args:
        name: of the data set.
        root: its folder.
        split: part of it; "" is the usual one.
        sequences: those to run; empty takes all.

    Raises:
        UserError: pictures are missing, or are not the frames that the truth counts.
    """
    cure = "or say after -- what the run starts from (--videos, --detections, --tracks)"
    if name not in TRACKING:
        raise UserError(f"{name} names no pictures of its own; say after -- what the run starts from (--videos, ...)")
    dataset = read_dataset(name, root, split)
    found = []
    for sequence in map(dataset.sequence, dataset.choose(sequences)):
        if sequence.pictures is None:
            raise UserError(f"{root} has no pictures of {sequence.name}; put them where the data set has them, {cure}")
        count = sum(is_picture(path) for path in listed(sequence.pictures, "*"))
        if count != sequence.length:
            raise UserError(
                f"{sequence.pictures} holds {count} pictures and the truth counts {sequence.length} frames: they would "
                f"not be the same frames; complete the folder, {cure}"
            )
        found.append(f"{sequence.name}={sequence.pictures}")
    return ["--videos", *found]
