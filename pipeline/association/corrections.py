"""What a person declared: these two are one, those are not.

version: 1
corrections:
  - same:                                   # or: different
      - {camera: lobby, time_s: 12.4, box: [410, 120, 480, 330]}
      - {camera: gate, time_s: 31.0, box: [90, 200, 150, 395]}
    note: red jacket                        # optional

Times are the camera's own, boxes x1 y1 x2 y2 in pixels. So a correction outlives the ids of one run: in each run it
goes to the tracklets that lie there then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from pydantic import Field, FiniteFloat, model_validator

from data.atomic import write_text
from data.config import Section, validated
from data.errors import UserError
from data.foreign import read_yaml
from data.kernels.boxes import row_ious
from pipeline.association.config import CorrectionConfig
from pipeline.association.table import TrackletTable

_WIDTH = 120


class Anchor(Section):
    """One person at one instant of one camera."""

    camera: str
    time_s: FiniteFloat = Field(description="the camera's own time, seconds")
    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] = Field(description="x1, y1, x2, y2, pixels")

    @model_validator(mode="after")
    def _has_area(self) -> "Anchor":
        if self.box[2] <= self.box[0] or self.box[3] <= self.box[1]:
            raise ValueError("box must be [x1, y1, x2, y2] with x2 > x1 and y2 > y1")
        return self


class _Entry(Section):
    same: tuple[Anchor, Anchor] | None = None
    different: tuple[Anchor, Anchor] | None = None
    note: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> "_Entry":
        if (self.same is None) == (self.different is None):
            raise ValueError("give either 'same' or 'different', with two places")
        return self


class _File(Section):
    version: Literal[1] = 1
    corrections: list[_Entry]


@dataclass(frozen=True, slots=True)
class Correction:
    """Two places that show one person ("same") or two ("different")."""

    kind: Literal["same", "different"]
    a: Anchor
    b: Anchor
    note: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Corrections as pairs of rows (lower, higher); what could not be applied, as lines for the user."""

    same: list[tuple[int, int]]
    different: list[tuple[int, int]]
    warnings: list[str]


def load_corrections(path: Path) -> list[Correction]:
    """Read a file of corrections, YAML or JSON.

    Raises:
        UserError: when it is missing, not valid, or has an unknown key.
    """
    tree = read_yaml(path, f"the corrections {path}")
    if not isinstance(tree, dict):
        raise UserError(f"the corrections {path} must be a mapping with the key 'corrections'")
    entries = validated(_File, tree, f"the corrections {path}").corrections
    found = []
    for entry in entries:
        if entry.same is not None:
            found.append(Correction("same", *entry.same, entry.note))
        if entry.different is not None:
            found.append(Correction("different", *entry.different, entry.note))
    return found


def corrections_of_run(own: Path, given: Path | None = None) -> list[Correction]:
    """Those of a file that was given, which has to be there; else of the run's own file, if there is one.

    Raises:
        UserError: when the file is missing or not valid.
    """
    if given is None and not own.exists():
        return []
    return load_corrections(own if given is None else given)


def write_corrections(path: Path, corrections: Sequence[Correction]) -> None:
    """Write a file of corrections, atomically. Notes are kept; YAML comments of an earlier file are not.

    Raises:
        UserError: when it cannot be written.
    """
    entries = [
        {
            correction.kind: [anchor.model_dump(mode="json") for anchor in (correction.a, correction.b)],
            **({"note": correction.note} if correction.note else {}),
        }
        for correction in corrections
    ]
    text = yaml.safe_dump({"version": 1, "corrections": entries}, sort_keys=False, allow_unicode=True, width=_WIDTH)
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"cannot write the corrections {path}: {error.strerror}") from None


def anchor_of(table: TrackletTable, row: int, config: CorrectionConfig) -> Anchor | None:
    """A place that finds this tracklet and no other: one of its boxes, from the middle on; None: there is none."""
    tracklet = table.tracklets[row]
    middle = len(tracklet) // 2
    for place in sorted(range(len(tracklet)), key=lambda place: (abs(place - middle), place)):
        box = [round(float(side), 1) for side in tracklet.boxes[place]]
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        anchor = Anchor.model_validate(
            {"camera": tracklet.camera, "time_s": round(float(tracklet.times_s[place]), 6), "box": box}
        )
        if _find(anchor, table, config) == row:
            return anchor
    return None


def resolve(corrections: Sequence[Correction], table: TrackletTable, config: CorrectionConfig) -> Resolved:
    """Find the tracklets of each correction.

    One that finds no tracklet, or the same one twice under "different", is listed. Where a pair is declared both ways,
    the later correction holds.
    """
    decided: dict[tuple[int, int], tuple[str, int]] = {}
    warnings = []
    for number, correction in enumerate(corrections, 1):
        name = f"correction {number} ({correction.kind})"
        rows = []
        for anchor in (correction.a, correction.b):
            row = _find(anchor, table, config)
            if row is None:
                warnings.append(
                    f"{name} was not applied: no tracklet of camera '{anchor.camera}' lies on box "
                    f"{[round(value) for value in anchor.box]} at {anchor.time_s:g} s"
                )
            else:
                rows.append(row)
        if len(rows) < 2:
            continue
        low, high = min(rows), max(rows)
        if low == high:
            if correction.kind == "different":
                warnings.append(
                    f"{name} was not applied: one tracklet holds both places, the tracker mixed two people up"
                )
            continue
        before = decided.get((low, high))
        if before is not None and before[0] != correction.kind:
            warnings.append(f"{name} contradicts correction {before[1]}; the later one holds")
        decided[low, high] = (correction.kind, number)
    same = [pair for pair, (kind, _) in decided.items() if kind == "same"]
    different = [pair for pair, (kind, _) in decided.items() if kind == "different"]
    return Resolved(sorted(same), sorted(different), warnings)


def tracklets_of(
    correction: Correction, table: TrackletTable, config: CorrectionConfig
) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """(camera, local_id) of the tracklet that each of a correction's places lies on; None where there is none."""

    def found(anchor: Anchor) -> tuple[str, int] | None:
        row = _find(anchor, table, config)
        return None if row is None else table.tracklets[row].key

    return found(correction.a), found(correction.b)


def _find(anchor: Anchor, table: TrackletTable, config: CorrectionConfig) -> int | None:
    """Row of the tracklet whose box at that instant (between its rows, interpolated) overlaps the anchor's most."""
    wanted = np.array([anchor.box], np.float32)
    best, found = config.min_iou, None
    for row, tracklet in enumerate(table.tracklets):
        if tracklet.camera != anchor.camera:
            continue
        times = tracklet.times_s
        if not times[0] - config.max_gap_s <= anchor.time_s <= times[-1] + config.max_gap_s:
            continue
        box = np.array([[np.interp(anchor.time_s, times, side) for side in tracklet.boxes.T]], np.float32)
        iou = float(row_ious(box, wanted)[0])
        if iou >= best and (found is None or iou > best):
            best, found = iou, row
    return found
