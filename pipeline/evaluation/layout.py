"""Where truth and predictions lie on disk.

Truth is ``<sequence>/gt/gt.txt`` with an optional ``seqinfo.ini`` (MOTChallenge), or ``<camera>.txt`` with an optional
``lengths.json`` that gives the number of frames of each camera. Predictions are ``<sequence>.txt``,
``<sequence>/<sequence>.txt`` or ``<sequence>/gt/gt.txt``, or those of a run folder: ``tracks/<sequence>.txt``.
"""

import configparser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.foreign import read_json, read_text
from data.formats.mot import MotTable, read_mot

LENGTHS_FILE = "lengths.json"
_TRUTH_IN_SEQUENCE = Path("gt", "gt.txt")


@dataclass(frozen=True, slots=True)
class TruthFolder:
    """The sequences of a truth, by name.

    Attributes:
        root: the folder given.
        paths: truth file of each sequence, sorted by name.
        lengths: frames of each sequence that says so.
        has_sequences: True for ``<sequence>/gt/gt.txt``, False for ``<camera>.txt``.
    """

    root: Path
    paths: dict[str, Path]
    lengths: dict[str, int]
    has_sequences: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """Truth and predictions of one sequence as read, frames below ``length``.

    Attributes:
        name: of the sequence or camera.
        length: number of frames.
        truth: all rows, ignored ones too.
        predictions: rows within the length.
        rows_beyond: number of predicted rows after the last frame of the truth; there is nothing to judge them by, so
            they are left out.
        missing: there was no file of predictions.
    """

    name: str
    length: int
    truth: MotTable
    predictions: MotTable
    rows_beyond: int
    missing: bool


def find_truth(root: Path) -> TruthFolder:
    """Look for truth in a folder.

    Raises:
        UserError: the folder is absent or holds no truth, or a length is not readable.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the folder of the truth")
    in_folders = {path.parents[1].name: path for path in sorted(root.glob(f"*/{_TRUTH_IN_SEQUENCE.as_posix()}"))}
    if in_folders:
        stated = {name: _sequence_length(root / name / "seqinfo.ini") for name in in_folders}
        lengths = {name: length for name, length in stated.items() if length is not None}
        return TruthFolder(root, in_folders, lengths, has_sequences=True)
    lengths = _read_lengths(root / LENGTHS_FILE)
    paths = {path.stem: path for path in sorted(root.glob("*.txt"))}
    if not paths:
        raise UserError(f"{root} holds no truth: neither <sequence>/gt/gt.txt nor <camera>.txt")
    absent = sorted(set(lengths) - set(paths))
    if absent:
        raise UserError(f"{root / LENGTHS_FILE} names {absent[0]}, but {root / absent[0]}.txt is missing")
    return TruthFolder(root, paths, lengths, has_sequences=False)


def read_sequence(truth: TruthFolder, name: str, predictions: Path, allow_missing: bool) -> Sequence:
    """Read one sequence.

    Where the truth does not say how long it is, the last frame of either side ends it.

    Args:
        truth: from ``find_truth``.
        name: of the sequence.
        predictions: the folder of the predictions.
        allow_missing: take an absent file as no predictions at all.

    Raises:
        UserError: a file is absent or broken, or the truth is longer than it says.
    """
    table = read_mot(truth.paths[name], "gt")
    path = find_prediction(predictions, name)
    if path is None and not allow_missing:
        raise UserError(
            f"{predictions} has no predictions for {name} ({name}.txt); --allow-missing scores it as empty, "
            f"--sequences leaves it out"
        )
    found = MotTable.empty() if path is None else read_mot(path, "tracks")
    found = found.select(found.flags)
    last = int(table.frames[-1]) + 1 if len(table) else 0
    length = truth.lengths.get(name, max(last, int(found.frames[-1]) + 1 if len(found) else 0))
    if last > length:
        raise UserError(
            f"{truth.paths[name]}: frame {last} is beyond the stated length of {length} frames; mend either"
        )
    within = found.frames < length
    return Sequence(name, length, table, found.select(within), int((~within).sum()), path is None)


def find_prediction(folder: Path, name: str) -> Path | None:
    """The file of predictions of a sequence, or None."""
    places = (
        folder / f"{name}.txt",
        folder / name / f"{name}.txt",
        folder / name / _TRUTH_IN_SEQUENCE,
        folder / "tracks" / f"{name}.txt",
    )
    return next((path for path in places if path.is_file()), None)


def unknown_predictions(folder: Path, truth: TruthFolder) -> list[str]:
    """Names of predictions for sequences that the truth does not have, sorted."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder of the predictions")
    found = {path.stem for pattern in ("*.txt", "tracks/*.txt") for path in folder.glob(pattern)}
    found |= {path.name for path in folder.iterdir() if path.is_dir() and find_prediction(folder, path.name)}
    return sorted(found - set(truth.paths))


def _sequence_length(path: Path) -> int | None:
    """Frames by MOTChallenge's ``seqinfo.ini``; None where there is no such file."""
    if not path.exists():
        return None
    parser = configparser.ConfigParser()
    try:
        parser.read_string(read_text(path))
        length = parser.getint("Sequence", "seqLength")
    except (configparser.Error, ValueError) as error:
        raise UserError(f"{path}: no readable seqLength ({str(error).splitlines()[0]}); mend or remove it") from None
    return _checked_length(path, "seqLength", length)


def _read_lengths(path: Path) -> dict[str, int]:
    """Frames of each camera; empty where there is no such file."""
    if not path.exists():
        return {}
    values = read_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a JSON object of camera names and numbers of frames")
    return {name: _checked_length(path, name, value) for name, value in values.items()}


def _checked_length(path: Path, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"{path}: {name} is {value!r}; give a number of frames")
    return value
