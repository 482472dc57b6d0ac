"""Simulated crowds: people walk a ring of cameras, and look like themselves up to noise."""

from dataclasses import dataclass

import numpy as np

from data.errors import UserError
from data.records import PartEmbeddings, Tracklet
from data.site import Site
from pipeline.evaluation.association.truth import Key, TrackletTruth

_DIM = 128
_VISITS = 4
_PROTOTYPES = 4
_ROWS = 8
_FPS = 10.0
_CAMERA_SHIFT = 0.4
_ARRIVAL_EVERY_S = 4.0
_WALK_SHAPE, _WALK_SCALE_S = 9.0, 5.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """A crowd to simulate.

    Attributes:
        tracklets: how many; every person has four.
        cameras: of the ring; one or two steps on is where a person is seen next.
        noise: standard deviation of a picture about its person, per dimension, where people differ by 1.
        seed: of everything random.
    """

    tracklets: int
    cameras: int
    noise: float
    seed: int = 0


def simulate(crowd: Crowd) -> tuple[list[Tracklet], TrackletTruth]:
    """Make the tracklets of a crowd and who they are.

    Looks are 128 normal numbers per person plus 0.4 of those of the camera plus noise; visits last 5 to 30 s, walks
    between cameras are gamma distributed (mean 45 s, standard deviation 15 s).

    Raises:
        UserError: for a crowd of nobody or without cameras.
    """
    people = crowd.tracklets // _VISITS
    if people < 1 or crowd.cameras < 1 or crowd.noise < 0:
        raise UserError(f"a crowd needs at least {_VISITS} tracklets, a camera and no negative noise, got {crowd}")
    rng = np.random.default_rng(crowd.seed)
    looks = rng.normal(size=(people, _DIM))
    shift = _CAMERA_SHIFT * rng.normal(size=(crowd.cameras, _DIM))
    next_id = np.zeros(crowd.cameras, np.int64)
    tracklets: list[Tracklet] = []
    who: dict[Key, int] = {}
    for person in range(people):
        time_s, camera = float(rng.uniform(0, people * _ARRIVAL_EVERY_S)), int(rng.integers(crowd.cameras))
        for _ in range(_VISITS):
            stay_s = float(rng.uniform(5, 30))
            own = looks[person] + shift[camera] + crowd.noise * rng.normal(size=(_PROTOTYPES, _DIM))
            left = float(rng.uniform(0, 1700))
            tracklets.append(_tracklet(camera, int(next_id[camera]), time_s, stay_s, own, left))
            who[tracklets[-1].key] = person
            next_id[camera] += 1
            time_s += stay_s + float(rng.gamma(_WALK_SHAPE, _WALK_SCALE_S))
            camera = int(camera + rng.choice([1, 1, 1, 2])) % crowd.cameras
    return tracklets, TrackletTruth.of_pure(who)


def ring_site(crowd: Crowd, clock: str = "unknown", overlap: str = "unknown") -> Site:
    """What is known of the cameras of a simulated ring.

    Args:
        crowd: whose cameras.
        clock: status of all clocks.
        overlap: of all pairs.
    """
    names = [_name(number) for number in range(crowd.cameras)]
    cameras = {name: {"clock": {"status": clock}} for name in names}
    return Site.model_validate({"cameras": cameras, "default_overlap": overlap})


def _name(camera: int) -> str:
    return f"c{camera:03d}"


def _tracklet(camera: int, local_id: int, start_s: float, stay_s: float, looks: np.ndarray, left: float) -> Tracklet:
    vectors = (looks / np.linalg.norm(looks, axis=1, keepdims=True)).astype(np.float16)[:, None]
    seen = np.ones((len(vectors), 1), np.float32)
    times = np.linspace(start_s, start_s + stay_s, _ROWS)
    x = left + 3.0 * np.arange(_ROWS)
    boxes = np.stack([x, np.full(_ROWS, 100.0), x + 60, np.full(_ROWS, 260.0)], axis=1)
    return Tracklet(
        camera=_name(camera),
        local_id=local_id,
        times_s=times,
        frames=(times * _FPS).astype(np.int64),
        boxes=boxes.astype(np.float32),
        scores=np.full(_ROWS, 0.9, np.float32),
        prototypes=PartEmbeddings(vectors, seen, ("global",), ("holistic",), "simulated"),
        prototype_rows=np.arange(0, _ROWS, _ROWS // _PROTOTYPES),
        frame_size=(1920, 1080),
    )
