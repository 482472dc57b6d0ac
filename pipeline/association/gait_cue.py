"""Gait as a cue: do two tracklets walk alike, and are they of one build?

Skeletons of tracklets are lifted (``pipeline.gait``) and described (``reid.gait``); a matcher that learnt of other
people what varies within and between them gives the likelihood ratio, after the site's own spread has been counted as
error.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.records import DoubleArray, IntArray
from data.site import Site
from pipeline.association.config import GaitCueConfig
from pipeline.association.cue import Bools, Cue, CueInput
from pipeline.gait.recordings import LiftOptions, recording_of
from reid.gait.description import describe
from reid.gait.files import load_matcher
from reid.gait.matching import AdaptedGaits, GaitMatcher

if TYPE_CHECKING:
    from reid.gait.encoder import GaitEncoder

NAME = "gait"

_CHUNK = 512
_FEWEST = 2


@dataclass(frozen=True, slots=True, eq=False)
class GaitSource:
    """Gaits of the tracklets that show one.

    Attributes:
        gaits: of K tracklets.
        place: (N,) row of ``gaits`` of each tracklet, -1 where its gait is not known.
        config: of the cue.
        facts: for the manifest.
        warnings: for the user.
    """

    gaits: AdaptedGaits
    place: IntArray
    config: GaitCueConfig
    facts: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def propose(self) -> tuple[IntArray, IntArray]:
        """The tracklets most alike of each, where that speaks for one person."""
        rows = np.flatnonzero(self.place >= 0)
        if len(rows) < _FEWEST:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        count = min(self.config.candidates, len(rows) - 1)
        found_a, found_b = [], []
        for begin in range(0, len(rows), _CHUNK):
            part = np.arange(begin, min(begin + _CHUNK, len(rows)))
            ratios = self.gaits.log_ratios(part)
            ratios[np.arange(len(part)), part] = -np.inf
            best = np.argsort(-ratios, axis=1, kind="stable")[:, :count]
            likely = np.take_along_axis(ratios, best, axis=1) > 0
            found_a.append(rows[np.repeat(part, likely.sum(axis=1))])
            found_b.append(rows[best[likely]])
        return np.concatenate(found_a), np.concatenate(found_b)

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """What gaits say of each pair; no evidence where either is not known."""
        left, right = self.place[a], self.place[b]
        known = (left >= 0) & (right >= 0)
        llr = np.full(len(a), np.nan)
        ratio = self.gaits.log_ratio(left[known], right[known])
        llr[known] = np.clip(ratio, -self.config.bound, self.config.bound)
        return Cue(NAME, llr, evident=True, facts=self.facts, warnings=self.warnings)


@dataclass(frozen=True, slots=True, eq=False)
class NoGait:
    """A cue that was asked for and has nothing to compare: it says so.

    Attributes:
        facts: plain values for the report.
        warnings: lines for the user.
    """

    facts: dict[str, Any]
    warnings: tuple[str, ...]

    def propose(self) -> tuple[IntArray, IntArray]:
        """No pairs."""
        return np.zeros(0, np.int64), np.zeros(0, np.int64)

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """No evidence about any pair."""
        return Cue(NAME, np.full(len(a), np.nan), evident=True, facts=self.facts, warnings=self.warnings)


def gait_source(given: CueInput) -> GaitSource | NoGait | None:
    """Describe the gaits of the tracklets; None without a matcher."""
    config = given.config.gait
    if config.model is None:
        return None
    matcher, encoder = load_matcher(Path(config.model))
    rows, features, reasons = _described(given, matcher, config, encoder)
    if len(rows) < _FEWEST:
        why = ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items())) or "there are no tracklets"
        line = f"gait says nothing: {len(rows)} tracklets show theirs ({why}); give skeletons and calibrated cameras"
        return NoGait({"gaits": len(rows), "left_out": reasons}, (line,))
    gaits = matcher.adapt(features)
    facts = {"gaits": len(rows), "strange": round(gaits.strange, 2), "left_out": reasons}
    place = np.full(len(given.table), -1)
    warnings: tuple[str, ...] = ()
    if gaits.strange > config.strangest:
        warnings = (
            f"skeletons of this site vary {gaits.strange:.1f} times as much as those {config.model} learnt from; "
            "gait is left out: keypoints or calibration are not good enough for it",
        )
    else:
        place[rows] = np.arange(len(rows))
    return GaitSource(gaits, place, config, facts, warnings)


def _described(
    given: CueInput, matcher: GaitMatcher, config: GaitCueConfig, encoder: "GaitEncoder | None"
) -> tuple[IntArray, DoubleArray, dict[str, int]]:
    """Rows whose gait is known, their features, and why others are left out."""
    options = LiftOptions(matcher.form, matcher.fps, config.keypoint_min)
    site = Site.blank(given.table.cameras) if given.site is None else given.site
    lifted = [recording_of(tracklet, site, options) for tracklet in given.table.tracklets]
    reasons: dict[str, int] = {}
    for item in lifted:
        if isinstance(item, str):
            reasons[item] = reasons.get(item, 0) + 1
    kept = [row for row, item in enumerate(lifted) if not isinstance(item, str)]
    recordings = [item for item in lifted if not isinstance(item, str)]
    features, counts = describe(recordings, matcher.frames, encoder)
    enough: Bools = counts >= config.least_sequences
    if (~enough).any():
        reasons["too few whole skeletons in a row"] = int((~enough).sum())
    return np.array(kept, np.int64)[enough], features[enough], reasons
