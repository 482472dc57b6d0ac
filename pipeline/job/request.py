"""What a run is asked to do, and what comes of it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.records import GlobalTrack, Link, Tracklet
from data.site import Site
from data.sources.base import CameraSpec, file_and_stream, is_address
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import RunWarning

if TYPE_CHECKING:
    from pipeline.evaluation.result import EvaluationResult


@dataclass(frozen=True, slots=True)
class Videos:
    """Start from pictures: people are found by networks, or are those of detection files.

    Attributes:
        cameras: video files, image folders, streams or webcams, by camera.
        detections: folder of ``<camera>.txt``, ``.npz`` or ``.json`` whose people are looked at, or None: networks find
            them.
    """

    cameras: tuple[CameraSpec, ...]
    detections: Path | None = None


@dataclass(frozen=True, slots=True)
class DetectionFiles:
    """Start from detections alone.

    Attributes:
        folder: see ``data.formats.detections_in.read_detection_folder``.
        features: folder of ``<camera>.npy``, row for row with the detections; None looks beside them.
    """

    folder: Path
    features: Path | None = None


@dataclass(frozen=True, slots=True)
class TrackFiles:
    """Start from tracks with each camera's own ids; only who is who over cameras is decided.

    Attributes:
        folder: see ``data.formats.tracks_in.read_track_folder``.
        features: folder of ``<camera>.npy``, row for row with the tracks; None looks beside them.
    """

    folder: Path
    features: Path | None = None


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """Start from the tracklets that an earlier run left in ``output``; needs no video and no GPU.

    Attributes:
        end: a run that was stopped ends where it is; else it has to be finished first.
    """

    end: bool = False


Start = Videos | DetectionFiles | TrackFiles | EarlierRun


@dataclass(frozen=True, slots=True)
class RunRequest:
    """All that a run is told beside its configuration.

    Attributes:
        start: what it begins with.
        output: the run folder.
        site: cameras, clocks and overlap, or a ``site.yaml``; None: nothing is known of them (of an earlier run: its
            own).
        truth: folder of ground truth to score against, or None.
        corrections: file of pairs that a person declared the same or different, or None (the ``corrections.yaml`` of
            ``output``, if there is one).
        limit: only the first so many frames of every camera, or None.
        save_video: render overlay videos into ``video/``.
        resume: go on with an interrupted run in ``output``.
        overwrite: replace an earlier run in ``output``.
    """

    start: Start
    output: Path
    site: Site | Path | None = None
    truth: Path | None = None
    corrections: Path | None = None
    limit: int | None = None
    save_video: bool = False
    resume: bool = False
    overwrite: bool = False

    def check(self) -> None:
        """Check what can be checked before anything is opened.

        Raises:
            UserError: for truth that is no folder, and a limit below 1.
        """
        if self.truth is not None and not self.truth.is_dir():
            raise UserError(f"the truth {self.truth} is not a folder")
        if self.limit is not None and self.limit < 1:
            raise UserError(f"the limit of frames must be at least 1, not {self.limit}")

    def inputs(self) -> list[Path]:
        """Files and folders that are read while the run folder is written; of videos those that are no addresses.

        A site file and corrections are read before, and may be the folder's own.
        """
        found: list[Path | None] = [self.truth]
        match self.start:
            case Videos(cameras, detections):
                found += [file_and_stream(spec.uri)[0] for spec in cameras if not is_address(spec.uri)]
                found.append(detections)
            case DetectionFiles(folder, features) | TrackFiles(folder, features):
                found += [folder, features]
        return [path for path in found if path is not None]


def new_output() -> Path:
    """The folder of a run that was given none: ``runs/<date>-<time>`` where the program runs."""
    return Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a complete run found; all of it, and more, also lies in the folder.

    Attributes:
        folder: the run folder.
        global_tracks: one per person: its visits, by camera and local id.
        links: evidence for and against pairs of tracklets.
        counts: frames, detections, tracklets per camera; people and what the associator learnt.
        warnings: what the reader must know.
        scores: where truth was given.
    """

    folder: RunFolder
    global_tracks: tuple[GlobalTrack, ...]
    links: tuple[Link, ...]
    counts: dict[str, Any]
    warnings: tuple[RunWarning, ...]
    scores: "EvaluationResult | None" = None

    @property
    def tracklets(self) -> list[Tracklet]:
        """All tracklets by camera and local id, read from the folder."""
        return self.folder.read_tracklets()
