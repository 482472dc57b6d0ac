"""Files and folders that appear whole or not at all.

What is written lies beside its place under a hidden name, ``.<name>.tmp``, until it is complete; then it takes the
place in one step. A reader, or a crash, sees the old content or the new one, never a mixture. What fails leaves nothing
behind; what a killed process left is removed by the next, and so is a link that somebody put there: nothing is ever
written through one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import IO, Any, Literal


def temporary_path(path: Path) -> Path:
    """Where a file or folder lies until it is complete."""
    return path.with_name(f".{path.name}.tmp")


def put_in_place(temporary: Path, path: Path, *, durable: bool = True) -> None:
    """Give a complete file its name.

    Args:
        temporary: the file, on the same file system.
        path: its name; what is there is replaced.
        durable: content and name outlive a power cut once this returns. False for what is many and made again easily:
            asking the disk costs milliseconds a file.
    """
    if durable:
        to_disk(temporary)
    os.replace(temporary, path)
    if durable:
        to_disk(path.parent)


def to_disk(path: Path) -> None:
    """Have the disk hold what was written to a file, or which names a folder has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` at the end of the block; its folder is made where it is missing.

    Args:
        path: the file.
        durable: see ``put_in_place``.

    Raises:
        OSError: when the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    temporary.unlink(missing_ok=True)
    mode = _mode_of_new_files(temporary)
    try:
        yield temporary
        # Some libraries (safetensors) write files that nobody but their owner may read.
        temporary.chmod(mode)
        put_in_place(temporary, path, durable=durable)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _mode_of_new_files(path: Path) -> int:
    """The permissions the process gives to new files; ``path`` is free, and is so again."""
    path.touch(exist_ok=False)
    mode = path.stat().st_mode
    path.unlink()
    return S_IMODE(mode)


@contextmanager
def open_atomic(
    path: Path, mode: Literal["w", "wb"] = "w", *, newline: str | None = None, durable: bool = True
) -> Iterator[IO[Any]]:
    """A stream to write to, text in UTF-8 or bytes, whose content becomes ``path`` at the end of the block.

    Args:
        path: the file; its folder is made where it is missing.
        mode: "w" or "wb".
        newline: of text, see ``open``.
        durable: see ``put_in_place``.

    Raises:
        OSError: when the file cannot be written.
    """
    encoding = None if mode == "wb" else "utf-8"
    with (
        replacing(path, durable=durable) as temporary,
        temporary.open(mode, encoding=encoding, newline=newline) as stream,
    ):
        yield stream


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a text file in UTF-8, see ``open_atomic``."""
    with open_atomic(path, "w", durable=durable) as stream:
        stream.write(text)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file of bytes, see ``open_atomic``."""
    with open_atomic(path, "wb", durable=durable) as stream:
        stream.write(content)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes ``path`` at the end of the block; what was there is removed just before.

    Raises:
        OSError: when the folder cannot be written.
    """
    draft = temporary_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if draft.is_symlink():
        draft.unlink()
    elif draft.exists():
        shutil.rmtree(draft)
    draft.mkdir()
    try:
        yield draft
        if path.exists():
            shutil.rmtree(path)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
