"""Files that may come from anybody: sizes are declared before they are believed, and every fault is one line.

Limits are generous for real data. The environment variable ``MTMCT_LIMITS`` multiplies them, for who knows better.
"""

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from data.errors import UserError

SETTING = "MTMCT_LIMITS"
TEXT_BYTES = 1 << 30
JSON_BYTES = 1 << 28
YAML_BYTES = 1 << 23
ARRAY_BYTES = 1 << 33
# Numbers that mean something hardly shrink to a hundredth; a bomb does.
_MOST_PACKED = 100
_SUSPICIOUS_BYTES = 1 << 26
_YAML_NODES = 1_000_000
# Below what ends the stack of libyaml's composer, which is C and does not count.
_YAML_DEPTH = 200
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNMARKED: dict[tuple[bool, ...], str] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def limit(value: int) -> int:
    """A limit as the environment has it.

    Raises:
        UserError: when ``MTMCT_LIMITS`` is no positive number.
    """
    text = os.environ.get(SETTING, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise UserError(f"{SETTING} is a factor above 0, not {text!r}")
    return int(value * factor)


def check_file(path: Path, most_bytes: int, what: str = "") -> int:
    """Check that a path is a regular file of a size that can be.

    Args:
        path: the file.
        most_bytes: before ``MTMCT_LIMITS``.
        what: the file in words, for errors; "" is its path.

    Returns:
        Its size in bytes.

    Raises:
        UserError: when it is absent, no file (a folder, a pipe, a device), or too large.
    """
    what = what or str(path)
    try:
        told = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {what}: {reason}") from None
    if not stat.S_ISREG(told.st_mode):
        kind = "a folder" if stat.S_ISDIR(told.st_mode) else "a pipe or device"
        raise UserError(f"cannot read {what}: it is {kind}, a file is needed")
    if told.st_size > limit(most_bytes):
        raise UserError(
            f"{what} has {told.st_size >> 20} MiB, more than the {limit(most_bytes) >> 20} MiB read of such a file; "
            f"set {SETTING}={math.ceil(told.st_size / most_bytes)} if that is right"
        )
    return told.st_size


def encoding_of(path: Path) -> str:
    """Encoding of a text by the mark at its beginning, or by the zeros between its first letters: UTF-16 or UTF-8."""
    with path.open("rb") as stream:
        head = stream.read(4)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is not None:
        return marked
    return _UNMARKED.get(tuple(byte == 0 for byte in head), "utf-8")


def read_text(path: Path, most_bytes: int = TEXT_BYTES, what: str = "") -> str:
    """A text in UTF-8 or, where its first bytes say so, UTF-16; without a byte order mark.

    Args:
        path: the file.
        most_bytes: it may have, before ``MTMCT_LIMITS``.
        what: the file in words, for errors; "" is its path.

    Raises:
        UserError: when it is absent, too large, or no text.
    """
    what = what or str(path)
    check_file(path, most_bytes, what)
    try:
        return path.read_text(encoding=encoding_of(path))
    except OSError as error:
        raise UserError(f"cannot read {what}: {error.strerror}") from None
    except UnicodeError as error:
        raise UserError(f"{what} is no text in UTF-8 ({error}); save it as UTF-8") from None


def read_json(path: Path, most_bytes: int = JSON_BYTES, what: str = "") -> Any:
    """The content of a JSON file; arguments as for ``read_text``.

    Raises:
        UserError: when it is absent, too large, or no JSON.
    """
    text = read_text(path, most_bytes, what)
    try:
        return json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{what or path} is not valid JSON ({_one_line(error)})") from None


def whole(value: Any) -> int:
    """A whole number of 64 bits that a file gives, as a number or as a text of digits.

    Raises:
        ValueError: it is none.
        TypeError: it is no number at all.
    """
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value} is no whole number")
    if abs(number := int(value)) >= 2**63:
        raise ValueError(f"{str(value)[:40]} is no number of anything")
    return number


def read_yaml(path: Path, what: str = "") -> Any:
    """The content of a YAML file; None where it is empty.

    Args:
        path: the file.
        what: the file in words, for errors; "" is its path.

    Raises:
        UserError: when it is absent, too large, no YAML, or an alias stands in it for more than could be written.
    """
    return parse_yaml(read_text(path, YAML_BYTES, what), what or str(path))


def parse_yaml(text: str, what: str) -> Any:
    """The content of a YAML text, read safely.

    Args:
        text: YAML.
        what: where it is from, for the error.

    Raises:
        UserError: when it is no YAML, nested too deeply, or an alias stands in it for more than could be written.
    """
    try:
        _check_depth(text, what)
        loader = _YamlLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _check_nodes(root, what)
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{what} is not valid YAML: {_one_line(error)}") from None


