"""Folders of results: nothing is overwritten unasked, and what cannot be written is said before the work."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from data.errors import UserError


def prepare_folder(folder: Path, files: Iterable[Path], overwrite: bool) -> None:
    """Make a folder for files that are to be written into it.

    Args:
        folder: where they go.
        files: what will be written.
        overwrite: they may be there already.

    Raises:
        UserError: when the folder cannot be written into, or a file is there that may not be overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from None
    there = [] if overwrite else [path for path in files if path.exists()]
    if there:
        others = f" and {len(there) - 1} more of the files to write exist" if len(there) > 1 else " exists"
        raise UserError(f"{there[0]}{others}; give another --out, or --overwrite")
