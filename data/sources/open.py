"""``[name=]path`` arguments, and the source that fits each."""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from data.config import SourcesConfig
from data.errors import UserError
from data.names import CAMERA_NAMES, camera_name_from, is_camera_name
from data.pictures import is_picture
from data.redaction import redact
from data.sources.base import CameraSpec, FrameSource, file_and_stream, is_address, is_webcam
from data.sources.container import Unreadable, open_container

_SCHEMES = ("http", "https", "rtmp", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")
_RECORDED_SCHEMES = ("http", "https")


def camera_specs(videos: Mapping[str, str | Path] | Sequence[str | Path]) -> list[CameraSpec]:
    """Cameras given in Python: paths by name, or paths whose cameras are called as ``parse_camera_specs`` says.

    Raises:
        UserError: for an unfit name, an empty path, and two cameras of one name.
    """
    if not isinstance(videos, Mapping):
        return _distinct([CameraSpec(_default_name(str(path)), str(path)) for path in videos])
    for name, path in videos.items():
        _check(name, str(path))
    return _distinct([CameraSpec(name, str(path)) for name, path in videos.items()])


def parse_camera_specs(values: Sequence[str]) -> list[CameraSpec]:
    """Read ``[name=]path`` arguments.

    A path is a video file, a folder of pictures, an address (rtsp://, http://, ...) or the number of a webcam. Without
    a name the camera is called after the file, the folder or the last part of the address, with characters that do
    not fit into file names replaced by '_'; a webcam is called webcam<number>. What exists on disk is meant before an
    address or a webcam; ``file#2`` is the second video stream of a file.

    Raises:
        UserError: for an unfit name, an empty path, and two cameras of one name.
    """
    return _distinct([_parse(value) for value in values])


def _distinct(specs: list[CameraSpec]) -> list[CameraSpec]:
    seen: dict[str, CameraSpec] = {}
    for spec in specs:
        # Disks of macOS and Windows do not tell names apart that differ in case only.
        first = seen.setdefault(spec.camera.casefold(), spec)
        if first is not spec:
            same = f"'{spec.camera}'" if first.camera == spec.camera else f"'{first.camera}' and '{spec.camera}'"
            raise UserError(
                f"two cameras are called {same} ({redact(first.uri)} and {redact(spec.uri)}); name one of them: "
                f"other={redact(spec.uri)}"
            )
    return specs


def open_source(spec: CameraSpec, config: SourcesConfig) -> FrameSource:
    """Open a camera: a picture folder, a video file, a recorded video behind an address, a stream or a webcam.

    Raises:
        UserError: when it is missing, empty, no video or cannot be reached.
    """
    from data.sources.images import ImageFolderSource
    from data.sources.stream import LiveSource, WebcamConnection

    if is_webcam(spec.uri):
        return LiveSource(spec, config, lambda: WebcamConnection(int(spec.uri)))
    if is_address(spec.uri):
        return _open_address(spec, config)
    path, _ = file_and_stream(spec.uri)
    if not os.path.lexists(path):
        raise UserError(f"camera '{spec.camera}': there is no file or folder {path}; check the path")
    if path.is_char_device():
        return LiveSource(spec, config, lambda: WebcamConnection(spec.uri))
    if path.is_dir():
        return ImageFolderSource(spec, config)
    if is_picture(path):
        raise UserError(f"camera '{spec.camera}': {path} is a single picture; give the folder it lies in, or a video")
    if not path.is_file():
        raise UserError(f"camera '{spec.camera}': {_why_none(path)}")
    return _open_file(spec, config)


def _why_none(path: Path) -> str:
    if not path.exists():
        return f"{path} is a link to nothing ({path.readlink()}); check the path"
    return f"{path} is a pipe or device, which is not read; give a video file, a folder of pictures or an address"


def _open_file(spec: CameraSpec, config: SourcesConfig) -> FrameSource:
    from data.sources.opencv import OpenCvSource
    from data.sources.video import VideoSource

    named = file_and_stream(spec.uri)[1] is not None
    try:
        if not file_and_stream(spec.uri)[0].stat().st_size:
            raise Unreadable("the file is empty")
        if config.decoder == "opencv" and not named:
            return OpenCvSource(spec, config)
        try:
            return VideoSource(spec, config)
        except Unreadable:
            if config.decoder == "pyav" or named:
                raise
            source = OpenCvSource(spec, config)
            source.warnings.tell("PyAV cannot open it: decoded by OpenCV, frame times are index / fps")
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
    if scheme == "file":
        raise UserError(f"camera '{spec.camera}': {shown} names a file; give its path without file://")
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
        return CameraSpec(head, _from_home(tail))
    if not value:
        raise UserError("a camera has no path; write [name=]path")
    _check_path(value)
    return CameraSpec(_default_name(value), _from_home(value))


def _from_home(uri: str) -> str:
    """``~`` is written out: shells leave it alone behind a name and '='."""
    return os.path.expanduser(uri) if uri.startswith("~") and not os.path.lexists(uri) else uri


def _check(name: str, path: str) -> None:
    if not is_camera_name(name):
        raise UserError(f"{_told(name)} cannot name a camera: use {CAMERA_NAMES}")
    if not path:
        raise UserError(f"camera '{name}' has no path; write {name}=path")
    _check_path(path)


def _check_path(path: str) -> None:
    """Names that no report, manifest or message could hold are told before anything is opened."""
    wrong = next((one for one in path if unicodedata.category(one) in ("Cc", "Cs")), None)
    if wrong is not None:
        kind = "is not UTF-8" if unicodedata.category(wrong) == "Cs" else "holds a control character"
        raise UserError(f"the name {redact(ascii(path))} {kind}; rename the file")


def _told(name: str) -> str:
    shown = ascii(name) if any(unicodedata.category(one) in ("Cc", "Cs") for one in name) else f"'{name}'"
    return shown if len(shown) <= 80 else f"{shown[:60]}...'"


def _is_path(value: str, head: str, tail: str) -> bool:
    """Whether the first '=' belongs to a path: in an address, in the name of a file that is there, in a folder's."""
    if "://" in head:
        return True
    named = "://" in tail or os.path.lexists(_from_home(tail))
    return not named and (os.path.lexists(value) or "/" in head)


def _default_name(uri: str) -> str:
    if is_webcam(uri):
        return f"webcam{uri}"
    if is_address(uri):
        parts = urlsplit(uri)
        base = Path(parts.path).stem or parts.hostname or ""
    else:
        path, stream = file_and_stream(uri)
        base = Path(os.path.abspath(path)).name if os.path.isdir(path) else path.stem
        base += "" if stream is None else f"_{stream}"
    name = camera_name_from(base)
    if not name.strip("_."):
        if not is_address(uri) and not os.path.lexists(uri):
            raise UserError(f"there is no file or folder {uri}; check the path")
        raise UserError(f"no camera name can be made of {redact(uri)}; write name={redact(uri)}")
    if not is_camera_name(name):
        raise UserError(f"{_told(name)} cannot name a camera: use {CAMERA_NAMES}; write name=path")
    return name
