"""A folder of pictures as a video."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.config import SourcesConfig
from data.errors import UserError
from data.foreign import read_text
from data.listing import listed
from data.pictures import is_picture
from data.records import Frame, Image
from data.sources.base import CameraSpec, SourceInfo
from data.sources.select import FrameSelector

_NUMBER = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which img2 comes before img10."""
    parts = _NUMBER.split(name.lower())
    return tuple((0, int(part), "") if number % 2 else (1, 0, part) for number, part in enumerate(parts))


class ImageFolderSource:
    """JPEG or PNG files of one folder, in natural order of their names; frame times are index / fps.

    The rate is that of a MOTChallenge ``seqinfo.ini`` beside the pictures or one folder above, else
    ``sources.image_fps``. The folder that holds ``seqinfo.ini`` may be given in place of its ``imDir``.
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
        self.warnings: list[str] = []
        folder = Path(spec.uri)
        sequence = _sequence_info(folder)
        self._paths = _pictures(folder) or _pictures(folder / sequence.get("imDir", "img1"))
        if not self._paths:
            raise UserError(f"camera '{spec.camera}': the folder {spec.uri} holds no .jpg or .png pictures")
        first = next((image for path in self._paths[:10] if (image := _read(path)) is not None), None)
        if first is None:
            raise UserError(
                f"camera '{spec.camera}': the pictures in {spec.uri} do not decode (first: {self._paths[0]})"
            )
        fps = _rate(sequence.get("frameRate", ""))
        if fps is None:
            fps = config.image_fps
            self.warnings.append(f"no seqinfo.ini with a frameRate: {fps:g} fps assumed (sources.image_fps)")
        self.info = SourceInfo(
            camera=spec.camera,
            uri=spec.uri,
            width=first.shape[1],
            height=first.shape[0],
            fps=fps,
            frame_count=len(self._paths),
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
        for index, path in enumerate(self._paths):
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
        if lost:
            self._warn(f"{len(lost)} pictures do not decode and were left out, the first is {lost[0].name}")

    def close(self) -> None:
        """Stop a pass that is under way."""
        self._closed = True

    def _sized(self, image: Image, index: int) -> Image:
        """Bring a picture to the size of the first."""
        size = (self.info.width, self.info.height)
        if image.shape[1::-1] == size:
            return image
        import cv2

        if not self._resized:
            self._resized = True
            self._warn(f"the picture size changes at frame {index}: later frames are scaled to the first size")
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _warn(self, line: str) -> None:
        if line not in self.warnings:
            self.warnings.append(line)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [path for path in listed(folder, "*") if is_picture(path)]
    return sorted(found, key=lambda path: (natural_key(path.name), path.name))


def _read(path: Path) -> Image | None:
    """Decode as (H, W, 3) uint8 RGB, upright by its EXIF tag; None when it does not decode."""
    import cv2

    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except cv2.error:
        return None
    return None if image is None else np.ascontiguousarray(image[..., ::-1])


def _sequence_info(folder: Path) -> dict[str, str]:
    """The [Sequence] section of seqinfo.ini, keys as written; empty where there is none."""
    for path in (folder / "seqinfo.ini", folder.absolute().parent / "seqinfo.ini"):
        if path.is_file():
            parser = configparser.ConfigParser(interpolation=None)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            try:
                parser.read_string(read_text(path))
            except configparser.Error as error:
                line = str(error).splitlines()[0]
                raise UserError(f"{path} is not a readable seqinfo.ini ({line}); mend or remove it") from None
            return dict(parser["Sequence"]) if parser.has_section("Sequence") else {}
    return {}


def _rate(text: str) -> float | None:
    try:
        rate = float(text)
    except ValueError:
        return None
    return rate if 0 < rate <= 1000 else None
