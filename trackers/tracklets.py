"""From rows of live tracks to tracklet events."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.records import FloatArray, IntArray, PartEmbeddings, Tracklet, TrackletEvent, TrackletEventKind, View
from trackers.config import TrackerConfig
from trackers.prototypes import PrototypeBank
from trackers.rows import RowLog

_UNNAMED = -1
_OFFER_S = 0.2
_ORDER: tuple[TrackletEventKind, ...] = ("closed", "opened", "updated")
_NO_PIECES: dict[str, NDArray[Any]] = {
    "serial": np.zeros(0, np.int64),
    "local_id": np.zeros(0, np.int64),
    "continues": np.zeros(0, np.int64),
    "rows": np.zeros(0, np.int64),
    "start_s": np.zeros(0, np.float64),
    "emitted_s": np.zeros(0, np.float64),
    "emitted_rows": np.zeros(0, np.int64),
    "offered_s": np.zeros(0, np.float64),
}


class TrackletBuilder:
    """Collects the rows of a camera's tracks and says when tracklets open, grow and close.

    A track is known by its serial. From birth it has a piece, which gets a local id when the track is confirmed: tracks
    that never are leave no trace, and ids have no holes. A piece that would grow longer than ``max_tracklet_s`` is
    closed and continued by a new one with the next id. The events of one frame come in a fixed order: closed, opened,
    updated, each by local id.
    """

    def __init__(self, camera: str, config: TrackerConfig) -> None:
        self._camera = camera
        self._config = config
        self._log = RowLog()
        self._bank: PrototypeBank | None = None
        self._next_id = 0
        self._frame_size = (0, 0)
        self._pieces = dict(_NO_PIECES)
        self._events: list[TrackletEvent] = []

    @property
    def row_capacity(self) -> int:
        """Rows there is memory for."""
        return self._log.capacity

    def local_ids(self, serials: IntArray) -> IntArray:
        """(M,) local id of each track's current piece, -1 before it is confirmed."""
        return self._pieces["local_id"][self._find(serials)]

    def begin(self, serials: IntArray, time_s: float) -> None:
        """Tracks are born; their serials are higher than all before."""
        new = {"serial": serials, "local_id": _UNNAMED, "continues": _UNNAMED, "rows": 0, "start_s": time_s}
        new |= {"emitted_s": time_s, "emitted_rows": 0, "offered_s": -np.inf}
        for name, column in self._pieces.items():
            values = np.broadcast_to(np.asarray(new[name], column.dtype), len(serials))
            self._pieces[name] = np.concatenate([column, values])

    def cut(self, serials: IntArray, time_s: float) -> IntArray:
        """Close the pieces of these tracks that a row at ``time_s`` would make too long, and begin the next ones.

        Returns:
            The serials that were cut.
        """
        pieces = self._find(serials)
        long = time_s - self._pieces["start_s"][pieces] >= self._config.max_tracklet_s
        pieces = pieces[long & (self._pieces["local_id"][pieces] != _UNNAMED)]
        if not len(pieces):
            return np.zeros(0, np.int64)
        pieces = pieces[np.argsort(self._pieces["local_id"][pieces], kind="stable")]
        cut = self._pieces["serial"][pieces]
        self._emit("closed", cut)
        self._forget_content(cut)
        self._pieces["continues"][pieces] = self._pieces["local_id"][pieces]
        self._pieces["start_s"][pieces] = time_s
        self._pieces["rows"][pieces] = 0
        self._pieces["offered_s"][pieces] = -np.inf
        self._name(pieces)
        return cut

    def add(
        self,
        serials: IntArray,
        view: View,
        boxes: FloatArray,
        scores: FloatArray,
        keypoints: FloatArray | None,
        looks: PartEmbeddings | None,
        quality: FloatArray,
    ) -> None:
        """Add one row of one frame to each of M distinct tracks.

        Args:
            serials: (M,) the tracks.
            view: the frame.
            boxes: (M, 4) xyxy px.
            scores: (M,) detection scores.
            keypoints: (M, 17, 3) or None.
            looks: M embeddings, "no evidence" where there is none; None without an appearance model.
            quality: (M,) how well each look shows its person, > 0.
        """
        if not len(serials):
            return
        self._frame_size = view.size
        self._log.add(serials, view.time_s, view.frame_index, boxes, scores, keypoints)
        pieces = self._find(serials)
        if looks is not None:
            self._offer(pieces, looks, quality, view.time_s)
        self._pieces["rows"][pieces] += 1

    def open(self, serials: IntArray) -> None:
        """Tracks are confirmed: their pieces get the next ids."""
        self._name(self._find(serials))

    def absorb(self, sources: IntArray, targets: IntArray) -> None:
        """Unconfirmed tracks turn out to be confirmed ones that were lost: their rows go to these.

        A piece may so become longer than ``max_tracklet_s`` by the time a confirmation takes; its next row cuts it.
        """
        for source, target in zip(sources.tolist(), targets.tolist()):
            row = self._find(np.array([source, target]))
            before = int(self._pieces["rows"][row[1]])
            self._log.hand_over(source, target)
            if self._bank is not None:
                self._bank.merge(source, target, before)
            self._pieces["rows"][row[1]] += self._pieces["rows"][row[0]]
        self._remove(sources)

    def end(self, serials: IntArray) -> None:
        """Tracks have ended: pieces with an id are closed, the others vanish."""
        if not len(serials):
            return
        pieces = self._find(serials)
        named = pieces[self._pieces["local_id"][pieces] != _UNNAMED]
        named = named[np.argsort(self._pieces["local_id"][named], kind="stable")]
        self._emit("closed", self._pieces["serial"][named])
        self._remove(serials)

    def events(self, time_s: float) -> list[TrackletEvent]:
        """Everything that happened since the last call, snapshots that are due included."""
        named = np.flatnonzero(self._pieces["local_id"] != _UNNAMED)
        fresh = named[self._pieces["emitted_rows"][named] == 0]
        grown = self._pieces["rows"][named] > self._pieces["emitted_rows"][named]
        due = time_s - self._pieces["emitted_s"][named] >= self._config.emit_s
        due &= grown & (self._pieces["emitted_rows"][named] > 0)
        updated = named[due]
        self._emit("opened", self._pieces["serial"][fresh])
        self._emit("updated", self._pieces["serial"][updated])
        for pieces in (fresh, updated):
            self._pieces["emitted_s"][pieces] = time_s
            self._pieces["emitted_rows"][pieces] = self._pieces["rows"][pieces]
        events = sorted(self._events, key=lambda event: (_ORDER.index(event.kind), event.tracklet.local_id))
        self._events = []
        return events

    def state(self) -> dict[str, Any]:
        """Plain values and arrays, for a checkpoint; taken after ``events``."""
        return {
            "log": self._log.state(),
            "bank": None if self._bank is None else self._bank.state(),
            "next_id": self._next_id,
            "frame_size": self._frame_size,
            "pieces": {name: column.copy() for name, column in self._pieces.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._log.restore(state["log"])
        self._bank = None if state["bank"] is None else PrototypeBank.from_state(self._config.looks, state["bank"])
        self._next_id = state["next_id"]
        self._frame_size = tuple(state["frame_size"])
        self._pieces = {name: np.array(column) for name, column in state["pieces"].items()}
        self._events = []

    def _find(self, serials: IntArray) -> IntArray:
        return np.searchsorted(self._pieces["serial"], serials)

    def _offer(self, pieces: IntArray, looks: PartEmbeddings, quality: FloatArray, time_s: float) -> None:
        """Show new looks to the bank, but not those of every frame: people change their looks more slowly."""
        if self._bank is None:
            self._bank = PrototypeBank(self._config.looks, looks)
        due = np.flatnonzero(
            np.any(looks.visibility > 0, axis=1) & (time_s - self._pieces["offered_s"][pieces] >= _OFFER_S)
        )
        pieces = pieces[due]
        self._bank.offer(self._pieces["serial"][pieces], looks.select(due), quality[due], self._pieces["rows"][pieces])
        self._pieces["offered_s"][pieces] = time_s

    def _name(self, pieces: IntArray) -> None:
        self._pieces["local_id"][pieces] = self._next_id + np.arange(len(pieces))
        self._pieces["emitted_rows"][pieces] = 0
        self._next_id += len(pieces)

    def _remove(self, serials: IntArray) -> None:
        self._forget_content(serials)
        kept = ~np.isin(self._pieces["serial"], serials)
        self._pieces = {name: column[kept] for name, column in self._pieces.items()}

    def _forget_content(self, serials: IntArray) -> None:
        self._log.forget(serials)
        if self._bank is not None:
            self._bank.forget(serials)

    def _emit(self, kind: TrackletEventKind, serials: Sequence[int] | IntArray) -> None:
        self._events.extend(TrackletEvent(kind, self._tracklet(int(serial))) for serial in serials)

    def _tracklet(self, serial: int) -> Tracklet:
        piece = int(np.searchsorted(self._pieces["serial"], serial))
        columns = self._log.read(serial)
        prototypes, prototype_rows = (None, np.zeros(0, np.int64)) if self._bank is None else self._bank.take(serial)
        return Tracklet(
            camera=self._camera,
            local_id=int(self._pieces["local_id"][piece]),
            times_s=columns["time_s"],
            frames=columns["frame"],
            boxes=columns["box"],
            scores=columns["score"],
            keypoints=columns.get("keypoints"),
            prototypes=prototypes,
            prototype_rows=prototype_rows,
            continues=int(self._pieces["continues"][piece]),
            frame_size=self._frame_size,
        )
