"""Skeleton sequences as the published gait encoders take them, and as this project writes them.

Published sets (``<f>`` = frames of a sequence, ``<w>`` = x, y, z; flat arrays of sequences x f x joints, in time's
order):

| name | training | test |
|---|---|---|
| biwi, kgbd, ks20, kinectreid | ``<DS>/<f>/<DS>_train_npy_data/source_<w>_<DS>_<f>.npy`` | ``<DS>_test_npy_data/...`` |
| ias | the same | two in ``IAS_test_npy_data``: ``t_source_<w>_IAS-A_<f>.npy`` and ``IAS-B`` |
| ks20, casia_b with a view | ``<DS>/<f>/view_<k>/<DS>_train_npy_data/...`` | the same |
| casia_b without | ``CASIA_B_match/<f>/CASIA_B_train_npy_data/...`` | ``CASIA_B_test_npy_data/{nm,cl,bg}/...`` |

Beside them lie ``ids_<DS>_<f>.npy``, pickled dictionaries of sequence numbers by person. Nothing is unpickled here:
``python -m tools.import_checkpoint ids_BIWI_6.npy`` writes the ``.json`` that is read. Files tell no recordings; the
sequences of a person that stand together count as one.

Our own set is one ``.npz`` of ``data.formats.skeleton_recordings``: of each person, recordings whose condition is "nm"
and whose name does not begin with "test" are the training, the others are one test per condition.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.foreign import read_array, read_json
from data.formats.skeleton_recordings import read_recordings
from data.listing import listed
from data.records import FloatArray, IntArray
from data.skeleton_sequences import Recording, SkeletonSequences, check_sequences, cut

CONDITIONS = ("nm", "cl", "bg")
TEST_PREFIX = "test"
_MATCH_FOLDERS = ("CASIA_B_match", "CASIA_B_CME")


@dataclass(frozen=True, slots=True, eq=False)
class GaitSplits:
    """A data set.

    Attributes:
        train: what is learnt from.
        tests: what is scored, by name.
    """

    train: SkeletonSequences
    tests: Mapping[str, SkeletonSequences]


GaitReader = Callable[[Path, int, int | None], GaitSplits]
"""Reads (root, frames of a sequence, view or None); a ``UserError`` says what was expected and what is there."""


def read_biwi(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """BIWI RGBD-ID (Munaro et al., 2014): 20 joints, 28 people walking."""
    _refuse_view(view, "BIWI")
    return _published(root, "BIWI", 20, frames, None)


def read_ias(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """IAS-Lab (Munaro et al., 2014): 20 joints, 11 people; test A in other clothes, test B in another room."""
    _refuse_view(view, "IAS")
    place = _place(root, "IAS", frames, None)
    train = _read(place / "IAS_train_npy_data", "source", "IAS", 20, frames)
    tests = {name: _read(place / "IAS_test_npy_data", "t_source", name, 20, frames) for name in ("IAS-A", "IAS-B")}
    return GaitSplits(train, tests)


def read_kgbd(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """KGBD (Andersson and Araujo, 2015): 20 joints, 164 people."""
    _refuse_view(view, "KGBD")
    return _published(root, "KGBD", 20, frames, None)


def read_ks20(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """KS20 (Nambiar et al., 2017): 25 joints, 20 people; views 0 to 4 are walking directions."""
    return _published(root, "KS20", 25, frames, view)


def read_kinectreid(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """KinectREID (Pala et al., 2016): 20 joints, 71 people."""
    _refuse_view(view, "KinectReID")
    return _published(root, "KinectReID", 20, frames, None)


def read_casia_b(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """CASIA-B (Yu et al., 2006), 14 estimated joints, about joint 0 of each frame.

    With a view: one of 11 directions of walking, 18 degrees apart (cross-view evaluation, CVE). Without: the tests are
    the conditions nm, cl and bg (condition matching, CME).
    """
    if view is not None:
        splits = _published(root, "CASIA_B", 14, frames, view)
        return GaitSplits(_about_first(splits.train), {name: _about_first(test) for name, test in splits.tests.items()})
    folders = [folder for folder in _MATCH_FOLDERS if (root / folder).is_dir()] or [_MATCH_FOLDERS[0]]
    place = _place(root, folders[0], frames, None)
    train = _read(place / "CASIA_B_train_npy_data", "source", "CASIA_B", 14, frames)
    tests = {
        name: _about_first(_read(place / "CASIA_B_test_npy_data" / name, "t_source", "CASIA_B", 14, frames))
        for name in CONDITIONS
        if (place / "CASIA_B_test_npy_data" / name).is_dir()
    }
    if not tests:
        raise UserError(f"{place / 'CASIA_B_test_npy_data'}: none of the folders {', '.join(CONDITIONS)} is there")
    return GaitSplits(_about_first(train), tests)


def read_own(root: Path, frames: int, view: int | None = None) -> GaitSplits:
    """Recordings of this project, see the head of this module; a view keeps those of one direction, in degrees."""
    recordings = read_recordings(root / "skeletons.npz" if root.is_dir() else root)
    if view is not None:
        recordings = [item for item in recordings if item.view_deg == view]
    if not recordings or min(item.person for item in recordings) < 0:
        raise UserError(f"{root}: recordings {'of nobody' if recordings else f'of view {view}'} cannot be trained on")
    train = [item for item in recordings if item.condition in ("", "nm") and not item.name.startswith(TEST_PREFIX)]
    tests: dict[str, list[Recording]] = {}
    for item in recordings:
        if item.name.startswith(TEST_PREFIX) or item.condition not in ("", "nm"):
            tests.setdefault(item.condition or "nm", []).append(item)
    splits = {name: cut(part, frames, f"{root} ({name})") for name, part in sorted(tests.items())}
    return GaitSplits(cut(train, frames, f"{root} (training)"), splits)


def _published(root: Path, name: str, joints: int, frames: int, view: int | None) -> GaitSplits:
    place = _place(root, name, frames, view)
    train = _read(place / f"{name}_train_npy_data", "source", name, joints, frames)
    test = _read(place / f"{name}_test_npy_data", "t_source", name, joints, frames)
    return GaitSplits(train, {name if view is None else f"{name} view {view}": test})


def _refuse_view(view: int | None, name: str) -> None:
    if view is not None:
        raise UserError(f"{name} has no views; leave the view out")


def _place(root: Path, name: str, frames: int, view: int | None) -> Path:
    """The folder of the wanted frames and view, below the folder of all sets, of this one, or of its frames."""
    steps = [name, str(frames), *([] if view is None else [f"view_{view}"])]
    for skipped in range(len(steps) + 1):
        place = root.joinpath(*steps[skipped:])
        if listed(place, "*_train_npy_data"):
            return place
    there = [path.name for path in listed(root, "*") if path.is_dir()][:8]
    raise UserError(
        f"{root}: no {'/'.join(steps)}/*_train_npy_data below it; there {'are' if there else 'is nothing'} "
        f"{', '.join(there)}".rstrip()
    )


def _read(folder: Path, prefix: str, name: str, joints: int, frames: int) -> SkeletonSequences:
    axes = [_axis(folder / f"{prefix}_{axis}_{name}_{frames}.npy", joints, frames) for axis in "xyz"]
    counts = [len(axis) for axis in axes]
    if len(set(counts)) > 1:
        raise UserError(f"{folder}: x, y and z have {', '.join(map(str, counts))} sequences; they belong together")
    people = _people(folder / f"ids_{name}_{frames}", counts[0])
    recordings = np.cumsum(np.diff(people, prepend=people[:1]) != 0)
    kept = people >= 0
    found = SkeletonSequences(np.stack(axes, 3)[kept], people[kept], recordings[kept])
    return check_sequences(found, str(folder))


def _axis(path: Path, joints: int, frames: int) -> FloatArray:
    """(n, f, J) of one axis."""
    flat = read_array(path)
    if flat.dtype.kind not in "fiu":
        raise UserError(f"{path} holds no plain numbers")
    if flat.size % (frames * joints):
        raise UserError(
            f"{path}: {flat.size} numbers are no sequences of {frames} frames of {joints} joints; "
            "is it of another length or skeleton?"
        )
    return flat.reshape(-1, frames, joints).astype(np.float32)


def _people(stem: Path, count: int) -> IntArray:
    """(n,) person of each sequence, -1 where none is told."""
    path = stem.with_name(stem.name + ".json")
    if not path.exists():
        pickled = stem.with_name(stem.name + ".npy")
        how = f"; write it by `python -m tools.import_checkpoint {pickled}`" if pickled.exists() else ""
        raise UserError(f"there is no {path}{how}")
    try:
        told = {int(person): [int(row) for row in rows] for person, rows in read_json(path).items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"{path} holds no lists of sequence numbers by person") from None
    people = np.full(count, -1, np.int64)
    for person, rows in told.items():
        outside = [row for row in rows if not 0 <= row < count]
        if outside:
            raise UserError(f"{path}: person {person} has sequence {outside[0]}, but there are {count}")
        people[rows] = person
    if not len(people) or people.max() < 0:
        raise UserError(f"{path}: no sequence belongs to anybody")
    return people


def _about_first(sequences: SkeletonSequences) -> SkeletonSequences:
    return SkeletonSequences(sequences.points - sequences.points[:, :, :1], sequences.people, sequences.recordings)


GAIT_LAYOUTS: Mapping[str, GaitReader] = {
    "biwi": read_biwi,
    "ias": read_ias,
    "kgbd": read_kgbd,
    "ks20": read_ks20,
    "kinectreid": read_kinectreid,
    "casia_b": read_casia_b,
    "recordings": read_own,
}
