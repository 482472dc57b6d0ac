"""One writer at a time in a folder of results, or of one file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from data.errors import UserError

LOCK = ".mtmct-lock"


@contextmanager
def locked_folder(root: Path, option: str, *, folder_mode: int = 0o777) -> Iterator[None]:
    """Hold a folder for the length of the block; it is made where it is missing, and removed if it stays empty.

    The lock is the system's: it ends with the process that holds it, however that ends.

    Args:
        root: the folder.
        option: of the command line that names it ("--out"), for the message.
        folder_mode: permissions of a new folder, less the process's umask.

    Raises:
        UserError: when another process writes there, or the folder cannot be written.
    """
    made = not root.is_dir()
    try:
        root.mkdir(mode=folder_mode, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(root, error, option) from None
    with _held(root / LOCK, root, option):
        try:
            yield
        finally:
            if made and [entry.name for entry in root.iterdir()] == [LOCK]:
                (root / LOCK).unlink()
                root.rmdir()


@contextmanager
def locked_file(path: Path, option: str) -> Iterator[None]:
    """Hold the place of one file that is written at the end of long work; others may write beside it.

    The lock, ``.<name>.lock``, stays: taking it away would let two processes each hold one.

    Args:
        path: the file; its folder is made where it is missing.
        option: of the command line that names it ("--out"), for the message.

    Raises:
        UserError: when another process is to write it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error, option) from None
    with _held(path.with_name(f".{path.name}.lock"), path, option):
        yield


@contextmanager
def _held(lock: Path, what: Path, option: str) -> Iterator[None]:
    try:
        # Nothing is followed: a folder of someone else may hold a link in the lock's place.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        stream = os.fdopen(os.open(lock, flags, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise _unwritable(lock.parent, error, option) from None
    with stream:
        if not _lock(stream):
            raise UserError(f"{what} is being written by another process{_owner(lock)}; wait until it has ended")
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield


def _unwritable(folder: Path, error: OSError, option: str) -> UserError:
    return UserError(f"cannot write to {folder}: {error.strerror}; choose another {option}")


def _owner(lock: Path) -> str:
    try:
        number = lock.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return f" (number {number})" if number.isdigit() else ""


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[str]) -> bool:
        """Take the lock of an open file unless somebody has it."""
        try:
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(stream: IO[str]) -> bool:
        """Take the lock of an open file unless somebody has it."""
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
