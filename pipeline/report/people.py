"""Who was where and when: the people of a run as the report shows them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.errors import UserError
from data.records import GlobalTrack
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.track_files import root_ids
from pipeline.rendering.palette import GREY, Rgb, color_of

_SAME_STAY_S = 1.0


@dataclass(frozen=True, slots=True)
class Stay:
    """One uninterrupted stay in one camera.

    Attributes:
        camera: name of the camera.
        start_s: on the common clock where there is one, else the camera's own time.
        end_s: likewise.
        local_ids: the tracklets it is made of, in time.
    """

    camera: str
    start_s: float
    end_s: float
    local_ids: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Person:
    """One identity.

    Attributes:
        label: what the report calls it.
        anchor: id of its place in the page.
        color: of its bars.
        confidence: lowest probability of the links that hold it together; None for a single tracklet.
        stays: ordered by time.
    """

    label: str
    anchor: str
    color: Rgb
    confidence: float | None
    stays: tuple[Stay, ...]

    @property
    def cameras(self) -> list[str]:
        """Where it was seen, in order of first appearance."""
        return list(dict.fromkeys(stay.camera for stay in self.stays))

    @property
    def seconds(self) -> float:
        """Time in view, overlapping views counted each."""
        return sum(stay.seconds for stay in self.stays)

    @property
    def tracklets(self) -> int:
        """Number of tracklets."""
        return sum(len(stay.local_ids) for stay in self.stays)


def read_people(folder: RunFolder, offsets_s: Mapping[str, float]) -> tuple[list[Person], bool]:
    """The people of a run, those seen in most cameras first.

    Args:
        folder: the run.
        offsets_s: per camera, common minus source time; used only where there are no identities yet.

    Returns:
        The people, and whether they are identities. Before association every chain of tracklets stands for itself.

    Raises:
        UserError: when a file is damaged.
    """
    if folder.global_tracks.exists():
        try:
            people = [_identity(track) for track in folder.read_global_tracks()]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{folder.global_tracks} is damaged ({error!r}); run tools.associate again") from None
        return sorted(people, key=lambda person: -len(person.cameras)), True
    return _chains(folder, offsets_s), False


def _identity(track: GlobalTrack) -> Person:
    visits = [(visit.camera, visit.start_s, visit.end_s, visit.local_id) for visit in track.visits]
    return Person(
        label=str(track.global_id),
        anchor=f"person-{track.global_id}",
        color=color_of(track.global_id),
        confidence=track.confidence if len(visits) > 1 else None,
        stays=_stays(visits),
    )


def _chains(folder: RunFolder, offsets_s: Mapping[str, float]) -> list[Person]:
    tracklets = folder.read_tracklets()
    roots = root_ids(tracklets)
    chains: dict[tuple[str, int], list[Any]] = {}
    for tracklet in tracklets:
        shift = offsets_s.get(tracklet.camera, 0.0)
        visit = (tracklet.camera, tracklet.times_s[0] + shift, tracklet.times_s[-1] + shift, tracklet.local_id)
        chains.setdefault((tracklet.camera, roots[tracklet.key]), []).append(visit)
    return [
        Person(f"{camera} ~{root}", f"track-{number}", GREY, None, _stays(visits))
        for number, ((camera, root), visits) in enumerate(chains.items())
    ]


def _stays(visits: Iterable[tuple[str, float, float, int]]) -> tuple[Stay, ...]:
    """Join visits of one camera that follow one another without a pause, such as the pieces of a cut tracklet."""
    stays: list[Stay] = []
    for camera, start_s, end_s, local_id in sorted(visits, key=lambda visit: (visit[0], visit[1], visit[3])):
        last = stays[-1] if stays else None
        if last is not None and last.camera == camera and start_s - last.end_s <= _SAME_STAY_S:
            end_s = max(last.end_s, end_s)
            stays[-1] = Stay(camera, last.start_s, end_s, (*last.local_ids, local_id))
        else:
            stays.append(Stay(camera, start_s, end_s, (local_id,)))
    return tuple(sorted(stays, key=lambda stay: (stay.start_s, stay.camera)))


def in_several_cameras(people: Sequence[Person]) -> int:
    """How many people were seen in two cameras or more."""
    return sum(len(person.cameras) > 1 for person in people)
