"""Which pictures a detector learns from, and which its weights are judged by."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.synthetic.training_set import RECIPE
from pipeline.detector_training.config import TrainConfig
from pipeline.person_pose.files import load_network
from pipeline.person_pose.pictures import Picture, read_pictures
from reid.training.checks import check_copies, warn_of_learnt
from reid.training.scored import Scored

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class DetectorData:
    """Annotated pictures, all of whose files are there.

    Attributes:
        train: to learn from.
        judged: those that were held out, and the test set.
    """

    train: list[Picture]
    judged: Mapping[Scored, list[Picture]]


def detector_data(config: TrainConfig) -> DetectorData:
    """Read the truth of everything a training will look at.

    Raises:
        UserError: when a file is absent or broken, a picture is not there, or there is nothing to learn or judge by.
    """
    if not config.train:
        raise UserError("train: name at least one COCO keypoint file")
    train: list[Picture] = []
    held: list[Picture] = []
    judged: dict[Scored, list[Picture]] = {}
    parts = [read_pictures(config.found(path)) for path in config.train]
    check_copies([[picture.path for picture in part] for part in parts], "train")
    for path, pictures in zip(config.train, parts, strict=True):
        count = len(pictures)
        if config.select.best_on == "validation":
            count -= max(1, round(config.select.share * count))
            if not count:
                raise UserError(f"validation leaves no picture of {path}; train on all with select.best_on=none")
        train += pictures[:count]
        held += pictures[count:]
    if held:
        judged["validation"] = held
        logger.info("%d of %d pictures are held out for choosing the best weights", len(held), len(train) + len(held))
    if config.test:
        tested = [picture for path in config.test for picture in read_pictures(config.found(path))]
        warn_of_learnt([picture.path for picture in train], [picture.path for picture in tested], "test")
        judged["test"] = tested
    for name, pictures in judged.items():
        if not any(len(picture.boxes) for picture in pictures):
            raise UserError(f"{name}: there is nobody in its {len(pictures)} pictures to be found")
    return DetectorData(train, judged)


def digest(pictures: Sequence[Picture]) -> str:
    """What tells one training set from another, wherever it lies: names of pictures, and who is where in them."""
    told = hashlib.sha256()
    for picture in pictures:
        told.update(f"{picture.path.name} {len(picture.boxes)}\n".encode())
        for values in (picture.boxes, picture.keypoints, picture.seen):
            told.update(np.ascontiguousarray(values, np.float32).tobytes())
    return told.hexdigest()


def people_of(truths: Sequence[Path], pretrained: Path | None) -> str:
    """What the network knows: sets of ``tools.make_training_set`` lie beside their recipe, weights say it."""
    kinds = {"synthetic" if (path.parent / RECIPE).exists() else "real" for path in truths}
    if pretrained is not None:
        kinds |= set(load_network(pretrained)[1].provenance.get("people", "real").split()) - {"and"}
    return " and ".join(sorted(kinds))
