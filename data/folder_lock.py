"""One writer at a time in a folder of results."""

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
    try:
        made = not root.is_dir()
        root.mkdir(mode=folder_mode, parents=True, exist_ok=True)
        # Nothing is followed: a folder of someone else may hold a link in the lock's place.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        stream = os.fdopen(os.open(root / LOCK, flags, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {root}: {error.strerror}; choose another {option}") from None
    with stream:
        if not _lock(stream):
            raise UserError(f"{root} is being written by another process{_owner(root)}; wait until it has ended")
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        try:
            yield
        finally:
            if made and [entry.name for entry in root.iterdir()] == [LOCK]:
                (root / LOCK).unlink()
                root.rmdir()


def _owner(root: Path) -> str:
    try:
        number = (root / LOCK).read_text(encoding="utf-8").strip()
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
