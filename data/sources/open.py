"""``[name=]path`` arguments, and the source that fits each."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from data.config import SourcesConfig
from data.errors import UserError
from data.redaction import redact
from data.sources.base import CameraSpec, FrameSource
from data.sources.container import Unreadable, open_container

_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_SCHEMES = ("http", "https", "rtmp", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
_RECORDED_SCHEMES = ("http", "https")


def is_camera_name(name: str) -> bool:
    """Whether a name can stand in file names: letters, digits, '_', '-' and '.', not beginning with '.'."""
    return _SAFE_NAME.fullmatch(name) is not None


def camera_specs(videos: Mapping[str, str | Path] | Sequence[str | Path]) -> list[CameraSpec]:
    """Cameras given in Python: paths by name, or paths whose cameras are called as ``parse_camera_specs`` says.

    Raises:
        UserError: for an unfit name, an empty path, and two cameras of one name.
    """
    if not isinstance(videos, Mapping):
        return _distinct([CameraSpec(_default_name(str(path)), str(path)) for path in videos])
    for name, path in videos.items():
        _check(name, str(path))
    return [CameraSpec(name, str(path)) for name, path in videos.items()]


def parse_camera_specs(values: Sequence[str]) -> list[CameraSpec]:
    """Read ``[name=]path`` arguments.

    A path is a video file, a folder of pictures, an address (rtsp://, http://, ...) or the number of a webcam. Without
    a name the camera is called after the file, the folder or the last part of the address, with characters that do
    not fit into file names replaced by '_'; a webcam is called webcam<number>.

    Raises:
        UserError: for an unfit name, an empty path, and two cameras of one name.
    """
    return _distinct([_parse(value) for value in values])


def _distinct(specs: list[CameraSpec]) -> list[CameraSpec]:
    seen: dict[str, str] = {}
    for spec in specs:
        if spec.camera in seen:
            raise UserError(
                f"two cameras are called '{spec.camera}' ({redact(seen[spec.camera])} and "
                f"{redact(spec.uri)}); name one of them: other={redact(spec.uri)}"
            )
        seen[spec.camera] = spec.uri
    return specs


def open_source(spec: CameraSpec, config: SourcesConfig) -> FrameSource:
    """Open a camera: a picture folder, a video file, a recorded video behind an address, a stream or a webcam.

    Raises:
        UserError: when it is missing, empty, no video or cannot be reached.
    """
    from data.sources.images import ImageFolderSource
    from data.sources.stream import LiveSource, WebcamConnection

    if spec.uri.isascii() and spec.uri.isdigit():
        return LiveSource(spec, config, lambda: WebcamConnection(int(spec.uri)))
    if "://" in spec.uri:
        return _open_address(spec, config)
    path = Path(spec.uri)
    if path.is_char_device():
        return LiveSource(spec, config, lambda: WebcamConnection(spec.uri))
    if path.is_dir():
        return ImageFolderSource(spec, config)
    if not path.is_file():
        raise UserError(f"camera '{spec.camera}': there is no file or folder {spec.uri}; check the path")
    return _open_file(spec, config)


def _open_file(spec: CameraSpec, config: SourcesConfig) -> FrameSource:
    from data.sources.opencv import OpenCvSource
    from data.sources.video import VideoSource

    try:
        if not Path(spec.uri).stat().st_size:
            raise Unreadable("the file is empty")
        if config.decoder == "opencv":
            return OpenCvSource(spec, config)
        try:
            return VideoSource(spec, config)
        except Unreadable:
            if config.decoder == "pyav":
                raise
            source = OpenCvSource(spec, config)
            source.warnings.append("PyAV cannot open it: decoded by OpenCV, frame times are index / fps")
            return source
    except (Unreadable, OSError) as error:
        raise UserError(
            f"camera '{spec.camera}': {spec.uri} is not a video that can be read, or was cut off before its index was "
            f"written ({error}); give a video file, record it again or repair it"
        ) from None


def _open_address(spec: CameraSpec, config: SourcesConfig) -> FrameSource:
    from data.sources.stream import LiveSource, NetworkConnection
    from data.sources.video import VideoSource

    shown = redact(spec.uri)
    scheme = urlsplit(spec.uri).scheme.lower()
    if scheme not in _SCHEMES:
        raise UserError(f"camera '{spec.camera}': cannot read {shown}; known are {', '.join(_SCHEMES)} addresses")
    if scheme in _RECORDED_SCHEMES:
        try:
            with open_container(spec.uri, config.timeout_s) as container:
                recorded = bool(container.duration)
            if recorded:
                return VideoSource(spec, config)
        except Unreadable as error:
            raise UserError(f"camera '{spec.camera}': cannot open {shown} ({error})") from None
    return LiveSource(spec, config, lambda: NetworkConnection(spec.camera, spec.uri, config.timeout_s))


def _parse(value: str) -> CameraSpec:
    head, equals, tail = value.partition("=")
    if equals and not _is_path(value, head, tail):
        _check(head, tail)
        return CameraSpec(head, tail)
    if not value:
        raise UserError("a camera has no path; write [name=]path")
    return CameraSpec(_default_name(value), value)


def _check(name: str, path: str) -> None:
    if not is_camera_name(name):
        raise UserError(f"'{name}' cannot name a camera: use letters, digits, '_', '-' and '.', not beginning with '.'")
    if not path:
        raise UserError(f"camera '{name}' has no path; write {name}=path")


def _is_path(value: str, head: str, tail: str) -> bool:
    """Whether the first '=' belongs to a path: in an address, in the name of a file that is there, in a folder's."""
    if "://" in head:
        return True
    named = "://" in tail or Path(tail).exists()
    return not named and (Path(value).exists() or "/" in head)


def _default_name(uri: str) -> str:
    if uri.isascii() and uri.isdigit():
        return f"webcam{uri}"
    if "://" in uri:
        parts = urlsplit(uri)
        base = Path(parts.path).stem or parts.hostname or ""
    else:
        path = Path(uri)
        base = path.absolute().name if path.is_dir() else path.stem
    name = _UNSAFE.sub("_", base).lstrip(".")
    if not name.strip("_."):
        raise UserError(f"no camera name can be made of {redact(uri)}; write name={redact(uri)}")
    return name
