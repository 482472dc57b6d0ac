"""A camera of a finished run, played again: its video, its clock and what was found in it."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data.config import SourcesConfig, validated
from data.errors import UserError
from data.foreign import parse_yaml
from data.names import is_camera_name
from data.records import Frame, Image
from data.site import Site, load_site
from data.sources.base import CameraSpec, file_and_stream, is_address
from data.sources.open import open_source
from pipeline.folder.input_files import describe_input, is_hashed, is_same
from pipeline.folder.run_folder import RunFolder
from pipeline.input.ahead import Ahead, stop_all
from pipeline.rendering.anonymize import blur_regions, head_regions
from pipeline.rendering.config import RenderConfig
from pipeline.rendering.scene import Scene
from pipeline.rendering.timeline import Timeline

_HOLD_S = 0.5


@dataclass(frozen=True)
class Playback:
    """What all cameras of a run share when it is played again.

    Attributes:
        folder: the run.
        config: what to show.
        inputs: per camera, what the manifest says of its input.
        sources: how the run read its videos.
        global_ids: by (camera, local_id); empty before association.
        site: calibration of the cameras; None where the run left no site file.
        last_frame: per camera, the last frame the run processed; a camera that is absent is played to its end.
        own: the run was made by this process, which opened the addresses it names itself.
    """

    folder: RunFolder
    config: RenderConfig
    inputs: Mapping[str, Mapping[str, Any]]
    sources: SourcesConfig
    global_ids: Mapping[tuple[str, int], int]
    site: Site | None
    last_frame: Mapping[str, int]
    own: bool = False

    @staticmethod
    def of(folder: RunFolder, config: RenderConfig, *, own: bool = False) -> "Playback":
        """Read what is needed of a run folder.

        Args:
            folder: the run.
            config: what to show.
            own: this process made the run; else a video on the network is not opened because a folder names it.

        Raises:
            UserError: when it is no run folder or a file of it is broken.
        """
        inputs = folder.require().read_inputs()
        people = folder.read_global_tracks() if folder.global_tracks.exists() else []
        progress = folder.read_progress() if folder.progress.exists() else {}
        return Playback(
            folder=folder,
            config=config,
            inputs=inputs,
            sources=_sources_config(folder),
            global_ids={
                (visit.camera, visit.local_id): person.global_id for person in people for visit in person.visits
            },
            site=load_site(folder.site) if folder.site.exists() else None,
            last_frame=progress.get("last_frame", {}),
            own=own,
        )

    def record(self, camera: str) -> "Recording":
        """Open one camera.

        Raises:
            UserError: when its video is gone, cannot be read, or was live.
        """
        if not is_camera_name(camera):
            raise UserError(f"camera '{camera}': the name cannot stand in file names; mend {self.folder.manifest}")
        described = self.inputs.get(camera)
        if described is None or not described.get("uri"):
            raise UserError(
                f"camera '{camera}': {self.folder.manifest} names no video of it; was it a camera of this run?"
            )
        if described.get("kind", "video") != "video":
            raise UserError(
                f"camera '{camera}': the run started from {described['kind']} ({described['uri']}), not from a video: "
                "there is no picture to draw into"
            )
        if described.get("live"):
            raise UserError(f"camera '{camera}' was live ({described['uri']}): there is no recording to draw into")
        uri = str(described["uri"])
        if not self.own:
            self._check_same(camera, uri, described)
        return Recording(self, CameraSpec(camera, uri))

    def _check_same(self, camera: str, uri: str, described: Mapping[str, Any]) -> None:
        """Only the file the run saw is drawn on, and none is fetched because a folder says so."""
        if is_address(uri):
            raise UserError(
                f"camera '{camera}' was read from an address ({uri}), and none is opened because a run folder names "
                "it; `pipeline.run --save-video` draws while it reads"
            )
        path, _ = file_and_stream(uri)
        if not path.exists():
            raise UserError(f"camera '{camera}': {uri} is not there any more; put the video back, or run again")
        if not is_hashed(described) or not is_same(described, describe_input(path)):
            raise UserError(f"camera '{camera}': {uri} is not the video this run saw; put that one back, or run again")


class Recording:
    """One camera: frames in order, and who is in each."""

    def __init__(self, playback: Playback, spec: CameraSpec) -> None:
        """Open the video and index the tracklets."""
        config = playback.config
        self.camera = spec.camera
        self._source = open_source(spec, playback.sources)
        self.info = self._source.info
        self._last_frame = playback.last_frame.get(spec.camera)
        self._queue_frames = playback.sources.queue_frames
        self._config = config
        self._timeline = Timeline(
            playback.folder.read_tracklets(spec.camera),
            playback.global_ids,
            fill_gap_s=config.fill_gap_s,
            trail_s=config.trail_s,
            keypoints=config.skeletons or config.anonymize,
            model=None if playback.site is None else playback.site.model(spec.camera),
        )

    @property
    def warnings(self) -> list[str]:
        """What the source complained about so far."""
        return list(self._source.warnings)

    def frames(self) -> Generator[Frame, None, None]:
        """Decode the frames the run processed, ahead of the reader; close it where not all are read."""
        ahead = Ahead(self._processed(), self._queue_frames, f"decode-{self.camera}")
        try:
            yield from ahead
        finally:
            stop_all([ahead])
            self._source.close()

    def scene(self, frame: Frame) -> Scene:
        """Who is to be drawn into a frame."""
        return self._timeline.scene(frame.index)

    def shown(self, frame: Frame) -> Image:
        """A copy of the picture to draw into, heads blurred where that is asked for."""
        image = frame.image.copy()
        if self._config.anonymize:
            boxes, keypoints = self._timeline.heads_nearby(frame.index, frame.time_s, _HOLD_S)
            blur_regions(image, head_regions(boxes, keypoints, self._config.min_confidence))
        return image

    def _processed(self) -> Iterator[Frame]:
        for frame in self._source.frames():
            if self._last_frame is not None and frame.index > self._last_frame:
                return
            yield frame


def _sources_config(folder: RunFolder) -> SourcesConfig:
    """How the run read its videos, from its own configuration: the same frames are shown that were looked at."""
    if not folder.config.exists():
        return SourcesConfig()
    tree = parse_yaml(folder.read_text(folder.config), str(folder.config))
    return validated(
        SourcesConfig, tree.get("sources", {}) if isinstance(tree, dict) else {}, f"{folder.config}, section sources"
    )
