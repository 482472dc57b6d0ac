"""The folder layout re-identification data sets share: one folder of pictures per split, all facts in the names."""

from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.formats.reid_names import ReidNames, Style, parse_names

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


@dataclass(frozen=True, slots=True, eq=False)
class ReidSplit:
    """The pictures of one split, sorted by name.

    Attributes:
        folder: where they lie.
        names: identity, camera and time of each.
    """

    folder: Path
    names: ReidNames

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int) -> Path:
        """The picture of a row."""
        return self.folder / self.names.names[row]


@dataclass(frozen=True, slots=True, eq=False)
class ReidFolders:
    """A re-identification data set.

    Attributes:
        train: labelled pictures of identities that the other splits lack.
        query: pictures to search for.
        gallery: pictures to search in.
    """

    train: ReidSplit
    query: ReidSplit
    gallery: ReidSplit


def picture_names(folder: Path) -> list[str]:
    """File names of the pictures of a folder, sorted; other files are passed over.

    Raises:
        UserError: when the folder is absent or holds no picture.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    if not names:
        raise UserError(f"{folder} holds no pictures ({', '.join(sorted(_PICTURES))})")
    return names


def read_split(folder: Path, style: Style | None = None, duke_offsets: bool = False) -> ReidSplit:
    """Read one folder of pictures.

    Args:
        folder: where the pictures lie.
        style: naming of the files; None detects it.
        duke_offsets: put DukeMTMC frames on the devkit's common clock.

    Raises:
        UserError: when the folder is absent or empty, or a name is not of the style.
    """
    return ReidSplit(folder, parse_names(picture_names(folder), style, duke_offsets))


def read_folders(root: Path, style: Style, what: str, duke_offsets: bool = False) -> ReidFolders:
    """Read train, query and gallery.

    Args:
        root: the data set's folder.
        style: naming of the files.
        what: the data set's name, for the error message.
        duke_offsets: put DukeMTMC frames on the devkit's common clock.

    Raises:
        UserError: when a split is absent; the message says what was expected and what is there.
    """
    missing = [name for name in (TRAIN, QUERY, GALLERY) if not (root / name).is_dir()]
    if missing:
        there = sorted(path.name for path in root.iterdir())[:8] if root.is_dir() else None
        found = "there is no such folder" if there is None else f"found: {', '.join(there) or 'nothing'}"
        raise UserError(
            f"{root} is not {what}: expected the folders {TRAIN}, {QUERY} and {GALLERY}, missing "
            f"{', '.join(missing)}; {found}"
        )
    train, query, gallery = (read_split(root / name, style, duke_offsets) for name in (TRAIN, QUERY, GALLERY))
    return ReidFolders(train, query, gallery)
