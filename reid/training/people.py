"""What a network of a training knows: real people, rendered ones, or both."""

from collections.abc import Iterable
from pathlib import Path

from data.listing import listed

# Only our own generator describes its crops in such files.
_SYNTHETIC = "crops_*.json"


def people_of_sources(folders: Iterable[Path]) -> str:
    """For the header of weights: "real", "synthetic" or "real and synthetic".

    Args:
        folders: of the data sets it learned from.
    """
    return " and ".join(sorted({"synthetic" if listed(folder, _SYNTHETIC) else "real" for folder in folders}))
