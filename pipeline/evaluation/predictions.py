"""Where predictions lie on disk.

A folder holds ``<sequence>.txt``, ``<sequence>/<sequence>.txt`` or ``<sequence>/gt/gt.txt``, a run folder
``tracks/<sequence>.txt``.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

from data.errors import UserError
from data.foreign import read_text
from data.formats.mot import MotTable, read_mot
from data.listing import listed

_IN_SEQUENCE = Path("gt", "gt.txt")


def read_predictions(
    folder: Path, names: Iterable[str], known: Collection[str], allow_missing: bool
) -> tuple[dict[str, MotTable | None], list[str]]:
    """Predictions of some sequences.

    Args:
        folder: of the predictions, or a run folder.
        names: of the sequences to score.
        known: all sequences of the truth; predictions of others are named and counted.
        allow_missing: take an absent file as no predictions at all.

    Returns:
        Rows by sequence, in the order of the names, None where there is no file; and what is to be said.

    Raises:
        UserError: a file is absent or broken.
    """
    lines = [
        f"{name}: predictions without a truth ({_count_rows(folder, name)} rows), not scored"
        for name in unknown_predictions(folder, known)
    ]
    found: dict[str, MotTable | None] = {}
    for name in names:
        path = find_prediction(folder, name)
        if path is None and not allow_missing:
            raise UserError(
                f"{folder} has no predictions for {name} ({name}.txt); --allow-missing of the scoring "
                "tools scores it as empty, --sequences leaves it out"
            )
        found[name] = None if path is None else read_mot(path, "tracks")
    return found, lines


def find_prediction(folder: Path, name: str) -> Path | None:
    """The file of predictions of a sequence, or None."""
    places = (
        folder / f"{name}.txt",
        folder / name / f"{name}.txt",
        folder / name / _IN_SEQUENCE,
        folder / "tracks" / f"{name}.txt",
    )
    spelled = (path for place in places for path in (place, place.with_suffix(".TXT")))
    return next((path for path in spelled if path.is_file()), None)


def unknown_predictions(folder: Path, known: Collection[str]) -> list[str]:
    """Names of predictions for sequences that the truth does not have, sorted.

    Raises:
        UserError: the folder is none.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder of the predictions")
    # Beside its tracks a run folder has texts that are none (its log).
    texts = listed(folder / "tracks" if (folder / "tracks").is_dir() else folder, "*.txt")
    found = {path.stem for path in texts}
    found |= {path.name for path in listed(folder, "*") if path.is_dir() and find_prediction(folder, path.name)}
    return sorted(found - set(known))


def _count_rows(folder: Path, name: str) -> int:
    """Number of predicted rows of a sequence that is not scored: its lines, whatever they say."""
    path = find_prediction(folder, name)
    return 0 if path is None else sum(1 for line in read_text(path).splitlines() if line.strip())
