"""What would end a training after hours is looked for before its first step."""

import filecmp
import logging
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.listing import listed
from data.records import IntArray
from reid.ranking.rules import Rule
from reid.samples.labels import read_fields, read_label, strays
from reid.samples.sources import BadFiles, Sample, SourceConfig
from reid.training.selection import answered

logger = logging.getLogger(__name__)

# Files that are read whole before training; that the others are there is looked up.
_READ = 3
# Labels, evenly spread, whose values are looked at.
_LABELS = 200
_ANY_SIZE = (2, 1)


def check_sources(sources: Sequence[SourceConfig]) -> None:
    """Make sure that no data set is named twice.

    Raises:
        UserError: when one is: its people would count as two each.
    """
    for (first, one), (second, other) in combinations(enumerate(sources), 2):
        if one.same_crops(other):
            raise UserError(
                f"train.{first} and train.{second} are one data set, {other.folder}: each of its people would be two"
            )


def check_copies(parts: Sequence[Sequence[Path]], what: str) -> None:
    """Make sure that no two data sets hold the same pictures: of those of one name, some are compared.

    Args:
        parts: the training pictures of each data set.
        what: the key that names the data sets ("train").

    Raises:
        UserError: when two do: each of their people would count as two, and what is held out would be learnt.
    """
    for (first, one), (second, other) in combinations(enumerate(parts), 2):
        both = _same_pictures(one, other)
        if both:
            raise UserError(
                f"{what}.{first} and {what}.{second} hold the same pictures, as {both[0][0].name} and {both[0][1]}: "
                "each of their people would be two; name one of the sets"
            )


def warn_of_learnt(train: Sequence[Path], tested: Sequence[Path], what: str) -> None:
    """Say when a test set holds pictures that are learnt from: its scores are too good then."""
    both = _same_pictures(train, tested)
    if both:
        logger.warning(
            "%s: %d of its %d pictures have the names of training pictures, and those compared are the same ones, as "
            "%s: its scores are too good",
            what, len(both), len(tested), both[0][1],
        )  # fmt: skip


def _same_pictures(one: Sequence[Path], other: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pairs of pictures of one name, none where any of some that are compared differ."""
    known = {path.name: path for path in one}
    both = [(known[path.name], path) for path in other if path.name in known]
    probes = both[:: max(1, len(both) // _READ)][:_READ]
    return both if all(filecmp.cmp(first, second, shallow=False) for first, second in probes) else []


def check_files(samples: Sequence[Sample], what: str, bad_files: BadFiles = "fail") -> None:
    """Make sure that the keypoint files and labels of crops are there, and that some of them can be read.

    Args:
        samples: the crops.
        what: they are, for the message ("train", "test query").
        bad_files: what unreadable files do later: those that are replaced are only told of.

    Raises:
        UserError: when files are absent, or of another form.
    """
    for kind, paths in (
        ("keypoint file", [sample.keypoints for sample in samples]),
        ("parsing label", [sample.labels for sample in samples]),
    ):
        wanted = [path for path in paths if isinstance(path, Path)]
        missing = _absent(wanted)
        if missing:
            told = f"{what}: {len(missing)} of {len(samples)} crops have no {kind}; the first would be {missing[0]}"
            if bad_files == "fail":
                raise UserError(told)
            logger.warning("%s", told)
    _read_first(samples, bad_files)
    _look_at_labels(samples, what, bad_files)


def check_test(query: Sequence[Sample], gallery: Sequence[Sample], rule: Rule) -> None:
    """Make sure that a test set has something to find.

    Raises:
        UserError: when no query has a right answer in the gallery.
    """
    right = len(answered(query, gallery, rule))
    if not right:
        raise UserError(
            f"test: none of the {len(query)} queries has a right answer among the {len(gallery)} gallery crops (rule "
            f"{rule}); give the gallery that belongs to them, or another test_rule"
        )
    if right < len(query):
        logger.info("test: %d of %d queries have no right answer and do not count", len(query) - right, len(query))


def warn_of_single(identities: IntArray) -> None:
    """Say how many people have but one picture."""
    counts = np.unique(identities, return_counts=True)[1]
    single = int((counts == 1).sum())
    if single == len(counts):
        raise UserError("train: nobody has a second picture, so that nothing can be learnt of who is who")
    if single:
        logger.warning(
            "%d of %d people have a single picture: nothing is learnt of what changes between two of theirs",
            single, len(counts),
        )  # fmt: skip


def _absent(paths: Sequence[Path]) -> list[Path]:
    """Which files are not there; each folder is listed once."""
    names: dict[Path, frozenset[str]] = {}
    for folder in dict.fromkeys(path.parent for path in paths):
        names[folder] = frozenset(path.name for path in listed(folder, "*"))
    return [path for path in paths if path.name not in names[path.parent]]


def _read_first(samples: Sequence[Sample], bad_files: BadFiles) -> None:
    for sample in samples[:_READ]:
        try:
            skeletons = sample.skeletons(None)
            if sample.labels is not None:
                read_fields(sample, skeletons.target, _ANY_SIZE)
        except UserError as error:
            if bad_files == "fail":
                raise
            logger.warning("%s", error)


def _look_at_labels(samples: Sequence[Sample], what: str, bad_files: BadFiles) -> None:
    """Say how many labels hold values that will be cut."""
    paths = [sample.labels for sample in samples if sample.labels is not None]
    looked_at = paths[:: -(-len(paths) // _LABELS) or 1]
    cut = []
    for path in looked_at:
        try:
            if strays(read_label(path)):
                cut.append(path)
        except UserError as error:
            if bad_files == "fail":
                raise
            logger.warning("%s", error)
    if cut:
        logger.warning(
            "%s: %d of %d parsing labels that were looked at hold values outside 0 to 1, or NaN, which are cut to 0 to "
            "1; the first is %s",
            what, len(cut), len(looked_at), cut[0],
        )  # fmt: skip
