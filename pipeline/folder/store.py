"""Durable tracklets: parts closed by time window, and checkpoints a killed run goes on from."""

from collections.abc import Mapping
from typing import Any

from data.formats.state import load_state, save_state
from data.formats.tracklets import read_tracklets, write_tracklets
from data.records import Tracklet
from pipeline.folder.run_folder import RunFolder


class TrackletStore:
    """Collects closed tracklets and makes them durable.

    A part is written when its time window ends. In between, checkpoints keep the open window: the file of pending
    tracklets is written first and named in the state, which is replaced atomically, so that a kill at any moment leaves
    one consistent checkpoint.
    """

    def __init__(self, folder: RunFolder, part_s: float) -> None:
        """Store into ``folder``; a part holds the tracklets closed within ``part_s`` seconds of video time."""
        self._folder = folder
        self._part_s = part_s
        self._pending: list[Tracklet] = []
        self._parts = 0
        self._checkpoints = 0
        self._window_start_s: float | None = None

    def add(self, tracklet: Tracklet) -> None:
        """Take a closed tracklet."""
        self._pending.append(tracklet)

    def advance(self, common_s: float) -> bool:
        """Tell the store that all frames before ``common_s`` are done.

        Returns:
            True when this ended a window and a part was written: the moment for a checkpoint.
        """
        if self._window_start_s is None:
            self._window_start_s = common_s
        if common_s - self._window_start_s < self._part_s:
            return False
        self._write_part()
        self._window_start_s = common_s
        return True

    def finish(self) -> None:
        """Write what is left."""
        self._write_part()

    def checkpoint(self, stage: Mapping[str, Any]) -> None:
        """Make the whole state durable: the pending tracklets and the stage's own tree."""
        self._folder.checkpoint.mkdir(exist_ok=True)
        self._checkpoints += 1
        pending = f"pending-{self._checkpoints}.parquet"
        write_tracklets(self._folder.claim(self._folder.checkpoint / pending), self._pending)
        own = {
            "pending": pending,
            "parts": self._parts,
            "checkpoints": self._checkpoints,
            "window_start_s": self._window_start_s,
        }
        save_state(self._folder.claim(self._folder.checkpoint / "state.npz"), {"store": own, "stage": dict(stage)})
        for path in self._folder.checkpoint.glob("pending-*.parquet"):
            if path.name != pending:
                path.unlink()

    def restore(self) -> dict[str, Any] | None:
        """Go on from the last checkpoint.

        Parts written after it are deleted: the resumed run writes them again, with the same content.

        Returns:
            The stage's tree, or None where there is no checkpoint and the run starts from the first frame.
        """
        path = self._folder.checkpoint / "state.npz"
        state = load_state(path) if path.exists() else None
        if state is not None:
            own = state["store"]
            self._pending = read_tracklets(self._folder.checkpoint / own["pending"])
            self._parts = own["parts"]
            self._checkpoints = own["checkpoints"]
            self._window_start_s = own["window_start_s"]
        for part in self._folder.part_paths()[self._parts :]:
            part.unlink()
        return None if state is None else state["stage"]

    def clear_checkpoint(self) -> None:
        """Remove the checkpoint: the run needs it no more."""
        if self._folder.checkpoint.is_dir() and not self._folder.checkpoint.is_symlink():
            for path in self._folder.checkpoint.iterdir():
                path.unlink()
            self._folder.checkpoint.rmdir()

    def _write_part(self) -> None:
        if self._pending:
            start_s = 0.0 if self._window_start_s is None else self._window_start_s
            self._folder.write_part(start_s, self._parts, self._pending)
            self._pending = []
            self._parts += 1
