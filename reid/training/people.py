"""What a network of a training knows: real people, rendered ones, or both; from the training, and from before it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from data.listing import listed
from data.weight_records import people_of

# Only our own generator describes its crops in such files.
_SYNTHETIC = "crops_*.json"


class TrainingSource(Protocol):
    """A data set that is learnt from."""

    @property
    def root(self) -> Path:
        """As it is named."""
        ...

    @property
    def folder(self) -> Path:
        """Where it is."""
        ...


def provenance_of(sources: Sequence[TrainingSource], began: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of a header of weights that says what they learned from.

    Args:
        sources: the data sets of the training.
        began: provenance of the network that it began with; None for a backbone, and for random weights. One that does
            not tell has learned from real people. What its licence asks for holds for what is made of it.
    """
    kinds = people_of_sources([source.folder for source in sources])
    told = {"trained_on": ", ".join(str(source.root) for source in sources)}
    if began is not None:
        kinds |= set((began.get("people") or people_of(began) or "real").split()) - {"and"}
        told |= {key: began[key] for key in ("licence",) if key in began}
    return told | {"people": " and ".join(sorted(kinds))}


def people_of_sources(folders: Iterable[Path]) -> set[str]:
    """Which kinds of people data sets show: "real", "synthetic".

    Args:
        folders: of the data sets.
    """
    return {"synthetic" if listed(folder, _SYNTHETIC) else "real" for folder in folders}
