"""Where truth and predictions lie on disk.

Truth is ``<sequence>/gt/gt.txt`` with an optional ``seqinfo.ini`` (MOTChallenge), or ``<camera>.txt`` with an optional
``lengths.json`` that gives the number of frames of each camera. Predictions are ``<sequence>.txt``,
``<sequence>/<sequence>.txt`` or ``<sequence>/gt/gt.txt``, or those of a run folder: ``tracks/<sequence>.txt``.
"""

import configparser
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.foreign import read_json, read_text
from data.formats.mot import MotTable, read_mot
from data.listing import by_stem, listed
from pipeline.evaluation.labels import LABELS_FILE

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
    in_folders = {path.parents[1].name: path for path in listed(root, f"*/{_TRUTH_IN_SEQUENCE.as_posix()}")}
    if in_folders:
        stated = {name: _sequence_length(root / name / "seqinfo.ini") for name in in_folders}
        lengths = {name: length for name, length in stated.items() if length is not None}
        return TruthFolder(root, in_folders, lengths, has_sequences=True)
    lengths = _read_lengths(root / LENGTHS_FILE)
    paths = by_stem(path for path in listed(root, "*.txt") if path.name != LABELS_FILE)
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
    return sorted(_predicted_names(folder) - set(truth.paths))


def _predicted_names(folder: Path) -> set[str]:
    # Beside its tracks a run folder has texts that are none (its log).
    texts = listed(folder / "tracks" if (folder / "tracks").is_dir() else folder, "*.txt")
    found = {path.stem for path in texts}
    return found | {path.name for path in listed(folder, "*") if path.is_dir() and find_prediction(folder, path.name)}


def pair_predictions(
    folder: Path, lengths: Mapping[str, int], allow_missing: bool, known: Collection[str]
) -> tuple[dict[str, MotTable], list[str]]:
    """Predictions of sequences whose truth is no MOTChallenge text.

    Args:
        folder: of the predictions, or a run folder.
        lengths: frames of each sequence; rows beyond are left out and counted.
        allow_missing: take an absent file as no predictions at all.
        known: all sequences of the truth; predictions of others are named and counted.

    Returns:
        Rows by sequence, and what is to be said of them.

    Raises:
        UserError: a file is absent or broken.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder of the predictions")
    lines = [
        f"{name}: predictions without a truth ({count_rows(folder, name)} rows), not scored"
        for name in sorted(_predicted_names(folder) - set(known))
    ]
    tables = {}
    for name, length in lengths.items():
        path = find_prediction(folder, name)
        if path is None and not allow_missing:
            raise UserError(
                f"{folder} has no predictions for {name} ({name}.txt); --allow-missing scores it as empty, "
                f"--sequences leaves it out"
            )
        if path is None:
            lines.append(f"{name}: no file of predictions, scored as empty")
        found = MotTable.empty() if path is None else read_mot(path, "tracks")
        kept = found.flags & (found.frames < length)
        beyond = int((found.frames >= length).sum())
        if beyond:
            lines.append(f"{name}: {beyond} predicted rows after frame {length}, the last of the truth, are left out")
        tables[name] = found.select(kept)
    return tables, lines


def count_rows(folder: Path, name: str) -> int:
    """Number of predicted rows of a sequence that is not scored: its lines, whatever they say."""
    path = find_prediction(folder, name)
    return 0 if path is None else sum(1 for line in read_text(path).splitlines() if line.strip())


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
