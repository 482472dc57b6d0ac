"""From settled rows of a group to the tracklets of its cameras."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.records import FloatArray, IntArray, Tracklet, TrackletEvent, TrackletEventKind
from trackers.config import TrackerConfig
from trackers.group.history import Rows
from trackers.prototypes import PrototypeBank
from trackers.rows import RowLog

_ORDER: tuple[TrackletEventKind, ...] = ("closed", "opened", "updated")
_OFFER_S = 0.2


class GroupTracklets:
    """Collects rows, camera by camera, under the local ids the tracker gave, and says when tracklets open and close."""

    def __init__(self, cameras: Sequence[str], config: TrackerConfig) -> None:
        self._cameras = tuple(cameras)
        self._config = config
        self._logs = [RowLog() for _ in cameras]
        self._banks: list[PrototypeBank | None] = [None for _ in cameras]
        self._sizes = [(0, 0) for _ in cameras]
        # Per camera: local id -> [group_id, continues, rows, first time, last time, time of the last event, of the
        # last look], source seconds.
        self._open: list[dict[int, list[Any]]] = [{} for _ in cameras]
        # Per camera: group_id -> [local id, source time] of its last row, for what continues what.
        self._last: list[dict[int, list[Any]]] = [{} for _ in cameras]
        self._events: list[TrackletEvent] = []

    def add(self, rows: Rows, group_id: IntArray, places: FloatArray, covs: FloatArray, heights: FloatArray) -> None:
        """Settled rows of one frame, each of another tracklet.

        Args:
            rows: R rows with a local id.
            group_id: (R,).
            places: (R, 2) metres.
            covs: (R, 2, 2) square metres.
            heights: (R,) metres, NaN where unknown.
        """
        if not len(rows.serial):
            return
        camera, now = rows.camera, rows.time_s
        self._sizes[camera] = rows.size
        pieces = self._open[camera]
        for number, person in zip(rows.number.tolist(), group_id.tolist(), strict=True):
            if number not in pieces:
                before = self._last[camera].get(person)
                near = before is not None and before[0] != number and now - before[1] <= self._config.max_gap_s
                pieces[number] = [person, before[0] if near and before is not None else -1, 0, now, now, None, -np.inf]
            pieces[number][4] = now
            self._last[camera][person] = [number, now]
        world = {"world_xy": places, "world_cov": covs, "world_height": heights}
        self._logs[camera].add(rows.number, now, rows.frame, rows.boxes, rows.scores, rows.keypoints, world)
        self._offer(rows)
        for number in rows.number.tolist():
            pieces[number][2] += 1

    def close(self, camera: int, keep: IntArray | None) -> None:
        """Close tracklets of a camera that no row can be added to any more: all but those of these local ids."""
        kept = set() if keep is None else set(keep.tolist())
        over = [number for number in sorted(self._open[camera]) if number not in kept]
        for number in over:
            self._emit("closed", camera, number)
            del self._open[camera][number]
        last = self._last[camera]
        latest_s = max((seen_s for _, seen_s in last.values()), default=0.0)
        self._last[camera] = {who: seen for who, seen in last.items() if latest_s - seen[1] <= self._config.max_gap_s}
        gone = np.array(over, np.int64)
        self._logs[camera].forget(gone)
        bank = self._banks[camera]
        if bank is not None and len(gone):
            bank.forget(gone)

    def events(self) -> list[TrackletEvent]:
        """What happened since the last call: per camera closed, opened, updated, each by local id."""
        for camera, pieces in enumerate(self._open):
            for number in sorted(pieces):
                piece = pieces[number]
                if piece[5] is None:
                    self._emit("opened", camera, number)
                elif piece[4] - piece[5] >= self._config.emit_s:
                    self._emit("updated", camera, number)
                else:
                    continue
                piece[5] = piece[4]
        place = {name: number for number, name in enumerate(self._cameras)}
        events = sorted(
            self._events, key=lambda e: (place[e.tracklet.camera], _ORDER.index(e.kind), e.tracklet.local_id)
        )
        self._events = []
        return events

    def state(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint; taken after ``events``."""
        return {
            "logs": [log.state() for log in self._logs],
            "banks": [None if bank is None else bank.state() for bank in self._banks],
            "sizes": list(self._sizes),
            "open": [{number: list(piece) for number, piece in pieces.items()} for pieces in self._open],
            "last": [{person: list(last) for person, last in table.items()} for table in self._last],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        for log, inner in zip(self._logs, state["logs"], strict=True):
            log.restore(inner)
        self._banks = [
            None if inner is None else PrototypeBank.from_state(self._config.looks, inner) for inner in state["banks"]
        ]
        self._sizes = [tuple(size) for size in state["sizes"]]
        self._open = [{number: list(piece) for number, piece in pieces.items()} for pieces in state["open"]]
        self._last = [{person: list(last) for person, last in table.items()} for table in state["last"]]
        self._events = []

    def _offer(self, rows: Rows) -> None:
        if rows.looks is None or not len(rows.looked):
            return
        bank = self._banks[rows.camera]
        if bank is None:
            bank = self._banks[rows.camera] = PrototypeBank(self._config.looks, rows.looks)
        pieces = [self._open[rows.camera][number] for number in rows.number[rows.looked].tolist()]
        due = np.flatnonzero([rows.time_s - piece[6] >= _OFFER_S for piece in pieces])
        if not len(due):
            return
        for row in due.tolist():
            pieces[row][6] = rows.time_s
        chosen = rows.looked[due]
        bank.offer(
            rows.number[chosen],
            rows.looks.select(due),
            rows.quality[chosen],
            np.array([pieces[row][2] for row in due.tolist()], np.int64),
        )

    def _emit(self, kind: TrackletEventKind, camera: int, number: int) -> None:
        piece, columns, bank = self._open[camera][number], self._logs[camera].read(number), self._banks[camera]
        prototypes, prototype_rows = (None, np.zeros(0, np.int64)) if bank is None else bank.take(number)
        tracklet = Tracklet(
            camera=self._cameras[camera],
            local_id=number,
            times_s=columns["time_s"],
            frames=columns["frame"],
            boxes=columns["box"],
            scores=columns["score"],
            keypoints=columns.get("keypoints"),
            prototypes=prototypes,
            prototype_rows=prototype_rows,
            continues=piece[1],
            group_id=piece[0],
            world_xy=columns["world_xy"],
            world_cov=columns["world_cov"],
            world_height=columns["world_height"],
            frame_size=self._sizes[camera],
        )
        self._events.append(TrackletEvent(kind, tracklet))
