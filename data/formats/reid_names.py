"""Identity, camera and time in the file names of re-identification data sets.

| style  | pattern                     | time                                             |
|--------|-----------------------------|--------------------------------------------------|
| market | ``PPPP_cCsS_FFFFFF_NN.jpg`` | frame in sequence S; sequences are put in a row  |
| duke   | ``PPPP_cC_fFFFFFFF.jpg``    | the camera's own frame, offset by the devkit's   |
| mars   | ``PPPPCcTttttFfff.jpg``     | none: the frame counts within a tracklet         |
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import numpy as np

from data.errors import UserError
from data.records import DoubleArray, IntArray

Style = Literal["market", "duke", "mars"]
STYLES: tuple[Style, ...] = ("market", "duke", "mars")

FPS: dict[Style, float] = {"market": 25.0, "duke": 59.94, "mars": 25.0}

# Largest frame of each sequence of each Market-1501 camera, cameras 1-6 by sequences 1-6.
MARKET_LENGTHS = np.array(
    [
        [72681, 74546, 74881, 74661, 74891, 54346],
        [163691, 164677, 98102, 0, 0, 0],
        [161708, 161769, 104469, 0, 0, 0],
        [72107, 72373, 74810, 74541, 74910, 50616],
        [161095, 161724, 103487, 0, 0, 0],
        [87551, 131268, 95817, 30952, 0, 0],
    ],
    np.int64,
)
# First frame of each DukeMTMC camera on the common clock (devkit); common = local + start - 1.
DUKE_STARTS = np.array([5543, 3607, 27244, 31182, 1, 22402, 18968, 46766], np.int64)

_PATTERNS: dict[Style, re.Pattern[str]] = {
    "market": re.compile(r"(-?\d+)_c(\d+)s(\d+)_(\d+)(?:_\d+)?"),
    "duke": re.compile(r"(-?\d+)_c(\d+)_f(\d+)(?:_\d+)?"),
    "mars": re.compile(r"(-1|\d{4})C(\d+)T(\d+)F(\d+)"),
}


@dataclass(frozen=True, slots=True, eq=False)
class ReidNames:
    """What N file names say.

    Attributes:
        style: which naming.
        names: N names as given.
        identities: (N,) int64; -1 is junk, 0 a distractor (Market).
        cameras: (N,) int64, from 1.
        frames: (N,) int64 on the time line that the cameras share; -1 where the name carries no time.
        fps: frames per second of that time line.
        offsets: how frames were put on it, for provenance.
    """

    style: Style
    names: tuple[str, ...]
    identities: IntArray
    cameras: IntArray
    frames: IntArray
    fps: float
    offsets: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def times_s(self) -> DoubleArray:
        """(N,) float64 seconds; NaN where there is no time."""
        return np.where(self.frames >= 0, self.frames / self.fps, np.nan)


def parse_names(names: Sequence[str], style: Style | None = None, duke_offsets: bool = False) -> ReidNames:
    """Read identity, camera and time out of file names.

    Args:
        names: file names or paths.
        style: the naming; None takes the one that the first name follows.
        duke_offsets: put DukeMTMC frames on the devkit's common clock. Without, they stay as they are, as in the
            published results: lags then carry a constant error per camera pair.

    Raises:
        UserError: when a name does not follow the style, or names a camera or sequence that the data set lacks.
    """
    stems = [PurePath(name).stem for name in names]
    chosen = style or (_detect(names[0], stems[0]) if stems else "market")
    pattern = _PATTERNS[chosen]
    matches = [pattern.fullmatch(stem) for stem in stems]
    wrong = [name for name, match in zip(names, matches) if match is None]
    if wrong:
        raise UserError(
            f"{len(wrong)} of {len(names)} names are not of the {chosen} style ({_example(chosen)}), "
            f"first '{wrong[0]}'; remove other files or choose another style"
        )
    fields = np.array([[int(group) for group in match.groups()] for match in matches if match], np.int64)
    fields = fields.reshape(len(stems), 4 if chosen != "duke" else 3)
    identities, cameras = fields[:, 0], fields[:, 1]
    if chosen == "market":
        frames, offsets = _market_frames(names, cameras, fields[:, 2], fields[:, 3]), "market sequence lengths"
    elif chosen == "duke":
        frames, offsets = fields[:, 2], "none"
        if duke_offsets:
            _check_range(names, cameras, 1, len(DUKE_STARTS), "camera", "DukeMTMC")
            frames, offsets = frames + DUKE_STARTS[cameras - 1] - 1, "dukemtmc devkit"
    else:
        frames, offsets = np.full(len(stems), -1, np.int64), "no time in names"
    return ReidNames(chosen, tuple(names), identities, cameras, frames, FPS[chosen], offsets)


def _detect(name: str, stem: str) -> Style:
    for style, pattern in _PATTERNS.items():
        if pattern.fullmatch(stem):
            return style
    raise UserError(
        f"'{name}' is no name of a re-identification data set; known are "
        + ", ".join(f"{_example(style)} ({style})" for style in STYLES)
    )


def _example(style: Style) -> str:
    return {"market": "0002_c1s1_000451_03.jpg", "duke": "0005_c2_f0046985.jpg", "mars": "0001C1T0001F001.jpg"}[style]


def _check_range(names: Sequence[str], values: IntArray, low: int, high: int, what: str, where: str) -> None:
    wrong = np.flatnonzero((values < low) | (values > high))
    if len(wrong):
        raise UserError(f"'{names[wrong[0]]}' names {what} {values[wrong[0]]}; {where} has {low} to {high}")


def _market_frames(names: Sequence[str], cameras: IntArray, sequences: IntArray, frames: IntArray) -> IntArray:
    _check_range(names, cameras, 1, MARKET_LENGTHS.shape[0], "camera", "Market-1501")
    _check_range(names, sequences, 1, MARKET_LENGTHS.shape[1], "sequence", "Market-1501")
    starts = np.cumsum(MARKET_LENGTHS, axis=1) - MARKET_LENGTHS
    return frames + starts[cameras - 1, sequences - 1]
