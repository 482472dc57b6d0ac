"""Truth of a site as ``<camera>.txt`` (MOTChallenge ground truth) with ``lengths.json``, frames of each camera.

This is what people write for their own sites. Files count frames from 1, ids hold over all cameras.
"""

from data.listing import by_stem, listed
from pathlib import Path

from data.datasets.layout import check_length, find_root
from data.datasets.tracking import Problem, TrackingDataset, TruthSequence, missing_names, sound_rows
from data.errors import UserError
from data.foreign import read_json
from data.formats.mot import read_mot

_LENGTHS = "lengths.json"
_NO_CAMERA = ("labels.txt", "world.txt")


def read_site_truth(root: Path, split: str) -> TrackingDataset:
    """Read the truth of a site.

    Args:
        root: the folder of the files.
        split: "" only.

    Raises:
        UserError: no file is there, or one is broken.
    """
    if split:
        raise UserError("the truth of a site has no parts; leave --split out")
    place = find_root(root, "the truth of a site (<camera>.txt)", ("*.txt",))
    paths = by_stem(path for path in listed(place, "*.txt") if path.name not in _NO_CAMERA)
    if not paths:
        raise UserError(f"{place} holds no <camera>.txt")
    lengths = _lengths(place / _LENGTHS)
    problems = missing_names("missing file", place, lengths, paths)
    if not lengths:
        problems.append(Problem("missing file", str(place / _LENGTHS), 1, "the last row of all cameras ends them"))
    tables = {name: read_mot(path, "gt") for name, path in paths.items()}
    last = max((int(table.frames[-1]) for table in tables.values() if len(table)), default=-1)
    sequences = []
    for name, table in tables.items():
        length = lengths.get(name, last + 1)
        if len(table):
            check_length(paths[name], int(table.frames[-1]), length, 1)
        table, flat = sound_rows(str(paths[name]), table)
        problems += flat
        sequences.append(TruthSequence(name, length, table))
    return TrackingDataset(
        name="site", root=root, split="", sequences=tuple(sequences), one_site=True, shared_ids=True, frame_base=1,
        problems=tuple(problems),
    )  # fmt: skip


def _lengths(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    content = read_json(path)
    sound = isinstance(content, dict) and all(type(value) is int and value >= 0 for value in content.values())
    if not sound:
        raise UserError(f"{path}: expected a JSON object of camera names and numbers of frames")
    return dict(content)
