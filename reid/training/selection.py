"""Which weights of a training are kept as its best, and what is held out to choose them by."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from data.config import Section
from data.errors import UserError
from data.records import IntArray
from reid.ranking.rules import Rule, check_rule, left_out
from reid.samples.sources import Sample

_ORDER = 2


class SelectConfig(Section):
    """How the best weights are chosen."""

    best_on: Literal["validation", "test", "none"] = Field(
        "validation",
        description="validation: on training identities held out for it (best.safetensors); none: all identities train "
        "and the last weights count, as published; test: on the test set itself (best_on_test.safetensors), whose "
        "scores are too good then",
    )
    share: float = Field(0.1, gt=0, lt=1, description="validation: share of each training set's identities held out")
    patience: int = Field(0, ge=0, description="scorings without a better one after which training ends; 0: it goes on")

    @model_validator(mode="after")
    def _fits(self) -> "SelectConfig":
        if self.patience and self.best_on == "none":
            raise ValueError("patience: best_on: none leaves nothing to wait for")
        return self

    def check_scorings(self, evaluate_every: int) -> None:
        """Make sure that patience has scorings to count.

        Raises:
            ValueError: when only the end is scored.
        """
        if self.patience and not evaluate_every:
            raise ValueError("select.patience counts scorings, and evaluate_every=0 scores only at the end")


def held_out(identities: IntArray, sets: IntArray, share: float, seed: int) -> IntArray:
    """Draw the identities of the validation, at least two of each set.

    Args:
        identities: (N,) of each picture, from 0 on.
        sets: (N,) int64, which training set each picture is of.
        share: of the identities.
        seed: of the whole training.

    Returns:
        Sorted identities.
    """
    chosen = []
    for number in np.unique(sets):
        people = np.unique(identities[sets == number])
        count = min(max(2, round(share * len(people))), len(people))
        rng = np.random.default_rng([seed, _ORDER, int(number)])
        chosen.append(rng.choice(people, count, replace=False))
    return np.sort(np.concatenate(chosen))


def queries_and_gallery(samples: Sequence[Sample], rule: Rule) -> tuple[IntArray, IntArray]:
    """Split crops into searched for and searched in: each identity's first crop of each camera is a query.

    Args:
        samples: the crops.
        rule: what a query ranks.

    Returns:
        Rows of the queries that have an answer, and rows of the gallery.

    Raises:
        UserError: when no query has an answer.
    """
    pairs = np.array([(sample.identity, sample.camera) for sample in samples], np.int64).reshape(-1, 2)
    first = np.sort(np.unique(pairs, axis=0, return_index=True)[1])
    gallery = np.setdiff1d(np.arange(len(samples)), first)
    queries = first[answered([samples[row] for row in first], [samples[row] for row in gallery], rule)]
    if not len(queries):
        raise UserError(
            "select.best_on=validation: no picture of the identities held out finds another of its person "
            f"(rule {rule}); hold out more with select.share, or set select.best_on=none"
        )
    return queries, gallery


def answered(queries: Sequence[Sample], gallery: Sequence[Sample], rule: Rule) -> IntArray:
    """Which queries have a right answer in a gallery: their rows, (A,).

    Args:
        queries: crops searched for.
        gallery: crops searched in.
        rule: what a query ranks.

    Raises:
        UserError: when the rule goes by clothes that a crop does not tell.
    """
    dressed = all(sample.clothes is not None for sample in (*queries, *gallery))
    check_rule(rule, dressed or None)
    by_person: dict[int, list[Sample]] = {}
    for sample in gallery:
        by_person.setdefault(sample.identity, []).append(sample)
    found = []
    for row, query in enumerate(queries):
        right = by_person.get(query.identity, [])
        same_camera = np.array([sample.camera == query.camera for sample in right], bool)
        same_clothes = np.array([sample.clothes == query.clothes for sample in right], bool) if dressed else None
        if not left_out(rule, same_camera, same_clothes).all():
            found.append(row)
    return np.array(found, np.int64)
