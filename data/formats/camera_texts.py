"""A folder of ``<camera>.txt``: which of its text files are tables."""

import logging
from collections.abc import Collection
from pathlib import Path

from data.formats.number_rows import seems_rows
from data.listing import by_stem, listed

logger = logging.getLogger(__name__)

_FEWEST_COLUMNS = 6


def camera_texts(folder: Path, others: Collection[str] = ()) -> dict[str, Path]:
    """Tables of a folder by camera: the files ``*.txt``, without those that hold no row of a table at all.

    People keep lists of classes, notes and licences beside their tables. Such a file is passed over with a warning; an
    empty file is a camera that saw nobody, and one with a broken row is left to its reader.

    Args:
        folder: that holds them.
        others: names of text files that are known to be something else.

    Raises:
        UserError: when a file cannot be read, or two are of one camera.
    """
    texts = [path for path in listed(folder, "*.txt") if path.name not in others]
    tables = [path for path in texts if seems_rows(path, _FEWEST_COLUMNS)]
    for path in texts:
        if path not in tables:
            logger.warning("%s holds no row of %d or more numbers and is passed over", path, _FEWEST_COLUMNS)
    return by_stem(tables)
