"""Where labelled visits come from: file names of data sets, ground truth of several cameras, tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.datasets.reid_folders import picture_names
from data.errors import UserError, first_line
from data.foreign import read_text
from data.formats.camera_texts import camera_texts
from data.formats.mot import PEDESTRIAN, read_mot
from data.formats.reid_names import ReidNames, Style, parse_names
from data.site import Site
from st_model.visits import Boxes, Visits, make_visits, visits_from_rows

NAME_GAP_S = 20.0
TRACK_GAP_S = 2.0
_VISIT_COLUMNS = ("identity", "camera", "enter_s", "leave_s")
_ROW_COLUMNS = ("identity", "camera", "time_s")
_BOX_COLUMNS = ("x1", "y1", "x2", "y2", "width", "height")
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class GapRule:
    """How sightings become visits.

    Attributes:
        gap_s: longest gap inside a visit, seconds; None takes what suits the source.
    """

    gap_s: float | None = None

    def of(self, default_s: float) -> float:
        """The gap for a source whose usual one is ``default_s``."""
        return default_s if self.gap_s is None else self.gap_s


def read_names(path: Path, style: Style | None = None, duke_offsets: bool = False) -> ReidNames:
    """Names of labelled pictures with a time: of a folder, or of a text file with one name per line.

    Distractors and junk (identities 0 and -1) are left out.

    Raises:
        UserError: when nothing is found, a name is not of a known style, or the style carries no time (MARS).
    """
    if path.is_dir():
        names = picture_names(path)
    else:
        names = read_text(path, what=f"file names from {path}").split()
    parsed = parse_names(names, style, duke_offsets)
    if parsed.style == "mars":
        raise UserError(
            f"{path}: MARS names count frames within a tracklet and carry no time, so no lag can be learnt from them; "
            f"give a Parquet table with the columns {', '.join(_VISIT_COLUMNS)}"
        )
    people = parsed.identities > 0
    if not people.any():
        raise UserError(f"{path} names no identity above 0: nothing to learn from")
    kept = [name for name, person in zip(parsed.names, people) if person]
    return parse_names(kept, parsed.style, duke_offsets)


def visits_of_names(names: ReidNames, gaps: GapRule) -> Visits:
    """Visits of named pictures; cameras are called c1, c2, ..."""
    cameras = [f"c{number}" for number in names.cameras.tolist()]
    return visits_from_rows(names.identities, cameras, names.times_s, gaps.of(NAME_GAP_S), 1.0 / names.fps)


def visits_of_ground_truth(
    folder: Path, gaps: GapRule, fps: float | None, site: Site | None, size: Size | None = None
) -> Visits:
    """Visits of MOT-style ground truth: ``<camera>.txt`` per camera, ids shared over cameras.

    Where the size of a picture is known, its visits know where they begin and end, and their pace.

    Args:
        folder: of the files; ignored rows (flag 0) and other classes do not count.
        gaps: how sightings become visits.
        fps: frames per second of every camera; None takes the site's.
        site: frame rates, sizes and clocks; None lets all cameras begin at the same instant.
        size: (width, height) px of every camera's pictures; None takes the site's.

    Raises:
        UserError: when there is no file, a frame rate is not known, or a camera's clock is not common.
    """
    paths = list(camera_texts(folder).values())
    if not paths:
        raise UserError(f"{folder} holds no <camera>.txt with ground truth")
    who, where, when = [], [], []
    corners, sizes = [], []
    longest = 0.0
    for path in paths:
        camera = path.stem
        rate = fps or (site.fps(camera) if site else None)
        if rate is None:
            raise UserError(f"the frame rate of camera {camera} is not known; give --fps, or a site file with fps")
        if site is not None and not site.clock(camera).known:
            raise UserError(f"the clock of camera {camera} is unknown in the site file; lags need a common clock")
        table = read_mot(path, "gt")
        table = table.select(table.flags & (table.class_ids == PEDESTRIAN))
        times = table.frames / rate
        who.append(table.ids)
        where += [camera] * len(table)
        when.append(times if site is None else site.common_times(camera, times))
        longest = max(longest, 1.0 / rate)
        known = size or (site.size(camera) if site else None) or (0, 0)
        corners.append(table.boxes)
        sizes.append(np.tile(np.array(known, np.float64), (len(table), 1)))
    everyone = [path.stem for path in paths]
    return visits_from_rows(
        np.concatenate(who),
        where,
        np.concatenate(when),
        gaps.of(TRACK_GAP_S),
        longest,
        all_cameras=everyone,
        boxes=Boxes(np.concatenate(corners), np.concatenate(sizes)),
    )


def visits_of_table(path: Path, gaps: GapRule) -> Visits:
    """Visits of a Parquet table.

    Columns identity, camera, enter_s, leave_s and optionally weight (one row per visit), or identity, camera, time_s
    (one row per sighting) and optionally its box and the size of the picture: x1, y1, x2, y2, width, height, px. Other
    columns are passed over.

    Raises:
        UserError: when the file is not Parquet, or has neither set of columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, memory_map=False, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read {path} as Parquet: {first_line(error)}") from None
    there = set(table.column_names)

    def column(name: str) -> np.ndarray:
        return np.asarray(table.column(name).to_numpy(zero_copy_only=False))

    if there.issuperset(_VISIT_COLUMNS):
        who, where, enter, leave = (column(name) for name in _VISIT_COLUMNS)
        weights = column("weight") if "weight" in there else None
        return make_visits(who, where.astype(np.str_), enter, leave, weights)
    if there.issuperset(_ROW_COLUMNS):
        who, where, when = (column(name) for name in _ROW_COLUMNS)
        boxes = None
        if there.issuperset(_BOX_COLUMNS):
            columns = np.column_stack([column(name).astype(np.float64) for name in _BOX_COLUMNS])
            boxes = Boxes(columns[:, :4], columns[:, 4:])
        return visits_from_rows(who, where.astype(np.str_), when, gaps.of(TRACK_GAP_S), boxes=boxes)
    raise UserError(
        f"{path} has the columns {', '.join(table.column_names)}; needed are {', '.join(_VISIT_COLUMNS)} (one row per "
        f"visit) or {', '.join(_ROW_COLUMNS)} (one row per sighting)"
    )
