"""Pages that show pairs of tracklets side by side: what a pair was judged by, and pairs to ask a person about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import UserError
from pipeline.folder.run_folder import RunFolder
from pipeline.report.config import ReportConfig
from pipeline.report.evidence import Bar, bars
from pipeline.report.pictures import Album, Picture

_TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True, slots=True)
class PairSide:
    """One of two tracklets: its (camera, local_id), its name, and lines about it."""

    key: tuple[str, int]
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PairSheet:
    """A pair to look at.

    Attributes:
        title: what is asked or said of it.
        sides: the two tracklets.
        lines: what is known, in words.
        llr: natural-log likelihood ratio of each cue that spoke.
        saw: what each of them saw.
    """

    title: str
    sides: tuple[PairSide, PairSide]
    lines: tuple[str, ...]
    llr: Mapping[str, float] = field(default_factory=dict)
    saw: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Shown:
    sheet: PairSheet
    pictures: tuple[list[Picture], list[Picture]]
    bars: tuple[Bar, ...]


def has_pictures(folder: RunFolder, config: ReportConfig, keys: Sequence[tuple[str, int]]) -> bool:
    """Whether the run kept a crop of any of these tracklets."""
    album = Album(folder, config)
    return any(album.numbers(*key) for key in keys)


def write_pairs(
    folder: RunFolder, config: ReportConfig, path: Path, title: str, intro: str, sheets: Sequence[PairSheet]
) -> Path:
    """Write one self-contained page with the pictures of both tracklets of each pair.

    Args:
        folder: the run.
        config: size of the pictures; whether heads are blurred.
        path: the page, in the run folder.
        title: of the page.
        intro: a sentence under it.
        sheets: the pairs, in order.

    Raises:
        UserError: when the page cannot be written.
    """
    import jinja2

    album = Album(folder, config)
    scale = [value for sheet in sheets for value in sheet.llr.values()]
    shown = [
        _Shown(sheet, (_pictures(album, sheet.sides[0]), _pictures(album, sheet.sides[1])), bars(sheet.llr, scale))
        for sheet in sheets
    ]
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    page = environment.get_template("pairs.html.j2").render(title=title, intro=intro, shown=shown)
    try:
        folder.write_text(path, page)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; check the folder's rights and space") from None
    return path


def _pictures(album: Album, side: PairSide) -> list[Picture]:
    found = [album.get(*side.key, number) for number in album.numbers(*side.key)]
    return [picture for picture in found if picture is not None]
