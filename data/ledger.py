"""Which files of a folder a program wrote: a list kept in the folder itself.

The list is the folder's mark. What it does not name is somebody else's, and is never removed or written over. A file is
listed before it is written, so a list is complete whenever the program is killed.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from data.atomic import temporary_path
from data.errors import UserError

_LONGEST = 1 << 26


class Ledger:
    """The list of one folder.

    Attributes:
        root: the folder.
        path: the list, ``.mtmct-<kind>``: a line of JSON that says what it is, then one path a line, as JSON strings.
    """

    def __init__(self, root: Path, kind: str) -> None:
        """Speak of the list of a folder, which need not be there.

        Args:
            root: the folder.
            kind: what the folder is, "run" or "site"; lists of another kind are no marks of this one.
        """
        self.root, self.path = root, root / f".mtmct-{kind}"
        self._head = {"mtmct": kind, "version": 1}
        self._listed: set[str] | None = None

    def exists(self) -> bool:
        """Whether the folder bears the mark."""
        return self.path.is_file() and not self.path.is_symlink()

    def start(self) -> None:
        """Mark a folder; a list that is there is kept.

        Raises:
            OSError: when the folder cannot be written.
        """
        if not self.exists():
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(self._head) + "\n")

    def claim(self, path: Path) -> Path:
        """List a file that is about to be written; in a folder without a mark nothing is listed.

        Args:
            path: inside the folder.

        Returns:
            The path.

        Raises:
            ValueError: for a path outside the folder.
            OSError: when the list cannot be written.
        """
        name = path.relative_to(self.root).as_posix()
        if not self.exists():
            return path
        if self._listed is None:
            self._listed = set(self.names())
            self._mend()
        if name not in self._listed:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(name, ensure_ascii=False) + "\n")
            self._listed.add(name)
        return path

    def _mend(self) -> None:
        """Take away a last line that a kill or a full disk cut off, before another is written behind it."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)

    def names(self) -> list[str]:
        """Paths that are listed, relative to the folder, each once, in the order in which they were first written.

        A last line that was cut off by a kill is left out: its file was not begun.

        Raises:
            UserError: for a list that is damaged, of something else, or that names a path outside the folder.
        """
        try:
            if self.path.stat().st_size > _LONGEST:
                raise ValueError("it is too long")
            head, *lines = self.path.read_text(encoding="utf-8").split("\n")
            if json.loads(head) != self._head:
                raise ValueError("it says it is something else")
            found = [json.loads(line) for line in lines[:-1]]
            bad = next((name for name in found if not _stays_inside(name)), None)
            if bad is not None:
                raise ValueError(f"{bad!r} is no path inside the folder")
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(
                f"{self.path}, the list of the files that were written here, cannot be used ({error}); move what you "
                "need and remove the folder yourself"
            ) from None
        return list(dict.fromkeys(found))

    def lists(self, path: Path) -> bool:
        """Whether a file of the folder is listed."""
        return self.exists() and path.relative_to(self.root).as_posix() in self.names()

    def strangers(self, folders: Iterable[str]) -> list[Path]:
        """Files in some folders below the root that are not listed, and links in place of folders.

        Args:
            folders: names below the root.
        """
        known = set(self.names())
        found = []
        for name in folders:
            place = self.root / name
            if place.is_symlink():
                found.append(place)
                continue
            for here, below, files in os.walk(place):
                links = [one for one in below if (Path(here) / one).is_symlink()]
                for one in sorted([*files, *links]):
                    path = Path(here) / one
                    if not _written(path.relative_to(self.root), known):
                        found.append(path)
        return found

    def remove_files(self) -> None:
        """Remove the files that are listed, folders that are empty then, and the list; never through a link.

        In a folder without a list nothing is removed.

        Raises:
            OSError: when something cannot be removed.
            UserError: see ``names``.
        """
        parents: set[Path] = set()
        for name in self.names() if self.exists() else ():
            path = self.root / name
            if not _below_real_folders(self.root, path):
                continue
            for one in (path, temporary_path(path)):
                if one.is_symlink() or one.is_file():
                    one.unlink()
            parents.update(one for one in path.parents if self.root in one.parents)
        for folder in sorted(parents, key=lambda one: (-len(one.parts), one)):
            if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
                folder.rmdir()
        self.path.unlink(missing_ok=True)
        self._listed = None


def _stays_inside(name: object) -> bool:
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and not Path(name).drive and ".." not in path.parts and path.parts != ()


def _written(path: Path, known: set[str]) -> bool:
    name = path.as_posix()
    if path.name.startswith(".") and path.name.endswith(".tmp"):
        name = path.with_name(path.name[1:-4]).as_posix()
    return name in known


def _below_real_folders(root: Path, path: Path) -> bool:
    """Whether every folder between the root and a path is there and no link."""
    between = [one for one in path.parents if root in one.parents]
    return all(one.is_dir() and not one.is_symlink() for one in between)
