"""The run folder: where each result of a run lies, and how it is read and written.

The folder is the interface between the stages of a run and everything that looks at it later.
"""

import json
import math
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.atomic import write_text
from data.errors import UserError
from data.formats.tracklets import read_tracklets, write_tracklets
from data.records import GlobalTrack, Link, Tracklet, Visit
from data.splits import Split, apply_splits

_FOLDERS = ("tracklets", "tracks", "local_tracks", "crops", "world", "video", "checkpoint", "space_time")
_PART_NAME = re.compile(r"part-(\d+)-(\d+)\.parquet")


def _part_number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths and codecs of one run folder."""

    root: Path

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
    def space_time(self) -> Path:
        """Folder of the transition model learnt from this run, and its picture."""
        return self.root / "space_time"

    @property
    def log(self) -> Path:
        """Log lines of the run."""
        return self.root / "log.txt"

    def tracks(self, camera: str) -> Path:
        """MOTChallenge file with global ids."""
        return self.root / "tracks" / f"{camera}.txt"

    def local_tracks(self, camera: str) -> Path:
        """MOTChallenge file with the camera's own ids."""
        return self.root / "local_tracks" / f"{camera}.txt"

    def world(self, group: str) -> Path:
        """Paths of a camera group's people on the ground."""
        return self.root / "world" / f"{group}.csv"

    def video(self, camera: str) -> Path:
        """Overlay video."""
        return self.root / "video" / f"{camera}.mp4"

    def crop(self, camera: str, local_id: int, number: int) -> Path:
        """Picture ``number`` (from 0) of a tracklet."""
        return self.crops / camera / f"{local_id}_{number}.jpg"

    def require(self) -> "RunFolder":
        """Return self if this is a run folder with tracklets, else raise ``UserError``."""
        if not self.tracklets.is_dir():
            raise UserError(
                f"{self.root} is not a run folder: it has no 'tracklets' folder; give the --output of a run"
            )
        return self

    def remove_results(self) -> None:
        """Remove everything a run writes, and nothing else.

        Raises:
            OSError: when something cannot be removed.
        """
        for name in _FOLDERS:
            if (self.root / name).is_dir():
                shutil.rmtree(self.root / name)
        for path in (
            self.config, self.site, self.manifest, self.progress, self.splits, self.links, self.global_tracks,
            self.metrics, self.report, self.log,
        ):  # fmt: skip
            path.unlink(missing_ok=True)

    def part_paths(self) -> list[Path]:
        """Tracklet parts, oldest first."""
        parts = [path for path in self.tracklets.glob("part-*.parquet") if _PART_NAME.fullmatch(path.name)]
        return sorted(parts, key=_part_number)

    def write_part(self, start_s: float, number: int, tracklets: Sequence[Tracklet]) -> Path:
        """Write closed tracklets durably as ``part-<window start in ms>-<number>.parquet``; numbers rise from 0."""
        path = self.tracklets / f"part-{max(int(start_s * 1000), 0)}-{number}.parquet"
        write_tracklets(path, tracklets)
        return path

    def read_tracked(self, camera: str | None = None) -> list[Tracklet]:
        """Closed tracklets as they were tracked, of one camera or of all, by camera and local id."""
        parts = (read_tracklets(path) for path in self.part_paths())
        found = [tracklet for part in parts for tracklet in part if camera in (None, tracklet.camera)]
        return sorted(found, key=lambda tracklet: tracklet.key)

    def read_tracklets(self, camera: str | None = None) -> list[Tracklet]:
        """As ``read_tracked``, cut where the association found that they change person."""
        return apply_splits(self.read_tracked(camera), self.read_splits())

    def write_splits(self, splits: Iterable[Split]) -> None:
        """Write where tracklets were cut."""
        lines = [json.dumps(asdict(split), ensure_ascii=False, allow_nan=False) for split in splits]
        write_text(self.splits, "".join(line + "\n" for line in lines))

    def read_splits(self) -> list[Split]:
        """Where tracklets were cut; none before the run was associated.

        Raises:
            UserError: for a damaged file.
        """
        if not self.splits.exists():
            return []
        try:
            return [Split(**json.loads(line)) for line in self.splits.read_text(encoding="utf-8").splitlines()]
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{self.splits} is damaged ({error}); associate the run again: python -m tools.associate {self.root}"
            ) from None

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write a JSON object atomically, keys in the order given."""
        write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def read_json(self, path: Path) -> dict[str, Any]:
        """Read a JSON object; ``UserError`` when it is absent or broken."""
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path} is missing: the run did not get that far; run it again with --resume") from None
        except json.JSONDecodeError as error:
            raise UserError(f"{path} is not valid JSON ({error}); restore it or run again") from None
        if not isinstance(value, dict):
            raise UserError(f"{path} must hold a JSON object")
        return value

    def write_links(self, links: Iterable[Link]) -> None:
        """Write the evidence."""
        lines = [json.dumps(_link_to_json(link), ensure_ascii=False, allow_nan=False) for link in links]
        write_text(self.links, "".join(line + "\n" for line in lines))

    def read_links(self) -> list[Link]:
        """Read the evidence back."""
        with self.links.open(encoding="utf-8") as stream:
            return [_link_from_json(json.loads(line)) for line in stream]

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
        """Read the identities back."""
        people = self.read_json(self.global_tracks)["global_tracks"]
        return [
            GlobalTrack(person["global_id"], tuple(Visit(**visit) for visit in person["visits"]), person["confidence"])
            for person in people
        ]


def _link_to_json(link: Link) -> dict[str, Any]:
    return {
        "a": list(link.a),
        "b": list(link.b),
        "llr": {name: round(value, 6) for name, value in link.llr.items()},
        "part_distances": {name: round(value, 6) for name, value in link.part_distances.items()},
        "part_visibility": {name: round(value, 6) for name, value in link.part_visibility.items()},
        "lag_s": _finite(round(link.lag_s, 6)),
        "probability": round(link.probability, 6),
        "decision": link.decision,
        "margin": _finite(round(link.margin, 6)),
        "constraint": link.constraint,
    }


def _link_from_json(value: dict[str, Any]) -> Link:
    return Link(
        a=(value["a"][0], value["a"][1]),
        b=(value["b"][0], value["b"][1]),
        llr=value["llr"],
        part_distances=value["part_distances"],
        part_visibility=value["part_visibility"],
        lag_s=math.nan if value["lag_s"] is None else value["lag_s"],
        probability=value["probability"],
        decision=value["decision"],
        margin=math.inf if value["margin"] is None else value["margin"],
        constraint=value["constraint"],
    )
