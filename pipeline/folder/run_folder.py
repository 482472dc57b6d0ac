"""The run folder: where each result of a run lies, and how it is read and written.

The folder is the interface between the stages of a run and everything that looks at it later.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from data.atomic import write_text
from data.errors import UserError
from data.foreign import JSON_BYTES, read_text
from data.formats.tracklets import read_tracklets, write_tracklets
from data.ledger import Ledger
from data.names import is_plain_name
from data.records import GlobalTrack, Link, Tracklet, Visit
from data.splits import Split, apply_splits
from pipeline.folder.link_lines import link_of, link_to_json
from pipeline.folder.schema import (
    IdentitiesModel,
    InputsModel,
    LinkModel,
    ManifestModel,
    ProgressModel,
    SplitModel,
    parse,
)

_FOLDERS = ("tracklets", "tracks", "local_tracks", "crops", "world", "video", "checkpoint", "space_time")
_LINES_BYTES = 1 << 31
_PART_NAME = re.compile(r"part-(\d+)-(\d+)\.parquet")


Line = TypeVar("Line", bound=BaseModel)


def _part_number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths and codecs of one run folder.

    A folder may come from someone else: what is read is checked, no name in it leads out of it, and only files that are
    in its list (``data.ledger``) are ever removed.
    """

    root: Path
    ledger: Ledger = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the list of what was written here."""
        object.__setattr__(self, "ledger", Ledger(self.root, "run"))

    @property
    def config(self) -> Path:
        """The resolved configuration, YAML."""
        return self.root / "config.yaml"

    @property
    def site(self) -> Path:
        """The site as used, YAML."""
        return self.root / "site.yaml"

    @property
    def manifest(self) -> Path:
        """Versions, weights, inputs, clocks, counts and timings, JSON."""
        return self.root / "manifest.json"

    @property
    def progress(self) -> Path:
        """The last durable frame of each camera, JSON."""
        return self.root / "progress.json"

    @property
    def tracklets(self) -> Path:
        """Folder of tracklet parts."""
        return self.root / "tracklets"

    @property
    def crops(self) -> Path:
        """Folder of ``<camera>/<local_id>_<k>.jpg``."""
        return self.root / "crops"

    @property
    def splits(self) -> Path:
        """Where tracklets were cut because they change person, one JSON object a line."""
        return self.root / "splits.jsonl"

    @property
    def corrections(self) -> Path:
        """What a person declared of this run (``tools.ask``), YAML; no result, so a new run does not remove it."""
        return self.root / "corrections.yaml"

    @property
    def used_corrections(self) -> Path:
        """The corrections that the identities here were decided with, YAML; absent where there were none."""
        return self.root / "corrections_used.yaml"

    @property
    def links(self) -> Path:
        """Evidence, one JSON object a line."""
        return self.root / "links.jsonl"

    @property
    def global_tracks(self) -> Path:
        """Identities, JSON."""
        return self.root / "global_tracks.json"

    @property
    def metrics(self) -> Path:
        """Scores, JSON; only when truth is given."""
        return self.root / "metrics.json"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.root / "report.html"

    @property
    def questions(self) -> Path:
        """The page with the pairs that ``tools.ask`` asks about."""
        return self.root / "questions.html"

    @property
    def inspection(self) -> Path:
        """The page with the last pair that ``tools.inspect_link`` looked at."""
        return self.root / "inspection.html"

    @property
    def checkpoint(self) -> Path:
        """Folder of the state that a killed run goes on from; removed when tracking is complete."""
        return self.root / "checkpoint"

    @property
    def space_time(self) -> Path:
        """Folder of the transition model learnt from this run, and its picture."""
        return self.root / "space_time"

    @property
    def log(self) -> Path:
        """Log lines of the run."""
        return self.root / "log.txt"

    def tracks(self, camera: str) -> Path:
        """MOTChallenge file with global ids."""
        return self.root / "tracks" / f"{_plain(camera)}.txt"

    def local_tracks(self, camera: str) -> Path:
        """MOTChallenge file with the camera's own ids."""
        return self.root / "local_tracks" / f"{_plain(camera)}.txt"

    def world(self, group: str) -> Path:
        """Paths of a camera group's people on the ground."""
        return self.root / "world" / f"{_plain(group)}.csv"

    def video(self, camera: str) -> Path:
        """Overlay video."""
        return self.root / "video" / f"{_plain(camera)}.mp4"

    def crop(self, camera: str, local_id: int, number: int) -> Path:
        """Picture ``number`` (from 0) of a tracklet."""
        return self.crops / _plain(camera) / f"{int(local_id)}_{int(number)}.jpg"

    def require(self) -> "RunFolder":
        """Return self if this is a run folder with tracklets, else raise ``UserError``."""
        if not self.tracklets.is_dir():
            raise UserError(
                f"{self.root} is not a run folder: it has no 'tracklets' folder; give the --output of a `pipeline.run`"
            )
        return self

    def foreign_files(self) -> list[Path]:
        """What lies in the folders of a run and was not written by one, links in their place among it."""
        return self.ledger.strangers(_FOLDERS)

    def claim(self, path: Path) -> Path:
        """Put a file that is about to be written into the folder's list; gives the path back.

        Raises:
            UserError: when a folder above it is a link: nothing is written through one.
        """
        self.check_no_link(path)
        return self.ledger.claim(path)

    def check_no_link(self, path: Path) -> Path:
        """Refuse a path of this folder that is a link, or lies below one; gives the path back.

        Raises:
            UserError: naming the link.
        """
        for part in (path, *path.parents):
            if part == self.root:
                break
            if part.is_symlink():
                raise UserError(f"{part} is a link; only files of the run folder itself are used: remove the link")
        return path

    def remove_results(self) -> None:
        """Remove everything that runs wrote here, and nothing else.

        Raises:
            OSError: when something cannot be removed.
            UserError: when the list of what was written is damaged.
        """
        self.ledger.remove_files()

    def holds(self, path: Path) -> bool:
        """Whether a path is a file of this folder itself, and no link that leads out of it."""
        return path.is_file() and path.resolve().is_relative_to(self.root.resolve())

    def part_paths(self) -> list[Path]:
        """Tracklet parts, oldest first."""
        parts = [path for path in self.tracklets.glob("part-*.parquet") if _PART_NAME.fullmatch(path.name)]
        return sorted(parts, key=_part_number)

    def write_part(self, start_s: float, number: int, tracklets: Sequence[Tracklet]) -> Path:
        """Write closed tracklets durably as ``part-<window start in ms>-<number>.parquet``; numbers rise from 0."""
        path = self.claim(self.tracklets / f"part-{max(int(start_s * 1000), 0)}-{number}.parquet")
        write_tracklets(path, tracklets)
        return path

    def read_tracked(self, camera: str | None = None) -> list[Tracklet]:
        """Closed tracklets as they were tracked, of one camera or of all, by camera and local id."""
        parts = (read_tracklets(self.check_no_link(path)) for path in self.part_paths())
        found = [tracklet for part in parts for tracklet in part if camera in (None, tracklet.camera)]
        return sorted(found, key=lambda tracklet: tracklet.key)

    def read_tracklets(self, camera: str | None = None) -> list[Tracklet]:
        """As ``read_tracked``, cut where the association found that they change person."""
        return apply_splits(self.read_tracked(camera), self.read_splits())

    def write_splits(self, splits: Iterable[Split]) -> None:
        """Write where tracklets were cut."""
        self._write_lines(self.splits, (asdict(split) for split in splits))

    def read_splits(self) -> list[Split]:
        """Where tracklets were cut; none before the run was associated.

        Raises:
            UserError: for a damaged file.
        """
        if not self.splits.exists():
            return []
        return [Split(**line.model_dump()) for line in self._read_lines(self.splits, SplitModel)]

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file atomically."""
        write_text(self.claim(path), text)

    def read_text(self, path: Path) -> str:
        """Text of a file of the folder.

        Raises:
            UserError: when it is absent, cannot be read, or leads elsewhere.
        """
        return self._read(path, JSON_BYTES)

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a JSON object atomically, keys in the order given."""
        self.write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def read_manifest(self) -> dict[str, Any]:
        """The manifest, checked.

        Raises:
            UserError: when it is absent, broken, or says what no run says.
        """
        return self._checked(self.manifest, ManifestModel)

    def read_inputs(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of the input of each camera; the rest of it is not looked at.

        Raises:
            UserError: when it is absent or broken, or a name cannot be one.
        """
        inputs: dict[str, dict[str, Any]] = self._checked(self.manifest, InputsModel).get("inputs", {})
        return inputs

    def read_progress(self) -> dict[str, Any]:
        """Whether tracking is complete, and the last durable frame of each camera.

        Raises:
            UserError: when it is absent or broken.
        """
        return self._checked(self.progress, ProgressModel)

    def read_json(self, path: Path) -> dict[str, Any]:
        """Read a JSON object; ``UserError`` when it is absent or broken."""
        return _object(self._read(path, JSON_BYTES), path)

    def write_links(self, links: Iterable[Link]) -> None:
        """Write the evidence."""
        self._write_lines(self.links, (link_to_json(link) for link in links))

    def read_links(self) -> list[Link]:
        """Read the evidence back.

        Raises:
            UserError: when it is absent or damaged.
        """
        return [link_of(line) for line in self._read_lines(self.links, LinkModel)]

    def write_global_tracks(self, tracks: Sequence[GlobalTrack]) -> None:
        """Write the identities."""
        people = [
            {
                "global_id": track.global_id,
                "confidence": round(track.confidence, 6),
                "visits": [
                    {
                        "camera": visit.camera,
                        "local_id": visit.local_id,
                        "start_s": round(visit.start_s, 6),
                        "end_s": round(visit.end_s, 6),
                    }
                    for visit in track.visits
                ],
            }
            for track in tracks
        ]
        self.write_json(self.global_tracks, {"version": 1, "global_tracks": people})

    def read_global_tracks(self) -> list[GlobalTrack]:
        """Read the identities back.

        Raises:
            UserError: when they are absent or damaged.
        """
        found = parse(
            self._read(self.global_tracks, JSON_BYTES), IdentitiesModel, str(self.global_tracks), self._cure()
        )
        return [
            GlobalTrack(
                person.global_id,
                tuple(Visit(one.camera, one.local_id, one.start_s, one.end_s) for one in person.visits),
                person.confidence,
            )
            for person in found.global_tracks
        ]

    def _checked(self, path: Path, model: type[BaseModel]) -> dict[str, Any]:
        text = self._read(path, JSON_BYTES)
        value = _object(text, path)
        parse(text, model, str(path), "restore it, or run again with --overwrite")
        return value

    def _write_lines(self, path: Path, values: Iterable[Mapping[str, Any]]) -> None:
        lines = [json.dumps(value, ensure_ascii=False, allow_nan=False) for value in values]
        self.write_text(path, "".join(line + "\n" for line in lines))

    def _read_lines(self, path: Path, model: type[Line]) -> list[Line]:
        lines = self._read(path, _LINES_BYTES).splitlines()
        return [parse(line, model, f"{path}, line {row}", self._cure()) for row, line in enumerate(lines, start=1)]

    def _read(self, path: Path, longest: int) -> str:
        """Text of a file of the folder itself."""
        try:
            inside = path.resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError) as error:
            raise UserError(f"{path} cannot be read ({error}); restore it or run again") from None
        if not inside:
            raise UserError(f"{path} is a link that leads out of the run folder; nothing is read through it")
        if not path.exists():
            raise UserError(
                f"{path} is missing: the run did not get that far; go on with `python -m pipeline.run --resume`"
            )
        return read_text(path, longest)

    def _cure(self) -> str:
        return f"associate the run again: python -m tools.associate {self.root}"


def _object(text: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); restore it or run again") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold a JSON object")
    return value


def _plain(name: str) -> str:
    """A name that leads nowhere else."""
    if not is_plain_name(name):
        raise UserError(f"{name!r} cannot name a camera or group: it cannot stand in file names")
    return name
