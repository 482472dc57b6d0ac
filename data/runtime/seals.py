"""Files of the cache with a checksum beside them, which tells them from damaged ones.

Libraries that read networks notice little. One bit that flipped among the weights of a compiled network moved its
vectors by a hundredth, without a word. CRC-32 takes 0.3 ms of processor time for each MB where SHA-256 takes 0.8; it
is for what disks and power cuts do, not against people: who may write into the cache may write networks into it.
"""

import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from data.atomic import replacing, write_text

_SUFFIX = ".crc32"
_BLOCK = 1 << 20


def seal(path: Path) -> None:
    """Write the checksum of a file beside it.

    Raises:
        OSError: when the file cannot be read, or the checksum not be written.
    """
    write_text(_seal_of(path), _checksum(path) + "\n")


def is_whole(path: Path) -> bool:
    """Whether a file is there as it was when it was sealed; False for one that never was."""
    try:
        return _seal_of(path).read_text(encoding="ascii").strip() == _checksum(path)
    except (OSError, ValueError):
        return False


@contextmanager
def own_view(folder: Path) -> Iterator[Path | None]:
    """A cache folder for a library that writes its files in place and maps those it reads into memory.

    Where two processes shared such a folder, one wrote a file anew that the other was reading, which ended it with a
    bus error. So each gets a folder of its own, with links to the files that are whole. What is new in it at the end
    is sealed and takes its place in one step, over what was damaged; where the disk does not take it, it is made anew
    the next time.

    Args:
        folder: where the files are kept.

    Yields:
        The folder for the library, which is gone afterwards; None where none can be made.
    """
    try:
        own = Path(mkdtemp(prefix="mtmct-"))
    except OSError:
        yield None
        return
    try:
        yield own if _linked(folder, own) else None
        for made in sorted(own.iterdir()):
            if not made.is_symlink():
                _keep(made, folder / made.name)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _linked(folder: Path, own: Path) -> bool:
    """Show the whole files of a folder, which may be absent, in another; False where links cannot be made."""
    try:
        for path in sorted(folder.glob("*")):
            if path.suffix != _SUFFIX and is_whole(path):
                (own / path.name).symlink_to(path.resolve())
    except OSError:
        return False
    return True


def _keep(made: Path, path: Path) -> None:
    try:
        with replacing(path, durable=False) as place:
            shutil.copyfile(made, place)
        seal(path)
    except OSError:
        pass


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + _SUFFIX)


def _checksum(path: Path) -> str:
    """Of the content and its length."""
    checksum = length = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum, length = zlib.crc32(block, checksum), length + len(block)
    return f"{checksum:08x} {length}"
