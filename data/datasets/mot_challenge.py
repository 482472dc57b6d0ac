"""MOTChallenge: MOT15 (Leal-Taixé et al. 2015), MOT16 and MOT17 (Milan et al. 2016), MOT20 (Dendorfer et al. 2020).

``train/<sequence>/{gt/gt.txt, seqinfo.ini, img1/}``, or the same files as ``<sequence>.txt`` beside a ``lengths.json``.
The truth of ``test`` was never published. MOT17 has each sequence three times, once for each of three detectors. Files
count frames from 1.
"""

from collections.abc import Callable
from pathlib import Path

from data.datasets.layout import choose_part, find_root
from data.datasets.mot_folder import LENGTHS_FILE, read_camera_files, read_sequence_folders
from data.datasets.tracking import Rule, TrackingDataset, missing_names
from data.errors import UserError

_MOT15 = (
    "ADL-Rundle-6", "ADL-Rundle-8", "ETH-Bahnhof", "ETH-Pedcross2", "ETH-Sunnyday", "KITTI-13", "KITTI-17",
    "PETS09-S2L1", "TUD-Campus", "TUD-Stadtmitte", "Venice-2",
)  # fmt: skip
_NUMBERS = ("02", "04", "05", "09", "10", "11", "13")
_DETECTORS = ("DPM", "FRCNN", "SDP")


def read_mot15(root: Path, split: str) -> TrackingDataset:
    """Read MOT15; see ``_read``."""
    return _read("mot15", root, split, "mot15", lambda found: _MOT15)


def read_mot16(root: Path, split: str) -> TrackingDataset:
    """Read MOT16; see ``_read``."""
    return _read("mot16", root, split, "mot17", lambda found: tuple(f"MOT16-{number}" for number in _NUMBERS))


def read_mot17(root: Path, split: str) -> TrackingDataset:
    """Read MOT17; a detector none of whose sequences is there is not missed. See ``_read``."""

    def expected(found: tuple[str, ...]) -> tuple[str, ...]:
        used = [one for one in _DETECTORS if any(name.endswith(f"-{one}") for name in found)]
        return tuple(f"MOT17-{number}-{one}" for number in _NUMBERS for one in used)

    return _read("mot17", root, split, "mot17", expected)


def read_mot20(root: Path, split: str) -> TrackingDataset:
    """Read MOT20; see ``_read``."""
    return _read("mot20", root, split, "mot17", lambda found: ("MOT20-01", "MOT20-02", "MOT20-03", "MOT20-05"))


def _read(
    name: str, root: Path, split: str, rule: Rule, expected: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> TrackingDataset:
    """Read a MOTChallenge data set.

    Args:
        name: key of the registry.
        root: the data set's folder, the folder above it, or the folder of its sequences.
        split: "" or "train".
        rule: which truth counts.
        expected: the names of the sequences of ``train``, by those that are there.

    Raises:
        UserError: no sequence is there, or a file is broken.
    """
    what = name.upper()
    choose_part(split, "train", ("train",), what)
    if (root / LENGTHS_FILE).is_file():
        place, (sequences, found) = root, read_camera_files(root)
    else:
        place = find_root(root, what, ("*/gt/gt.txt",), ("train", f"{what}/train", what))
        sequences, found = read_sequence_folders(place)
    nobody = [one.name for one in sequences if not len(one.truth)]
    if nobody:
        raise UserError(
            f"{place}: the truth of {nobody[0]} holds no row; a sequence without anybody was never published"
        )
    names = tuple(one.name for one in sequences)
    problems = missing_names("missing sequence", place, expected(names), names)
    return TrackingDataset(
        name=name, root=root, split="train", sequences=tuple(sequences), one_site=False, shared_ids=False,
        frame_base=1, rule=rule, problems=tuple(problems + found),
    )  # fmt: skip
