"""The layouts of re-identification data sets by name. Adding one is a module in ``data.datasets`` and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from data.datasets.cloth_changing import list_ltcc, list_prcc, list_prcc_same_clothes
from data.datasets.cuhk03 import (
    list_cuhk03_classic_detected,
    list_cuhk03_classic_labeled,
    list_cuhk03_detected,
    list_cuhk03_labeled,
)
from data.datasets.market_layout import list_market_layout
from data.datasets.msmt17 import list_msmt17
from data.datasets.occluded_posetrack import list_occluded_posetrack
from data.datasets.occluded_reid import list_occluded_reid
from data.datasets.p_dukemtmc import list_p_dukemtmc
from data.datasets.partial_reid import list_partial_reid
from data.datasets.reid_crops import CropSplits, Use
from reid.ranking.rules import Rule


class Lister(Protocol):
    """Lists the crops of a data set."""

    def __call__(self, root: Path, use: Use = "all", /) -> CropSplits:
        """List them; a ``UserError`` says what was expected in ``root`` and what is there."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set lies on disk, and how it is scored.

    Attributes:
        listed_by: gives its crops.
        rule: which gallery crops a query ranks where the published figures come from.
        own_labels: it has one place for parsing labels, whatever the folder is called.
        single_shot: its published CMC curve is of galleries with one picture per person.
        numbered: gives the crops of one of several published splits, numbered from 0; None: there is one.
    """

    listed_by: Lister
    rule: Rule = "market"
    own_labels: bool = False
    single_shot: bool = False
    numbered: Callable[[Path, Use, int], CropSplits] | None = None


LAYOUTS = {
    "market": Layout(list_market_layout),
    "cuhk03_labeled": Layout(list_cuhk03_labeled),
    "cuhk03_detected": Layout(list_cuhk03_detected),
    "cuhk03_classic_labeled": Layout(
        list_cuhk03_classic_labeled, single_shot=True, numbered=list_cuhk03_classic_labeled
    ),
    "cuhk03_classic_detected": Layout(
        list_cuhk03_classic_detected, single_shot=True, numbered=list_cuhk03_classic_detected
    ),
    "msmt17": Layout(list_msmt17),
    # Both settings of LTCC are published; this is the one it was made for, rule market is the other.
    "ltcc": Layout(list_ltcc, rule="changed_clothes"),
    # Its settings differ by the camera of the queries, so that the rule has nothing left to leave out.
    "prcc": Layout(list_prcc, single_shot=True),
    "prcc_same_clothes": Layout(list_prcc_same_clothes, single_shot=True),
    "occluded_reid": Layout(list_occluded_reid),
    "partial_reid": Layout(list_partial_reid, own_labels=True),
    "p_dukemtmc": Layout(list_p_dukemtmc),
    # Its cameras are videos: nothing is left out; rules intra and inter are its variants within and across videos.
    "occluded_posetrack": Layout(list_occluded_posetrack, rule="all", own_labels=True),
}
