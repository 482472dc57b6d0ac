"""The tracker of one camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.kernels.parts import embedding_distance
from data.records import (
    CONFIRMED,
    LOST,
    Detections,
    FloatArray,
    Image,
    IntArray,
    PartEmbeddings,
    Poses,
    Tracklet,
    TrackletEvent,
    Tracks,
    View,
)
from trackers.appearance import DistanceScale
from trackers.assignment import assign
from trackers.config import TrackerConfig
from trackers.costs import PairCosts, add_pose, clear_share, pair_costs, pose_distance
from trackers.lifecycle import confirmable, ended, mark, starters
from trackers.matching import associate, refind_cost
from trackers.motion import MotionModel, MotionState
from trackers.scope import Embed, Proposal, embed_request
from trackers.steps import Step, step_after, tell_skipped, usable_rows
from trackers.table import KEYPOINTS, TrackTable
from trackers.tracklets import TrackletBuilder


@dataclass(frozen=True, slots=True)
class _Prediction:
    """What ``propose`` worked out and ``commit`` goes on from.

    N are the usable detections, best first; T the live tracks.

    Attributes:
        revision: number of commits before this proposal; another number means that it is out of date.
        step: how this frame follows the last one.
        rows: (N,) row of each detection in the view.
        boxes, scores: (N, 4), (N,).
        keypoints: (N, 17, 3), or None without poses.
        clear: (N,) share of each box that nobody in front covers.
        motion: T predicted tracks.
        moved_keypoints: (T, 17, 3) last skeletons, moved with the boxes.
        pairs: (T, N) what motion says.
    """

    revision: int
    step: Step
    rows: IntArray
    boxes: FloatArray
    scores: FloatArray
    keypoints: FloatArray | None
    clear: FloatArray
    motion: MotionState
    moved_keypoints: FloatArray
    pairs: PairCosts


class CameraTracker:
    """Tracks one camera (``trackers.scope.ScopeTracker``).

    Time may jump: a gap of more than ``max_gap_s``, forwards or (a restarted source) backwards, closes all tracks. A
    frame that is otherwise not later than the one before is left out, with one warning, and counted in ``skipped``.
    Results do not depend on the order of the detections, nor on other trackers.
    """

    def __init__(self, camera: str, config: TrackerConfig | None = None) -> None:
        self.cameras: tuple[str, ...] = (camera,)
        self._config = config or TrackerConfig()
        self._model = MotionModel(self._config.motion)
        self.reset()

    @property
    def row_capacity(self) -> int:
        """Track rows there is memory for."""
        return self._builder.row_capacity

    def reset(self) -> None:
        """Forget everything, ids included, so that the object can track another video."""
        self.skipped = 0
        self._table = TrackTable.empty()
        self._builder = TrackletBuilder(self.cameras[0], self._config)
        self._scale = DistanceScale(self._config.looks)
        self._next_serial = 0
        self._time_s: float | None = None
        self._revision = 0
        self._finished: list[Tracklet] = []

    def propose(self, views: Sequence[View]) -> Proposal:
        """Predict to the instant of the view, gate, and say which rows need appearance. Changes nothing.

        Raises:
            ValueError: when there is not exactly one view, or it is of another camera.
        """
        if len(views) != 1 or views[0].camera != self.cameras[0]:
            names = [view.camera for view in views]
            raise ValueError(f"the tracker of camera '{self.cameras[0]}' takes one view of it at a time, not {names}")
        prediction = self._predict(views[0])
        return Proposal((views[0],), (self._wanted(prediction, views[0].time_s),), prediction)

    def commit(
        self, proposal: Proposal, embeddings: Sequence[PartEmbeddings | None]
    ) -> tuple[list[Tracks], list[TrackletEvent]]:
        """Decide, given the appearance of the wanted rows.

        Raises:
            ValueError: when the proposal is not the one made last, or embeddings of two models are mixed.
        """
        prediction: _Prediction = proposal.state
        (view,) = proposal.views
        if prediction.revision != self._revision:
            raise ValueError(f"camera '{view.camera}': this proposal is out of date; commit each before the next")
        self._revision += 1
        if prediction.step == "skip":
            self.skipped += 1
            what = f"camera '{view.camera}': frame {view.frame_index}"
            tell_skipped(what, view.time_s, self._time_s, self.skipped)
            return [Tracks.empty()], []
        if prediction.step == "cut":
            self._end(np.ones(len(self._table), bool))
        self._time_s = view.time_s
        # Skeletons may have come since the proposal, for the rows that it wanted.
        keypoints = None if view.poses is None else view.poses.keypoints[prediction.rows]
        prediction = replace(prediction, keypoints=keypoints)
        looks = None if embeddings[0] is None else embeddings[0].select(prediction.rows)
        tracks = self._track(view, prediction, looks)
        return [tracks], self._builder.events(view.time_s)

    def update(
        self,
        detections: Detections,
        time_s: float,
        image: Image | None = None,
        embedder: Embed | None = None,
        poses: Poses | None = None,
    ) -> Tracks:
        """One frame in a loop of your own: ``propose``, appearance where it is wanted, ``commit``.

        Args:
            detections: N people.
            time_s: of the frame, seconds; rising.
            image: (H, W, 3) uint8 RGB. It tells the size of the frame, so that people who leave it are let go, and
                the embedder looks at it.
            embedder: describes looks, as those of ``reid.embedders``; None tracks by motion alone.
            poses: skeletons, row-aligned with the detections, or None.

        Returns:
            The people of this frame; ``det_index`` leads back to the detections.

        Raises:
            ValueError: when there is an embedder and no image.
        """
        if embedder is not None and image is None:
            raise ValueError("an embedder needs the image: update(detections, time_s, image, embedder)")
        size = (0, 0) if image is None else (image.shape[1], image.shape[0])
        proposal = self.propose([View(self.cameras[0], self._revision, time_s, size, detections, poses)])
        looks = None
        if embedder is not None and image is not None and len(proposal.wanted[0]):
            (found,) = embedder([embed_request(proposal.views[0], image, proposal.wanted[0])])
            looks = found.scatter(proposal.wanted[0], len(detections))
        (tracks,), events = self.commit(proposal, [looks])
        self._finished += [event.tracklet for event in events if event.kind == "closed"]
        return tracks

    def finish(self) -> list[Tracklet]:
        """End a loop over ``update``: every tracklet since it began, by local id."""
        closed = self._finished + [event.tracklet for event in self.flush() if event.kind == "closed"]
        self._finished = []
        return sorted(closed, key=lambda tracklet: tracklet.local_id)

    def flush(self) -> list[TrackletEvent]:
        """Close every live tracklet: the input has ended."""
        self._end(np.ones(len(self._table), bool))
        return self._builder.events(self._time_s or 0.0)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later, as plain values and arrays (``data.formats.state``); between commits."""
        return {
            "table": self._table.tree(),
            "builder": self._builder.state(),
            "scale": self._scale.state(),
            "next_serial": self._next_serial,
            "time_s": self._time_s,
            "skipped": self.skipped,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self.reset()
        self._table = TrackTable.from_tree(state["table"])
        self._builder.restore(state["builder"])
        self._scale.restore(state["scale"])
        self._next_serial = state["next_serial"]
        self._time_s = state["time_s"]
        self.skipped = state["skipped"]

    def _predict(self, view: View) -> _Prediction:
        elapsed = 0.0 if self._time_s is None else view.time_s - self._time_s
        step = step_after(self._time_s, view.time_s, self._config.max_gap_s)
        table = self._table if step == "track" else TrackTable.empty()
        rows = (
            usable_rows(view.detections, self._config.association.score_low)
            if step != "skip"
            else np.zeros(0, np.int64)
        )
        boxes, scores = view.detections.boxes[rows], view.detections.scores[rows]
        keypoints = None if view.poses is None else view.poses.keypoints[rows]
        motion = self._model.predict(table.motion, max(elapsed, 0.0) if step == "track" else 0.0)
        moved = table.keypoints.copy()
        moved[..., :2] += (motion.mean[:, :2, 0] - table.motion.mean[:, :2, 0])[:, None]
        pairs = pair_costs(self._model, motion, boxes, self._config.association)
        weight = self._config.association.pose_weight
        if keypoints is not None and view.poses is not None and weight > 0:
            distance = pose_distance(moved, keypoints, motion.boxes(), view.poses.skeleton)
            pairs = add_pose(pairs, distance, weight)
        return _Prediction(
            self._revision, step, rows, boxes, scores, keypoints, clear_share(boxes), motion, moved, pairs
        )

    def _wanted(self, prediction: _Prediction, time_s: float) -> IntArray:
        """Rows of the view that need an appearance.

        On demand these are the confident detections that are not plainly one known person: none or several tracks may
        be theirs, or their track may take several detections, is tentative, was lost, or has stale looks. What neither
        continues nor starts a track, however it looks, is not asked about: a sign that the detector half believes in.
        """
        if self._config.appearance == "always":
            return np.sort(prediction.rows)
        table = self._table if prediction.step == "track" else TrackTable.empty()
        confident = prediction.scores >= self._config.association.score_high
        possible = prediction.pairs.possible & confident
        fresh = (time_s - table.looked_s < self._config.looks.stale_s) & ~table.renew
        plain = fresh & (table.state == CONFIRMED) & (possible.sum(axis=1) == 1)
        settled = (possible.sum(axis=0) == 1) & (possible & plain[:, None]).any(axis=0)
        refound = (table.state == LOST)[:, None] & (prediction.pairs.distance <= self._config.association.gate)
        useful = (possible | refound).any(axis=0) | (prediction.scores >= self._config.life.score_new)
        return np.sort(prediction.rows[confident & useful & ~settled])

    def _track(self, view: View, prediction: _Prediction, looks: PartEmbeddings | None) -> Tracks:
        table, pairs, now = self._table, prediction.pairs, view.time_s
        distances = np.full(pairs.motion.shape, np.nan, np.float32)
        if looks is not None and table.appearance is not None and distances.size:
            distances = embedding_distance(table.appearance, looks)[0]
        familiarity = self._scale.familiarity(distances) * prediction.clear
        detection = associate(pairs, familiarity, table.state, now - table.seen_s, prediction.scores, self._config)
        self._learn(distances, pairs.possible, detection)
        table.motion, table.keypoints = prediction.motion, prediction.moved_keypoints
        self._continue(view, prediction, looks, detection)
        detection = self._confirm(now, detection)
        detection = self._start(view, prediction, looks, detection)
        seen = detection >= 0
        over = ended(self._table, seen, now, view.size, self._config)
        self._end(over)
        return self._report(now, prediction, detection[~over])

    def _learn(self, distances: FloatArray, possible: NDArray[np.bool_], detection: IntArray) -> None:
        """Teach the distance scale this frame's certain pairs."""
        tracks = np.flatnonzero(detection >= 0)
        found = detection[tracks]
        plain = (possible[tracks].sum(axis=1) == 1) & (possible[:, found].sum(axis=0) == 1)
        between = distances[np.ix_(tracks, found)]
        self._scale.learn(np.diagonal(between)[plain], between[~np.eye(len(tracks), dtype=bool)])

    def _continue(self, view: View, prediction: _Prediction, looks: PartEmbeddings | None, detection: IntArray) -> None:
        """Give matched tracks their detections."""
        table, now = self._table, view.time_s
        tracks = np.flatnonzero(detection >= 0)
        found = detection[tracks]
        moved = self._model.update(table.motion.select(tracks), prediction.boxes[found], prediction.scores[found])
        table.motion.put(tracks, moved)
        table.seen_s[tracks] = now
        table.hits[tracks] += 1
        mark(table, detection >= 0)
        if prediction.keypoints is not None:
            table.keypoints[tracks] = prediction.keypoints[found]
        if looks is not None:
            confident = prediction.scores[found] >= self._config.association.score_high
            table.look(
                tracks[confident],
                looks.select(found[confident]),
                prediction.clear[found[confident]],
                now,
                self._config.looks.memory_s,
            )
        cut = self._builder.cut(table.serial[tracks], now)
        table.renew[np.isin(table.serial, cut)] = True
        self._record(view, prediction, looks, table.serial[tracks], found)

    def _confirm(self, now: float, detection: IntArray) -> IntArray:
        """Confirm tracks, or recognise them as lost ones; returns the detection of each track that is left."""
        table = self._table
        ready = np.flatnonzero(confirmable(table, detection >= 0, now, self._config.life))
        lost = np.flatnonzero(table.state == LOST)
        table.state[ready] = CONFIRMED
        if not len(ready):
            return detection
        old, new = self._recognise(lost, ready)
        self._builder.open(table.serial[np.setdiff1d(ready, new)])
        if not len(old):
            return detection
        self._builder.absorb(table.serial[new], table.serial[old])
        table.take_over(old, new, now, self._config.looks.memory_s)
        detection[old] = detection[new]
        kept = ~np.isin(np.arange(len(table)), new)
        self._table = table.select(kept)
        return detection[kept]

    def _recognise(self, lost: IntArray, ready: IntArray) -> tuple[IntArray, IntArray]:
        """Pairs of a lost track and a new one that look the same, are near enough, and were never seen together."""
        table = self._table
        if table.appearance is None or not len(lost):
            none = np.zeros(0, np.int64)
            return none, none
        distances = embedding_distance(table.appearance.select(lost), table.appearance.select(ready))[0]
        away = self._model.gating_distance(table.motion.select(lost), table.motion.select(ready).boxes())
        cost = refind_cost(away, self._scale.familiarity(distances), self._config)
        cost[table.seen_s[lost][:, None] >= table.born_s[ready][None]] = np.inf
        row, column = assign(cost, 0.0)
        return lost[row], ready[column]

    def _start(
        self, view: View, prediction: _Prediction, looks: PartEmbeddings | None, detection: IntArray
    ) -> IntArray:
        """Start tracks at detections nobody took; returns the detection of each track."""
        used = np.zeros(len(prediction.rows), bool)
        used[detection[detection >= 0]] = True
        found = starters(prediction.boxes, prediction.scores, used, self._config.life)
        if not len(found):
            return detection
        serial = self._next_serial + np.arange(len(found))
        self._next_serial += len(found)
        motion = self._model.start(prediction.boxes[found], prediction.scores[found])
        keypoints = np.zeros((len(found), KEYPOINTS, 3), np.float32)
        if prediction.keypoints is not None:
            keypoints = prediction.keypoints[found]
        appearance = None if looks is None else looks.select(found)
        self._table = self._table.append(TrackTable.start(serial, view.time_s, motion, keypoints, appearance))
        self._builder.begin(serial, view.time_s)
        self._record(view, prediction, looks, serial, found)
        return np.concatenate([detection, found])

    def _record(
        self, view: View, prediction: _Prediction, looks: PartEmbeddings | None, serial: IntArray, found: IntArray
    ) -> None:
        quality = prediction.scores[found] * np.maximum(prediction.clear[found], 1e-3)
        if looks is not None:
            quality = quality * looks.visibility[found].mean(axis=1)
        self._builder.add(
            serial,
            view,
            prediction.boxes[found],
            prediction.scores[found],
            None if prediction.keypoints is None else prediction.keypoints[found],
            None if looks is None else looks.select(found),
            quality,
        )

    def _end(self, over: NDArray[np.bool_]) -> None:
        if over.any():
            self._builder.end(self._table.serial[over])
            self._table = self._table.select(~over)

    def _report(self, now: float, prediction: _Prediction, detection: IntArray) -> Tracks:
        """Confirmed tracks with their detections, then lost ones where they are predicted, each by local id."""
        table = self._table
        seen = np.flatnonzero(table.state == CONFIRMED)
        lost = np.flatnonzero((table.state == LOST) & (now - table.seen_s <= self._config.show_lost_s))
        found = detection[seen]
        tracks = np.concatenate([seen, lost])
        return Tracks(
            track_ids=self._builder.local_ids(table.serial[tracks]),
            boxes=np.concatenate([prediction.boxes[found], table.motion.select(lost).boxes()]),
            scores=np.concatenate([prediction.scores[found], np.zeros(len(lost), np.float32)]),
            det_index=np.concatenate([prediction.rows[found], np.full(len(lost), -1)]).astype(np.int32),
            state=table.state[tracks],
            group_id=np.full(len(tracks), -1, np.int64),
        )
