"""From the people of a group to the rows of its cameras: what is told at once, and what is written once settled."""

from collections.abc import Iterator, Mapping

import numpy as np

from data.records import CONFIRMED, LOST, DoubleArray, FloatArray, IntArray, PartEmbeddings, Tracks, View
from trackers.config import GroupConfig
from trackers.group.area import inside
from trackers.group.bodies import Mask, project
from trackers.group.fusion import Eye
from trackers.group.history import Instant, Rows, chosen
from trackers.group.people import LIKELY, People


def rows_of_view(
    people: People,
    eye: Eye,
    view: View,
    looks: PartEmbeddings | None,
    box: IntArray,
    found_here: Mask,
    area: DoubleArray | None,
    config: GroupConfig,
) -> tuple[Rows, Tracks]:
    """One camera's rows at one instant: detected people, then known ones who ought to be in view.

    Args:
        people: T people.
        eye: the camera.
        view: what it saw.
        looks: appearance of the eye's boxes, or None.
        box: (T,) row of the eye's boxes, -1 = not detected.
        found_here: (T,) the camera usually detects people where this one stands.
        area: (K, 2) corners, metres; people outside are not told. None = all ground.
        config: from when undetected people are told.

    Returns:
        Rows of everybody, tentative people too, for the history; rows of known people in the area, for who asks now.
    """
    place = people.place
    place[:, :2] += people.mean[:, 2:4] * eye.lag_s
    shapes = project(eye.model, eye.sense.size, place, eye.shared)
    real = np.flatnonzero(box >= 0)
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(people.cov[:, :2, :2])[:, 1], 0))
    shown = people.known & (box < 0) & (shapes.inside > config.shown_inside)
    shown &= (spread < config.shown_spread_m) & (people.probability > LIKELY) & found_here
    guessed = np.flatnonzero(shown)
    found = box[real]
    boxes = np.concatenate([eye.boxes.boxes[found], shapes.seen[guessed]]).astype(np.float32)
    scores = np.concatenate([eye.boxes.scores[found], np.zeros(len(guessed))]).astype(np.float32)
    who = np.concatenate([real, guessed])
    keypoints = None
    if view.poses is not None:
        keypoints = np.zeros((len(who), *view.poses.keypoints.shape[1:]), np.float32)
        keypoints[: len(real)] = view.poses.keypoints[eye.boxes.rows[found]]
    looked, kept = np.zeros(0, np.int64), None
    if looks is not None:
        mine = looks.select(found)
        looked = np.flatnonzero(mine.visibility.any(axis=1))
        kept = mine.select(looked)
    rows = Rows(
        camera=eye.number,
        frame=view.frame_index,
        time_s=view.time_s,
        size=view.size,
        serial=people.serial[who],
        number=people.number[who, eye.number],
        boxes=boxes,
        scores=scores,
        keypoints=keypoints,
        looked=looked,
        looks=kept,
        quality=np.maximum(scores, 1e-3),
    )
    told = people.known[who] & inside(people.mean[who, :2], area)
    index = np.concatenate([eye.boxes.rows[found], np.full(len(guessed), -1)]).astype(np.int32)
    tracks = Tracks(
        track_ids=people.number[who, eye.number][told],
        boxes=boxes[told],
        scores=scores[told],
        det_index=index[told],
        state=np.where(index[told] >= 0, CONFIRMED, LOST).astype(np.int8),
        group_id=people.group_id[who][told],
    )
    return rows, tracks


def settled_rows(
    instant: Instant, real_s: Mapping[int, float], group_of: Mapping[int, int], area: DoubleArray | None
) -> Iterator[tuple[Rows, IntArray, FloatArray, FloatArray, FloatArray]]:
    """Rows of an instant that are written: of known people, inside the area, not after their last detection.

    Args:
        instant: smoothed.
        real_s: common time of each serial's last detection.
        group_of: group id of each serial that became known.
        area: (K, 2) corners, metres, or None for all ground.

    Yields:
        Per camera: R rows, group ids (R,), places (R, 2) m, covariances (R, 2, 2) square m, heights (R,) m.
    """
    last = np.array([real_s.get(serial, -np.inf) for serial in instant.serial.tolist()])
    group = np.array([group_of.get(serial, -1) for serial in instant.serial.tolist()], np.int64)
    good = (group >= 0) & (last >= instant.time_s) & inside(instant.mean[:, :2], area)
    place = {serial: row for row, serial in enumerate(instant.serial.tolist())}
    for rows in instant.rows:
        at = np.array([place[serial] for serial in rows.serial.tolist()], np.int64)
        kept = np.flatnonzero((rows.number >= 0) & good[at])
        at = at[kept]
        yield (
            chosen(rows, kept),
            group[at],
            instant.mean[at, :2].astype(np.float32),
            instant.cov[at, :2, :2].astype(np.float32),
            np.exp(instant.mean[at, 4]).astype(np.float32),
        )
