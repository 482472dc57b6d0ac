"""The folder layout re-identification data sets share: one folder of pictures per split, all facts in the names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError
from data.formats.reid_names import ReidNames, Style, parse_names
from data.listing import listed
from data.pictures import PICTURE_ENDINGS, is_picture

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"


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


def data_root(root: Path, what: str, names: Sequence[str], folders: Sequence[str]) -> Path:
    """Find a data set's folder.

    Args:
        root: the data set's folder, or the folder above it.
        what: the data set's name, for the error message.
        names: what the data set's folder is called by those who publish it.
        folders: what lies in the data set's folder.

    Raises:
        UserError: when the folders are not there, or ``root`` holds several such data sets; the message says what was
            expected and what is there.
    """
    fitting = [place for place in (root, *(root / name for name in names)) if not _missing(place, folders)]
    if fitting and (fitting[0] == root or len(fitting) == 1):
        return fitting[0]
    if fitting:
        raise UserError(f"{root} holds several data sets: give one of {', '.join(str(place) for place in fitting)}")
    place = next((root / name for name in names if (root / name).is_dir()), root)
    there = [path.name for path in listed(place, "*")][:8] if place.is_dir() else None
    found = "there is no such folder" if there is None else f"found: {', '.join(there) or 'nothing'}"
    expected = " and ".join([", ".join(folders[:-1]), folders[-1]] if len(folders) > 1 else folders)
    raise UserError(
        f"{place} is not {what}: expected the folder{'s' * (len(folders) > 1)} {expected}, missing "
        f"{', '.join(_missing(place, folders))}; {found}"
    )


def _missing(place: Path, folders: Sequence[str]) -> list[str]:
    return [name for name in folders if not (place / name).is_dir()]


def picture_names(folder: Path) -> list[str]:
    """File names of the pictures of a folder, sorted; other files are passed over.

    Raises:
        UserError: when the folder is absent or holds no picture.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder")
    names = [path.name for path in listed(folder, "*") if is_picture(path)]
    if not names:
        raise UserError(f"{folder} holds no pictures ({', '.join(PICTURE_ENDINGS)})")
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


def read_folders(root: Path, style: Style, what: str, names: Sequence[str], duke_offsets: bool = False) -> ReidFolders:
    """Read train, query and gallery.

    Args:
        root: the data set's folder, or the folder above it.
        style: naming of the files.
        what: the data set's name, for the error message.
        names: what the data set's folder is called by those who publish it.
        duke_offsets: put DukeMTMC frames on the devkit's common clock.

    Raises:
        UserError: when a split is absent; the message says what was expected and what is there.
    """
    place = data_root(root, what, names, (TRAIN, QUERY, GALLERY))
    train, query, gallery = (read_split(place / name, style, duke_offsets) for name in (TRAIN, QUERY, GALLERY))
    return ReidFolders(train, query, gallery)
