"""A folder of pictures as a video."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from data.config import SourcesConfig
from data.errors import UserError
from data.formats.sequence_info import SEQUENCE_FILE, read_sequence_section
from data.listing import listed
from data.pictures import PICTURE_ENDINGS, is_picture, read_picture
from data.records import Frame, Image
from data.sources.base import CameraSpec, SourceInfo, Warnings
from data.sources.geometry import common_size, fit
from data.sources.select import FrameSelector

_NUMBER = re.compile(r"(\d+)")
_LOOKS = 16
# A series that would span more frames (weeks) is numbered by something else, a clock for one.
_LONGEST = 100_000_000
_VIDEO_ENDINGS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which img2 comes before img10."""
    parts = _NUMBER.split(name.lower())
    return tuple((0, int(part), "") if number % 2 else (1, 0, part) for number, part in enumerate(parts))


def frame_numbers(names: Sequence[str]) -> tuple[list[int], str]:
    """Frame numbers of pictures, from 0, by the numbers in their names, and what is to be said of them ("": nothing).

    Where names differ in one number, and that rises by whole multiples of its commonest step, a missing number is a
    missing frame: 1, 2, 3, 7 are the frames 0, 1, 2, 6, and so are 10, 20, 30, 70. Else pictures follow one another.

    Args:
        names: file names in natural order.
    """
    ranks = list(range(len(names)))
    parts = [_NUMBER.split(Path(name).stem) for name in names]
    lengths = {len(one) for one in parts}
    if len(names) < 2:
        return ranks, ""
    columns = list(zip(*parts)) if len(lengths) == 1 else []
    varying = [number for number, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) != 1 or not varying[0] % 2:
        return ranks, "names have no one running number: pictures are taken one after the other, in natural order"
    numbers = [int(text) for text in columns[varying[0]]]
    if len(set(numbers)) < len(numbers):
        counts = Counter(numbers)
        twice = next(index for index, number in enumerate(numbers) if counts[number] > 1)
        return ranks, f"some pictures share a number, such as {names[twice]}: they are taken one after the other"
    steps = [b - a for a, b in pairwise(numbers)]
    shares = Counter(steps)
    usual = max(shares, key=lambda step: (shares[step], -step))
    if usual < 1 or any(step < 1 or step % usual for step in steps) or shares[usual] * 2 < len(steps):
        return ranks, "numbers in names do not rise evenly: pictures are taken one after the other, in natural order"
    indices = [(number - numbers[0]) // usual for number in numbers]
    if indices[-1] > _LONGEST:
        return ranks, "numbers in names are too far apart to count frames: pictures are taken one after the other"
    return indices, ""


class ImageFolderSource:
    """Picture files of one folder, in natural order of their names; frame times are index / fps.

    Indices are those of ``frame_numbers``: missing numbers are missing frames. The rate is that of a MOTChallenge
    ``seqinfo.ini`` beside the pictures or one folder above, else ``sources.image_fps``. The folder that holds
    ``seqinfo.ini`` may be given in place of its ``imDir``.
    """

    def __init__(self, spec: CameraSpec, config: SourcesConfig) -> None:
        """List the folder and decode the first picture.

        Args:
            spec: camera and folder.
            config: how to read it.

        Raises:
            UserError: for a folder without pictures, or whose pictures do not decode.
        """
        self._spec, self._config = spec, config
        self.warnings = Warnings()
        self.counted: int | None = None
        folder = Path(spec.uri)
        sequence = _sequence_section(folder)
        self._paths = _pictures(folder) or _pictures(folder / sequence.get("imdir", "img1"))
        if not self._paths:
            raise UserError(
                f"camera '{spec.camera}': the folder {spec.uri} holds no pictures"
                f" ({', '.join(PICTURE_ENDINGS)}){_others_there(folder)}"
            )
        self._indices, remark = frame_numbers([path.name for path in self._paths])
        if remark:
            self.warnings.tell(remark)
        looks = (image for path in _spread(self._paths) if (image := _read(path)) is not None)
        sizes = [(image.shape[1], image.shape[0]) for image in looks]
        if not sizes:
            raise UserError(
                f"camera '{spec.camera}': the pictures in {spec.uri} do not decode (first: {self._paths[0].name})"
            )
        fps = _rate(sequence.get("framerate", ""))
        if fps is None:
            fps = config.image_fps
            self.warnings.append(f"no seqinfo.ini with a frameRate: {fps:g} fps assumed (sources.image_fps)")
        self._size = common_size(sizes)
        self.info = SourceInfo(
            camera=spec.camera,
            uri=spec.uri,
            width=self._size[0],
            height=self._size[1],
            fps=fps,
            frame_count=self._indices[-1] + 1,
            live=False,
            wall_clock_start_s=None,
            timestamps="fps",
        )
        self._closed = False
        self._resized = False

    def frames(self, start_index: int = 0) -> Iterator[Frame]:
        """Decode from a frame index on; see ``FrameSource``."""
        selector = FrameSelector(self._config, start_index)
        lost: list[Path] = []
        for index, path in zip(self._indices, self._paths):
            if self._closed:
                return
            time_s = index / self.info.fps
            if not selector.wants(index, time_s):
                continue
            image = _read(path)
            if image is None:
                lost.append(path)
                continue
            yield Frame(self._spec.camera, index, time_s, self._sized(image, index))
        self.counted = self._indices[-1] + 1
        self._warn_of_gaps()
        if lost:
            self.warnings.tell(f"{len(lost)} pictures do not decode and were left out, the first is {lost[0].name}")

    def close(self) -> None:
        """Stop a pass that is under way."""
        self._closed = True

    def _sized(self, image: Image, index: int) -> Image:
        """Bring a picture to the size of all."""
        if image.shape[1::-1] != self._size and not self._resized:
            self._resized = True
            width, height = self._size
            self.warnings.tell(
                f"the picture size changes, frame {index} has another: all are fitted into {width}x{height}, "
                "proportions kept"
            )
        return fit(image, self._size)

    def _warn_of_gaps(self) -> None:
        steps = [(after - before, after) for before, after in pairwise(self._indices) if after - before > 1]
        if steps:
            most, after = max(steps, key=lambda step: step[0])
            missing = sum(step for step, _ in steps) - len(steps)
            self.warnings.tell(
                f"{missing} numbers are missing among the names: as many frames are taken to be missing, the longest "
                f"pause is {most / self.info.fps:.2f} s before frame {after}"
            )


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [path for path in listed(folder, "*") if is_picture(path)]
    return sorted(found, key=lambda path: (natural_key(path.name), path.name))


def _spread(paths: Sequence[Path]) -> list[Path]:
    """Some of the paths, spread evenly; the first among them."""
    return list(paths[:: max(1, len(paths) // _LOOKS)])


def _read(path: Path) -> Image | None:
    """A picture; None when it does not decode."""
    try:
        return read_picture(path)
    except UserError:
        return None


def _others_there(folder: Path) -> str:
    """A hint where a folder of videos, or of folders of pictures, was given."""
    videos = [path.name for path in listed(folder, "*") if path.suffix.lower() in _VIDEO_ENDINGS]
    folders = [path.parent.name for path in listed(folder, "*/*") if is_picture(path)]
    kind, names = ("videos", videos) if videos else ("folders of pictures", folders)
    if not names:
        return ""
    every = folder / (f"*{Path(names[0]).suffix}" if videos else "*")
    return f", but {kind} such as {names[0]}: give these one by one, or all as {every}"


def _sequence_section(folder: Path) -> Mapping[str, str]:
    """What seqinfo.ini says, in the folder or above it; empty where there is none."""
    for place in (folder, folder.absolute().parent):
        section = read_sequence_section(place / SEQUENCE_FILE)
        if section is not None:
            return section
    return {}


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate <= 1000 else None
