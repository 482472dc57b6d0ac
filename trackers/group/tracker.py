"""The tracker of a calibrated group of overlapping cameras, in metres.

Use (``trackers.scope.ScopeTracker``)::

    tracker = GroupTracker("hall", {"hall1": model1, "hall2": model2}, config, clocks={"hall1": clock1, ...},
                           area=[[0, 0], [9, 0], [9, 6], [0, 6]])
    proposal = tracker.propose(views)              # the views of some or all cameras at one instant, any order
    tracks, events = tracker.commit(proposal, embeddings)   # Tracks per view, in the order given
    events = tracker.flush()                       # at the end

``View.time_s`` is the source's own; ``clocks`` lead to the common time. An instant is the views the caller puts
together (``sync_tolerance_s``): a camera that is slower, dropped a frame or died is simply absent. ``Tracks.group_id``
and ``Tracklet.group_id`` are dense numbers of people from 0, unique in the group; ``local_id`` is unique in the group
too and the same in all cameras while nothing was cut. Rows of people who are in a camera's view and were not detected
have ``det_index`` -1 and score 0. Tracklets carry ``world_xy``, ``world_cov`` and ``world_height`` row by row, the same
for all rows of a person at one instant; heights are NaN where all cameras are known by a ground homography. What is
written is decided ``settle_s`` to twice that later; what ``commit`` returns at once is what was known then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from data.clock import Clock
from data.geometry import CameraModel
from data.records import IntArray, PartEmbeddings, TrackletEvent, Tracks, View
from trackers.appearance import DistanceScale
from trackers.config import TrackerConfig
from trackers.group.births import Guess, find_births
from trackers.group.bodies import Mask
from trackers.group.evidence import Boxes
from trackers.group.fusion import Eye, Fusion, fuse, spared
from trackers.group.history import Instant, last_real, relabel, smooth
from trackers.group.looks import distances, learn, recognise, remember
from trackers.group.people import LIKELY, People, born, moved
from trackers.group.reach import Reach
from trackers.group.senses import Senses
from trackers.group.tracklets import GroupTracklets
from trackers.group.writing import rows_of_view, settled_rows
from trackers.scope import Proposal
from trackers.steps import Step, step_after, tell_skipped, usable_rows

_FORGET_ODDS = -5.0


@dataclass(frozen=True, slots=True)
class _Prediction:
    """What ``propose`` worked out and ``commit`` goes on from.

    Attributes:
        revision: number of commits before this proposal; another number means that it is out of date.
        step: how this instant follows the last one.
        time_s: common time of the instant.
        people: predicted to it.
        eyes: the cameras, in the group's order.
        order: for each eye, the number of its view in the proposal.
    """

    revision: int
    step: Step
    time_s: float
    people: People
    eyes: list[Eye]
    order: list[int]


class GroupTracker:
    """Tracks the people of one calibrated group on the ground (``trackers.scope.ScopeTracker``)."""

    def __init__(
        self,
        name: str,
        cameras: Mapping[str, CameraModel],
        config: TrackerConfig,
        clocks: Mapping[str, Clock] | None = None,
        area: ArrayLike | None = None,
    ) -> None:
        """Set the tracker up.

        Args:
            name: of the group, for messages.
            cameras: calibration by camera.
            config: the tracker's settings; ``group`` holds those of the ground.
            clocks: of the cameras; one that is not listed runs on common time.
            area: (K, 2) corners of the ground that counts, metres; people are followed outside of it, but not written.
                None = all ground.
        """
        self.name = name
        self.cameras: tuple[str, ...] = tuple(cameras)
        self._models = list(cameras.values())
        self._config = config
        self._group = config.group
        self._clocks = [(clocks or {}).get(camera, Clock()) for camera in self.cameras]
        self._area = None if area is None else np.asarray(area, np.float64).reshape(-1, 2)
        self._heights_known = any(model.projection is not None for model in self._models)
        self._number = {camera: number for number, camera in enumerate(self.cameras)}
        self.reset()

    def reset(self) -> None:
        """Forget everything, ids included, so that the object can track another video."""
        self.skipped = 0
        self._people = People.empty(len(self.cameras))
        self._lost = People.empty(len(self.cameras))
        self._senses = Senses(len(self.cameras), [model.projection is not None for model in self._models], self._group)
        self._reach = Reach()
        self._scale = DistanceScale(self._config.looks)
        self._tracklets = GroupTracklets(self.cameras, self._config)
        self._history: list[Instant] = []
        self._group_of: dict[int, int] = {}
        self._next = {"serial": 0, "group_id": 0, "number": 0}
        self._time_s: float | None = None
        self._camera_s = np.full(len(self.cameras), -np.inf)
        self._revision = 0

    def propose(self, views: Sequence[View]) -> Proposal:
        """Predict to the instant of the views and say which rows need appearance: all that are used. Changes nothing.

        Raises:
            ValueError: for no view, a camera of another group, or one that is given twice.
        """
        names = [view.camera for view in views]
        if not names or len(set(names)) < len(names) or not set(names) <= set(self.cameras):
            raise ValueError(f"the tracker of group '{self.name}' takes one view of each of its cameras, not {names}")
        prediction = self._predict(views)
        wanted: list[IntArray] = [np.zeros(0, np.int64)] * len(views)
        for eye, place in zip(prediction.eyes, prediction.order, strict=True):
            wanted[place] = np.sort(eye.boxes.rows)
        return Proposal(tuple(views), tuple(wanted), prediction)

    def commit(
        self, proposal: Proposal, embeddings: Sequence[PartEmbeddings | None]
    ) -> tuple[list[Tracks], list[TrackletEvent]]:
        """Decide, given the appearance of the wanted rows.

        Raises:
            ValueError: when the proposal is not the one made last, or embeddings of two models are mixed.
        """
        prediction: _Prediction = proposal.state
        if prediction.revision != self._revision:
            raise ValueError(f"group '{self.name}': this proposal is out of date; commit each before the next")
        self._revision += 1
        if prediction.step == "skip":
            self.skipped += 1
            tell_skipped(f"group '{self.name}': an instant", prediction.time_s, self._time_s, self.skipped)
            return [Tracks.empty() for _ in proposal.views], []
        if prediction.step == "cut":
            self._close_all()
        looks = [embeddings[place] for place in prediction.order]
        looks = [
            None if found is None else found.select(eye.boxes.rows)
            for found, eye in zip(looks, prediction.eyes, strict=True)
        ]
        rows = self._track(prediction, [proposal.views[place] for place in prediction.order], looks)
        tracks = [Tracks.empty() for _ in proposal.views]
        for eye, place in enumerate(prediction.order):
            tracks[place] = rows[eye]
        self._settle(final=False)
        return tracks, self._tracklets.events()

    def flush(self) -> list[TrackletEvent]:
        """Close every live tracklet: the input has ended."""
        self._close_all()
        return self._tracklets.events()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later, as plain values and arrays (``data.formats.state``); between commits."""
        return {
            "people": self._people.tree(),
            "lost": self._lost.tree(),
            "senses": self._senses.state(),
            "reach": self._reach.state(),
            "scale": self._scale.state(),
            "tracklets": self._tracklets.state(),
            "history": [instant.tree() for instant in self._history],
            "group_of": dict(self._group_of),
            "next": dict(self._next),
            "time_s": self._time_s,
            "camera_s": self._camera_s.copy(),
            "skipped": self.skipped,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self.reset()
        self._people = People.from_tree(state["people"])
        self._lost = People.from_tree(state["lost"])
        self._senses.restore(state["senses"])
        self._reach.restore(state["reach"])
        self._scale.restore(state["scale"])
        self._tracklets.restore(state["tracklets"])
        self._history = [Instant.from_tree(tree) for tree in state["history"]]
        self._group_of = dict(state["group_of"])
        self._next = dict(state["next"])
        self._time_s = state["time_s"]
        self._camera_s = np.array(state["camera_s"])
        self.skipped = state["skipped"]

    def _predict(self, views: Sequence[View]) -> _Prediction:
        numbers = [self._number[view.camera] for view in views]
        times = np.array(
            [float(self._clocks[n].to_common(view.time_s)) for n, view in zip(numbers, views, strict=True)]
        )
        now = float(np.median(times))
        elapsed = 0.0 if self._time_s is None else now - self._time_s
        step = step_after(self._time_s, now, self._config.max_gap_s)
        people = self._people if step == "track" else People.empty(len(self.cameras))
        order = np.argsort(numbers, kind="stable").tolist()
        eyes = [self._eye(numbers[place], views[place], float(times[place]) - now) for place in order]
        return _Prediction(self._revision, step, now, moved(people, elapsed, self._group), eyes, order)

    def _eye(self, number: int, view: View, lag_s: float) -> Eye:
        boxes, scores = view.detections.boxes, view.detections.scores
        rows = usable_rows(view.detections, self._config.association.score_low)
        worth = self._senses.worth(scores[rows])
        return Eye(
            number=number,
            model=self._models[number],
            shared=self._senses.shared(number),
            sense=self._senses.sense(number, view.size),
            boxes=Boxes.of(rows, boxes[rows], scores[rows], worth, view.size),
            lag_s=lag_s,
        )

    def _track(
        self, prediction: _Prediction, views: Sequence[View], looks: Sequence[PartEmbeddings | None]
    ) -> list[Tracks]:
        now, eyes = prediction.time_s, prediction.eyes
        elapsed = self._group.evidence_s if self._time_s is None else now - self._time_s
        self._time_s = now
        people = self._people = prediction.people
        numbers = np.array([eye.number for eye in eyes])
        fresh = np.minimum((now - self._camera_s[numbers]) / self._group.evidence_s, 1.0)
        self._camera_s[numbers] = now
        handicap = np.log1p(np.exp(-people.odds))
        solid = people.known & (people.probability > LIKELY)
        unlike = distances(self._people.appearance, looks)
        familiar = [None if d is None else self._group.looks * self._scale.familiarity(d) for d in unlike]
        fusion = fuse(
            people.place,
            people.place_cov,
            people.mean[:, 2:4],
            solid,
            handicap,
            eyes,
            self._group,
            familiar,
        )
        people.settle(fusion.place, fusion.cov)
        hit = fusion.box >= 0
        told = (
            np.where(hit, fusion.gain, 0.0) - spared(fusion, people.serial, people.known) + np.log1p(-fusion.detection)
        )
        people.weigh((fresh[:, None] * told).sum(axis=0) - self._group.fading * elapsed)
        people.seen_s[hit.any(axis=0)] = now
        for c, number in enumerate(numbers.tolist()):
            due = solid & (fusion.detection[c] > 0.5 * self._group.detection)
            self._reach.learn(number, people.place[due, :2], fusion.detection[c][due], hit[c][due], float(fresh[c]))
        seen_in = people.seen_in_s[:, numbers]
        seen_in[hit.T] = now
        learn(self._scale, unlike, fusion)
        free = self._free(fusion, eyes, solid)
        self._senses.learn(eyes, fusion, solid & (people.probability > 0.95), free, elapsed)
        guess = find_births(eyes, free, fusion.shapes, solid, people.mean[:, :2], self._group)
        self._bear(guess, eyes, now)
        people = self._people
        box = np.concatenate([fusion.box, guess.box], axis=1)
        remember(people, looks, box, elapsed, self._config.looks.memory_s)
        self._name(now)
        for c, eye in enumerate(eyes):
            people.seen_in_s[box[c] >= 0, eye.number] = now
        kept = self._part(now)
        self._people = self._people.select(kept)
        return self._record(now, views, eyes, looks, box[:, kept])

    def _free(self, fusion: Fusion, eyes: Sequence[Eye], solid: Mask) -> list[IntArray]:
        """Rows of each camera's boxes that are nobody's and that no known person explains."""
        free = []
        for c, eye in enumerate(eyes):
            used = np.zeros(len(eye.boxes), bool)
            used[fusion.box[c][fusion.box[c] >= 0]] = True
            if solid.any():
                used |= (fusion.near[c][solid] > 0).any(axis=0)
            free.append(np.flatnonzero(~used))
        return free

    def _bear(self, guess: Guess, eyes: Sequence[Eye], now: float) -> None:
        serial = self._next["serial"] + np.arange(len(guess))
        self._next["serial"] += len(guess)
        new = born(serial, len(self.cameras), guess.place, guess.cov, guess.odds, now, self._group.speed)
        self._people = self._people.append(new)

    def _name(self, now: float) -> None:
        """Give those who became sure their ids, or recognise them as people who were lost."""
        people = self._people
        ready = np.flatnonzero(~people.known & (people.probability > self._group.confirm))
        if not len(ready):
            return
        old, new = recognise(people, self._lost, ready, self._scale, self._group)
        for lost, row in zip(old.tolist(), new.tolist(), strict=True):
            serial = int(self._lost.serial[lost])
            relabel(self._history, int(people.serial[row]), serial, self._lost.number[lost])
            for name in ("serial", "group_id", "number", "piece_s"):
                getattr(people, name)[row] = getattr(self._lost, name)[lost]
            people.mean[row, 4] = self._lost.mean[lost, 4]
        self._lost = self._lost.select(np.setdiff1d(np.arange(len(self._lost)), old))
        fresh = np.setdiff1d(ready, new)
        people.group_id[fresh] = self._next["group_id"] + np.arange(len(fresh))
        people.number[fresh] = (self._next["number"] + np.arange(len(fresh)))[:, None]
        self._next["group_id"] += len(fresh)
        self._next["number"] += len(fresh)
        for row in fresh.tolist():
            serial = int(people.serial[row])
            self._group_of[serial] = int(people.group_id[row])
            relabel(self._history, serial, serial, people.number[row])

    def _part(self, now: float) -> IntArray:
        """Rows of the people who stay; known ones who go are remembered for a while."""
        people = self._people
        unseen = now - people.seen_s
        gone = (people.probability < self._group.doubt) & people.known
        gone |= (people.odds < _FORGET_ODDS) | (unseen > self._config.life.coast_s)
        leaving = np.flatnonzero(gone & people.known)
        still = now - self._lost.seen_s <= self._config.lost_s
        self._lost = self._lost.select(still).append(people.select(leaving))
        return np.flatnonzero(~gone)

    def _record(
        self,
        now: float,
        views: Sequence[View],
        eyes: Sequence[Eye],
        looks: Sequence[PartEmbeddings | None],
        box: IntArray,
    ) -> list[Tracks]:
        people = self._people
        self._renumber(now)
        instant = Instant(now, people.serial.copy(), people.mean.copy(), people.cov.copy(), [])
        tracks = []
        for c, (eye, view) in enumerate(zip(eyes, views, strict=True)):
            found = self._reach.share(eye.number, people.place[:, :2]) > self._group.shown_found
            rows, told = rows_of_view(people, eye, view, looks[c], box[c], found, self._area, self._group)
            instant.rows.append(rows)
            tracks.append(told)
        self._history.append(instant)
        return tracks

    def _renumber(self, now: float) -> None:
        """Begin new tracklets for people whose present ones are long enough."""
        people = self._people
        long = np.flatnonzero(people.known & (now - people.piece_s >= self._config.max_tracklet_s))
        people.number[long] = (self._next["number"] + np.arange(len(long)))[:, None]
        people.piece_s[long] = now
        self._next["number"] += len(long)

    def _close_all(self) -> None:
        self._settle(final=True)
        self._people = People.empty(len(self.cameras))
        self._lost = People.empty(len(self.cameras))
        self._history = []
        self._group_of = {}
        for camera in range(len(self.cameras)):
            self._tracklets.close(camera, None)

    def _settle(self, final: bool) -> None:
        """Write what can no longer be mended."""
        history, wait = self._history, self._group.settle_s
        if not history or (not final and history[-1].time_s - history[0].time_s < 2 * wait):
            return
        until = history[-1].time_s - wait
        count = len(history) if final else max(1, sum(instant.time_s < until for instant in history))
        smoothed = smooth(history, self._group)
        real_s = last_real(history)
        for instant in smoothed[:count]:
            self._write(instant, real_s)
        self._history = history[count:]
        if not final:
            current = np.concatenate([self._people.number, self._lost.number])
            for camera in range(len(self.cameras)):
                waiting = [r.number for i in self._history for r in i.rows if r.camera == camera]
                self._tracklets.close(camera, np.concatenate([current[:, camera], *waiting]))

    def _write(self, instant: Instant, real_s: dict[int, float]) -> None:
        for rows, group, place, cov, height in settled_rows(instant, real_s, self._group_of, self._area):
            heights = height if self._heights_known else np.full_like(height, np.nan)
            self._tracklets.add(rows, group, place, cov, heights)
