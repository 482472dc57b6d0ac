"""What a ReID training learns from, what its best weights are chosen on, and what it is tested on."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.errors import UserError
from reid.ranking.rules import Rule
from reid.samples.sources import BadFiles, Sample, SourceConfig, default_rule, join, read_source, set_names
from reid.training.checks import check_copies, check_files, check_sources, check_test, warn_of_learnt, warn_of_single
from reid.training.selection import SelectConfig, held_out, queries_and_gallery

logger = logging.getLogger(__name__)

# Nothing can be told apart with fewer.
_LEAST_PEOPLE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Crops that are searched for and searched in.

    Attributes:
        query: searched for.
        gallery: searched in.
        rule: which gallery crops a query ranks.
    """

    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """The crops of a training, all of whose files are there.

    Attributes:
        train: identities and cameras from 0 on.
        sets: which of the data sets each is of.
        people: identities in it.
        cameras: for each camera of the training sets its number there.
        validation: what the best weights are chosen on; its cameras are numbered as in ``train``.
        test: the test set.
        also: further test sets by their names (``set_names``).
    """

    train: list[Sample]
    sets: tuple[int, ...]
    people: int
    cameras: tuple[int, ...]
    validation: Split | None
    test: Split | None
    also: tuple[tuple[str, Split], ...] = ()

    def queries(self) -> tuple[Sample, ...]:
        """All that is searched for."""
        return tuple(sample for split in self._splits() for sample in split.query)

    def galleries(self) -> tuple[Sample, ...]:
        """All that is searched in."""
        return tuple(sample for split in self._splits() for sample in split.gallery)

    def _splits(self) -> list[Split]:
        first = [split for split in (self.validation, self.test) if split is not None]
        return [*first, *(split for _, split in self.also)]


def training_data(
    train: Sequence[SourceConfig],
    test: SourceConfig | None,
    test_rule: Rule | None,
    select: SelectConfig,
    people: int,
    seed: int,
    bad_files: BadFiles = "fail",
    also: Sequence[SourceConfig] = (),
) -> TrainingData:
    """List and check everything a training will read.

    Args:
        train: data sets to learn from.
        test: data set to score, or None.
        test_rule: what its queries rank; None: as it is published.
        select: what the best weights are chosen on.
        people: identities in a batch.
        seed: of the whole training.
        bad_files: what unreadable files do.
        also: further data sets to score, by their own rules.

    Raises:
        UserError: when a data set is absent, named twice, lacks files, or has nothing to learn, choose or test by.
    """
    check_sources(train)
    parts = [read_source(source, "train", bad_files).train for source in train]
    check_copies([[sample.path for sample in part] for part in parts], "train")
    tested = None if test is None else _test(test, test_rule)
    names = set_names([source.folder for source in (*also, *([] if test is None else [test]))])[: len(also)]
    others = tuple((name, _test(source, None)) for name, source in zip(names, also, strict=True))
    samples, known, cameras = join(parts)
    if not samples:
        raise UserError("train: no crop is left to learn from")
    check_files(samples, "train", bad_files)
    learnt = [sample.path for sample in samples]
    for what, split in (("test", tested), *((f"test_also {name}", split) for name, split in others)):
        if split is not None:
            warn_of_learnt(learnt, [sample.path for sample in (*split.query, *split.gallery)], what)
    warn_of_single(np.array([sample.identity for sample in samples], np.int64))
    sets = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    if select.best_on != "validation":
        return TrainingData(samples, tuple(sets.tolist()), known, cameras, None, tested, others)
    identities = np.array([sample.identity for sample in samples], np.int64)
    held = np.isin(identities, held_out(identities, sets, select.share, seed))
    validation = _validation([samples[row] for row in np.flatnonzero(held)], default_rule(train[0].kind))
    left, renumbered = np.unique(identities[~held], return_inverse=True)
    check_left(len(left), known, people)
    logger.info(
        "%d of %d people are held out for choosing the best weights, %d queries; select.best_on=none trains on all",
        known - len(left), known, len(validation.query),
    )  # fmt: skip
    kept = [
        replace(samples[row], identity=identity)
        for row, identity in zip(np.flatnonzero(~held).tolist(), renumbered.tolist(), strict=True)
    ]
    return TrainingData(kept, tuple(sets[~held].tolist()), len(left), cameras, validation, tested, others)


def check_left(left: int, all_people: int, batch: int) -> None:
    """Make sure that a batch can be made of the identities that validation leaves.

    Raises:
        UserError: when there are fewer.
    """
    if left < batch:
        cure = "lower batch.people, or " if batch > _LEAST_PEOPLE else ""
        raise UserError(
            f"validation leaves {left} of {all_people} identities, fewer than one batch of {batch}; {cure}train on all "
            "with select.best_on=none"
        )


def _validation(samples: Sequence[Sample], rule: Rule) -> Split:
    queries, gallery = queries_and_gallery(samples, rule)
    return Split(tuple(samples[row] for row in queries), tuple(samples[row] for row in gallery), rule)


def digest(samples: Sequence[Sample]) -> str:
    """What tells one training set from another, wherever it lies: the names and identities of its pictures."""
    told = hashlib.sha256()
    for sample in samples:
        told.update(f"{sample.path.name} {sample.identity} {sample.camera}\n".encode())
    return told.hexdigest()


def _test(source: SourceConfig, rule: Rule | None) -> Split:
    data, rule = read_source(source, "test"), rule or default_rule(source.kind)
    check_files(data.query, "test query")
    check_files(data.gallery, "test gallery")
    check_test(data.query, data.gallery, rule)
    return Split(data.query, data.gallery, rule)
