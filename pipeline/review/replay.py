"""The case of a finished run again, from its folder alone: all evidence, also of pairs that the run did not keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.records import IntArray
from data.site import load_site
from pipeline.association.corrections import Correction
from pipeline.association.cue import Cue, SourceBuilder
from pipeline.association.judgement import Judgement, judge
from pipeline.association.registry import SOURCES
from pipeline.association.table import TrackletTable, build_table
from pipeline.config import load_config
from pipeline.folder.run_folder import RunFolder
from st_model.files import load_model
from st_model.model import TransitionModel

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """A finished run.

    Attributes:
        judgement: evidence and constraints, found again with the run's settings and transit times.
        labels: (N,) identity of each row as the run decided, numbered from 0.
        ids: global id of each identity.
    """

    judgement: Judgement
    labels: IntArray
    ids: list[int]

    def global_id(self, row: int) -> int:
        """Global id of a tracklet."""
        return self.ids[int(self.labels[row])]

    def rows_of(self, name: str) -> IntArray:
        """Rows of what a person names: ``camera:local_id``, or the number of an identity.

        Raises:
            UserError: when the run has no such tracklet or identity.
        """
        table = self.judgement.table
        camera, colon, number = name.rpartition(":")
        if not number.isdecimal():
            raise UserError(f"'{name}' names no tracklet: give camera:local_id, or the global id of a person")
        if not colon:
            if int(number) not in self.ids:
                raise UserError(f"the run has no person {int(number)}; its global ids are {_some(self.ids)}")
            return np.flatnonzero(self.labels == self.ids.index(int(number)))
        row = table.index().get((camera, int(number)))
        if row is not None:
            return np.array([row], np.int64)
        if camera not in table.cameras:
            raise UserError(f"the run has no tracklets of camera '{camera}'; its cameras are {_some(table.cameras)}")
        own = [local_id for name, local_id in table.keys if name == camera]
        raise UserError(f"camera '{camera}' has no tracklet {int(number)}; its local ids are {_some(own)}")


def replay(folder: RunFolder, corrections: Sequence[Correction] = (), pair: tuple[Key, Key] | None = None) -> Replay:
    """Judge the tracklets of a run again, as it did.

    Args:
        folder: a run that was associated.
        corrections: pairs a person declared the same or different.
        pair: two tracklets, by (camera, local_id), that are compared even if the run would not have looked at them.

    Raises:
        UserError: when it is no run folder, was not associated, or a file of it is damaged or missing.
    """
    if not folder.require().global_tracks.exists():
        raise UserError(f"{folder.root} has no identities yet: run python -m tools.associate on it first")
    config = load_config([folder.config])
    site = load_site(folder.site)
    table = build_table(folder.read_tracklets(), site)
    labels, ids = _decided(folder, table)
    cues: tuple[SourceBuilder, ...] = SOURCES
    if pair is not None:
        rows = sorted(table.index()[key] for key in pair)
        cues = (*SOURCES, lambda given: _Wanted(rows[0], rows[1]))
    judgement = judge(
        table,
        site,
        config.associate,
        transition=_transition(folder, config.st.model),
        corrections=corrections,
        seed=config.run.seed,
        cues=cues,
    )
    return Replay(judgement, labels, ids)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Proposes one pair, and says nothing of any."""

    a: int
    b: int

    def propose(self) -> tuple[IntArray, IntArray]:
        """The pair."""
        return np.array([self.a], np.int64), np.array([self.b], np.int64)

    def measure(self, a: IntArray, b: IntArray) -> Cue:
        """No evidence."""
        return Cue("wanted", np.full(len(a), np.nan))


def _decided(folder: RunFolder, table: TrackletTable) -> tuple[IntArray, list[int]]:
    tracks = folder.read_global_tracks()
    found = {(visit.camera, visit.local_id): number for number, track in enumerate(tracks) for visit in track.visits}
    missing = [key for key in table.keys if key not in found]
    if missing or len(found) != len(table):
        raise UserError(
            f"{folder.global_tracks} and the tracklets of {folder.root} do not belong together: "
            "run python -m tools.associate on it again"
        )
    return np.array([found[key] for key in table.keys], np.int64), [track.global_id for track in tracks]


def _transition(folder: RunFolder, given: str | None) -> TransitionModel | None:
    """The transit times the run used: learnt and stored beside it, given in its configuration, or none."""
    counts = folder.read_manifest().get("counts", {}) if folder.manifest.exists() else {}
    used = counts.get("association", {}).get("space_time", {})
    if not used.get("used"):
        return None
    if used.get("learnt_from_this_run"):
        return load_model(folder.space_time / "model.npz")
    return None if given is None else load_model(Path(given))


def _some(names: Sequence[int] | Sequence[str], most: int = 12) -> str:
    shown = [str(name) for name in sorted(names)[:most]]
    return ", ".join([*shown, *(["..."] if len(names) > most else [])]) or "none"