def _check_depth(text: str, what: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_YamlLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _YAML_DEPTH:
                raise UserError(f"{what}: its values are nested more than {_YAML_DEPTH} deep; write it flatter")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_nodes(root: yaml.Node, what: str) -> None:
    """Count the nodes there are once every alias is written out: each alias may double them."""
    counts: dict[int, int] = {}
    open_: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        below = _below(node)
        if done:
            open_.discard(id(node))
            counts[id(node)] = 1 + sum(counts[id(one)] for one in below)
            if counts[id(node)] > limit(_YAML_NODES):
                raise UserError(f"{what}: its aliases stand for more than {limit(_YAML_NODES)} values; write them out")
        elif id(node) in open_:
            raise UserError(f"{what}: an alias stands within what it names")
        elif id(node) not in counts:
            open_.add(id(node))
            stack.append((node, True))
            for one in below:
                if id(one) in open_:
                    raise UserError(f"{what}: an alias stands within what it names")
                stack.append((one, False))


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read_array(path: Path) -> NDArray[Any]:
    """The numbers or texts of an .npy file; its header is compared with its size first.

    Raises:
        UserError: when it is absent, too large, damaged, or holds objects.
    """
    size = check_file(path, ARRAY_BYTES)
    with _told(path, ".npy file of numbers"), path.open("rb") as stream:
        _check_header(stream, size)
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)


class Arrays:
    """The arrays of an open .npz file; each is read when it is asked for.

    Attributes:
        names: of all arrays, in the file's order.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        """See ``open_arrays``."""
        self._path, self._archive = path, archive
        self._entries = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        self.names = tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Read one array.

        Raises:
            UserError: when it is not there, damaged, or holds objects.
        """
        if name not in self._entries:
            raise UserError(f"{self._path} holds no '{name}'; it has {', '.join(self.names) or 'nothing'}")
        entry = self._entries[name]
        with _told(self._path, ".npz file of numbers"):
            with self._archive.open(entry) as stream:
                _check_header(stream, entry.file_size)
            with self._archive.open(entry) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)

    def read(self, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Some arrays by name, those that are there; None reads all."""
        wanted = self.names if names is None else names
        return {name: self[name] for name in wanted if name in self._entries}


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """Open an .npz file.

    Raises:
        UserError: when it is absent, no such file, or unpacks to more than could be meant.
    """
    check_file(path, ARRAY_BYTES)
    with _told(path, ".npz file of numbers"):
        archive = open_zip(path)
    with archive:
        yield Arrays(path, archive)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip file whose declared sizes are plausible.

    Raises:
        UserError: when it unpacks to more than could be meant.
        OSError: when it cannot be read.
        BadZipFile: when it is no zip file, or of a kind that is not read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (NotImplementedError, ValueError) as error:
        raise zipfile.BadZipFile(str(error)) from None
    entries = archive.infolist()
    whole, packed = sum(one.file_size for one in entries), sum(one.compress_size for one in entries)
    if whole > limit(ARRAY_BYTES) or whole > max(limit(_SUSPICIOUS_BYTES), limit(_MOST_PACKED) * packed):
        archive.close()
        raise UserError(
            f"{path} has {packed >> 10} KiB and unpacks to {whole >> 20} MiB, more than is believed; set {SETTING} to "
            "a larger factor if that is right"
        )
    return archive


def _check_header(stream: IO[bytes], size: int) -> None:
    """Compare what an array's header announces with the bytes there are.

    Raises:
        ValueError: when they differ, or it holds objects.
    """
    head = io.BytesIO(stream.read(min(size, 1 << 16)))
    version = np.lib.format.read_magic(head)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of the format is not read")
    shape, _, dtype = read(head)
    if dtype.hasobject:
        raise ValueError("it holds objects, which are not read")
    announced = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or announced != size - head.tell():
        raise ValueError(f"its header announces {announced} bytes, {size - head.tell()} are there")


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Turn what a damaged file can raise into one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # The header of an array is a Python literal, and a zip file can be wrong in many ways.
        raise UserError(f"{path} is no {what}, or it is damaged ({_one_line(error)})") from None


def _one_line(error: BaseException) -> str:
    # libyaml calls every text it is given so.
    text = str(error).replace('in "<unicode string>", ', "at ")
    return " ".join(text.split())[:200] or type(error).__name__
