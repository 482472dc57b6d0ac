"""One writer at a time in a run folder, whose files only their owner reads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.folder_lock import locked_folder

_OWNER_ONLY = 0o077
_OWNER_FOLDER = 0o700


@contextmanager
def only_writer(root: Path, *, private: bool | None = None) -> Iterator[None]:
    """Hold a run folder for the length of the block, see ``locked_folder``.

    Args:
        root: the folder.
        private: new folders and files are for their owner only: a run holds biometric data. None keeps to what the
            folder is; a new one is private.

    Raises:
        UserError: when another process writes there, or the folder cannot be written.
    """
    if private is None:
        private = not root.is_dir() or not root.stat().st_mode & _OWNER_ONLY
    before = os.umask(_OWNER_ONLY) if private else None
    try:
        with locked_folder(root, "--output", folder_mode=_OWNER_FOLDER if private else 0o777):
            yield
    finally:
        if before is not None:
            os.umask(before)
