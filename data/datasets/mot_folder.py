"""A plain folder of MOTChallenge ground truth: what people write for their own recordings.

``<camera>.txt`` with an optional ``lengths.json``, frames of each camera; or ``<sequence>/gt/gt.txt`` with an optional
``seqinfo.ini``. Files count frames from 1. ``labels.txt`` beside them, one label a line, that of class 1 first, as CVAT
writes it, says which classes are people; with one, MOT17's own list of classes does not hold.
"""

from pathlib import Path

from data.datasets.layout import check_length, find_root
from data.datasets.tracking import Problem, Rule, TrackingDataset, TruthSequence, missing_names, sound_rows
from data.errors import UserError
from data.foreign import read_json, read_text
from data.formats.camera_texts import camera_texts
from data.formats.mot import MotTable, read_mot
from data.formats.sequence_info import SEQUENCE_FILE, SequenceInfo, read_sequence_info
from data.labels import PEOPLE, is_person
from data.listing import contents, listed

LENGTHS_FILE = "lengths.json"
LABELS_FILE = "labels.txt"
_WORLD_FILE = "world.txt"
_IN_SEQUENCE = "*/gt/gt.txt"


def read_site(root: Path, split: str) -> TrackingDataset:
    """Read the truth of a site: ``<camera>.txt``, ids that hold over all cameras.

    Args:
        root: the folder of the files.
        split: "" only.

    Raises:
        UserError: no file is there, or one is broken.
    """
    if split:
        raise UserError("the truth of a site has no parts; leave --split out")
    place = find_root(root, "the truth of a site (<camera>.txt)", ("*.txt",))
    sequences, problems = read_camera_files(place)
    if not sequences:
        raise UserError(f"{place} holds no <camera>.txt")
    return _dataset(root, sequences, problems, one_site=True)


def read_mot_folder(root: Path) -> TrackingDataset:
    """Read a folder in either layout; files of cameras are one site, folders of sequences are not.

    Raises:
        UserError: no file is there, or one is broken.
    """
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; give the folder of the truth")
    if listed(root, _IN_SEQUENCE):
        return _dataset(root, *read_sequence_folders(root), one_site=False)
    sequences, problems = read_camera_files(root)
    if not sequences:
        raise UserError(
            f"{root} holds no truth: neither <sequence>/gt/gt.txt nor <camera>.txt with rows of frame, id, left, top, "
            f"width, height, flag (there: {contents(root)})"
        )
    return _dataset(root, sequences, problems, one_site=True)


def read_sequence_folders(place: Path) -> tuple[list[TruthSequence], list[Problem]]:
    """Read ``<sequence>/gt/gt.txt``, sorted by name.

    Raises:
        UserError: a file is broken, or a row lies beyond the stated length.
    """
    sequences, problems = [], []
    for path in listed(place, _IN_SEQUENCE):
        folder = path.parents[1]
        table = read_mot(path, "gt")
        info = read_sequence_info(folder / SEQUENCE_FILE)
        open_end = info is None
        if info is None:
            problems.append(Problem("missing file", str(folder / SEQUENCE_FILE), 1, "the last row ends it"))
            info = SequenceInfo(_last(table) + 1)
        check_length(path, _last(table), info.length, 1)
        table, flat = sound_rows(str(path), table)
        problems += flat
        pictures = folder / info.pictures
        sequences.append(
            TruthSequence(
                name=folder.name, length=info.length, truth=table, fps=info.fps, size=info.size, open_end=open_end,
                pictures=pictures if pictures.is_dir() else None,
            )
        )  # fmt: skip
    return sequences, problems


def read_camera_files(place: Path) -> tuple[list[TruthSequence], list[Problem]]:
    """Read ``<camera>.txt``, sorted by name; where no length is stated, the last row of all cameras ends them.

    Raises:
        UserError: a file is broken, or a row lies beyond the stated length.
    """
    paths = {name: path for name, path in truth_files(place).items() if path.name != _WORLD_FILE}
    lengths = stated_lengths(place)
    problems = missing_names(
        "missing file", place, [f"{name}.txt" for name in lengths], [f"{name}.txt" for name in paths]
    )
    tables = {name: read_mot(path, "gt") for name, path in paths.items()}
    last = max((_last(table) for table in tables.values()), default=-1)
    sequences = []
    for name, table in tables.items():
        length = lengths.get(name, last + 1)
        check_length(paths[name], _last(table), length, 1)
        table, flat = sound_rows(str(paths[name]), table)
        problems += flat
        sequences.append(TruthSequence(name, length, table, open_end=name not in lengths))
    return sequences, problems


def truth_files(place: Path) -> dict[str, Path]:
    """Text files of truth by what they are of, sorted."""
    return camera_texts(place, (LABELS_FILE,))


def stated_lengths(place: Path) -> dict[str, int]:
    """Frames of each camera by ``lengths.json``; empty where there is no such file.

    Raises:
        UserError: the file is no object of numbers of frames.
    """
    path = place / LENGTHS_FILE
    if not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object of camera names and numbers of frames")
    for name, value in content.items():
        if type(value) is not int or value < 0:
            raise UserError(f"{path}: {name} is {value!r}; give a number of frames")
    return content


def people_classes(root: Path) -> tuple[int, ...] | None:
    """Numbers of the classes that are people by ``labels.txt``; None where no list says so.

    Raises:
        UserError: no label of the list is a person's, or sequences have different lists.
    """
    found = listed(root, LABELS_FILE, f"gt/{LABELS_FILE}", f"*/gt/{LABELS_FILE}")
    # A line without a label still counts: the class of a label is the number of its line.
    lists = {path: [line.strip().lower() for line in read_text(path).rstrip().splitlines()] for path in found}
    if not lists:
        return None
    path, labels = next(iter(lists.items()))
    other = next((one for one, told in lists.items() if told != labels), None)
    if other is not None:
        raise UserError(f"{path} and {other} are different lists of classes; score their sequences one by one")
    people = tuple(number for number, label in enumerate(labels, 1) if is_person(label))
    if not people:
        raise UserError(
            f"{path}: none of {', '.join(labels) or 'its 0 labels'} is one of {', '.join(PEOPLE[:4])}; mend it"
        )
    return people


def _dataset(root: Path, sequences: list[TruthSequence], problems: list[Problem], *, one_site: bool) -> TrackingDataset:
    classes = people_classes(root)
    # MOT17's rule has a list of classes of its own.
    rule: Rule = "mot17" if not one_site and classes is None else "plain"
    return TrackingDataset(
        name="site", root=root, split="", sequences=tuple(sequences), one_site=one_site, shared_ids=one_site,
        frame_base=1, classes=classes, rule=rule, problems=tuple(problems),
    )  # fmt: skip


def _last(table: MotTable) -> int:
    """The last frame with a row, from 0; -1 where there is none."""
    return int(table.frames[-1]) if len(table) else -1
