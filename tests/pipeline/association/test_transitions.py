"""A run learns its own transit times, only where lags mean something, and leaves them to vector at."""

from pathlib import Path

import numpy as np
import pytest

from data.records import PartEmbeddings, Tracklet
from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.transitions import find_transitions, lags_speak, save_transitions
from pipeline.folder.run_folder import RunFolder
from st_model.config import SpaceTimeConfig
from st_model.files import load_model

_LAG_S = 25.0


def _visit(camera: str, local_id: int, start_s: float, vector: np.ndarray) -> Tracklet:
    times = start_s + np.arange(0, 6, 0.2)
    boxes = np.tile(np.array([[100, 100, 140, 220]], np.float32), (len(times), 1))
    prototypes = PartEmbeddings(
        vector[None, None].astype(np.float32), np.ones((1, 1), np.float32), ("global",), ("holistic",), "osnet"
    )
    return Tracklet(
        camera, local_id, times, np.arange(len(times)), boxes, np.ones(len(times), np.float32),
        prototypes=prototypes, prototype_rows=np.zeros(1, np.int64),
    )  # fmt: skip


def _walks(people: int = 40) -> list[Tracklet]:
    """Everybody goes from hall to door in about 25 s, one a minute; appearance tells most of them apart."""
    rng = np.random.default_rng(4)
    found = []
    for person in range(people):
        own = rng.normal(size=64)
        for camera, start in (("hall", 60.0 * person), ("door", 60.0 * person + 6 + _LAG_S + rng.normal(0, 1.0))):
            vector = own + 0.6 * rng.normal(size=64)
            found.append(_visit(camera, person, start, vector / np.linalg.norm(vector)))
    return found


def _site(clock: str = "common", overlap: str = "none") -> Site:
    cameras = {camera: {"clock": {"status": clock}} for camera in ("hall", "door")}
    return Site.model_validate({"cameras": cameras, "default_overlap": overlap})


def test_transit_times_are_learnt_and_written(tmp_path: Path) -> None:
    tracklets, site = _walks(), _site()
    found = find_transitions(
        tracklets,
        site,
        SpaceTimeConfig(),
        lambda model: associate(tracklets, site, AssociateConfig(), transition=model),
    )
    assert found.learnt
    assert found.model is not None
    hall, door = found.model.index(["hall", "door"])
    at, early, back = found.model.log_density([hall, hall, door], [door, door, hall], [_LAG_S, 3.0, _LAG_S])
    assert at > early + 2
    assert at > back + 1
    assert found.rounds[0][1] > found.rounds[0][0], "the first round must explain unseen links better"
    save_transitions(found, RunFolder(tmp_path))
    assert load_model(tmp_path / "space_time" / "model.npz").cameras == found.model.cameras
    assert (tmp_path / "space_time" / "model.png").read_bytes().startswith(b"\x89PNG")


def test_a_learnt_model_is_what_the_same_links_give_again() -> None:
    tracklets, site = _walks(), _site()
    runs = [
        find_transitions(
            items,
            site,
            SpaceTimeConfig(),
            lambda model, items=items: associate(items, site, AssociateConfig(), transition=model),
        )
        for items in (tracklets, tracklets)
    ]
    assert runs[0].rounds == runs[1].rounds


@pytest.mark.parametrize(("clock", "overlap"), [("unknown", "none"), ("unknown", "unknown"), ("unknown", "partial")])
def test_nothing_is_learnt_where_lags_mean_nothing(clock: str, overlap: str, tmp_path: Path) -> None:
    tracklets, site = _walks(4), _site(clock, overlap)

    def never(_: object) -> object:
        raise AssertionError("no association is needed to know that lags mean nothing")

    found = find_transitions(tracklets, site, SpaceTimeConfig(), never)  # type: ignore[arg-type]
    assert (found.model, found.learnt, found.rounds) == (None, False, ())
    save_transitions(found, RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_links_learns_nothing() -> None:
    rng, site = np.random.default_rng(1), _site()
    vectors = rng.normal(size=(12, 64))
    strangers = [
        _visit(camera, row, 60.0 * row, vector / np.linalg.norm(vector))
        for row, (camera, vector) in enumerate(zip(["hall", "door"] * 6, vectors, strict=True))
    ]
    found = find_transitions(
        strangers,
        site,
        SpaceTimeConfig(),
        lambda model: associate(strangers, site, AssociateConfig(), transition=model),
    )
    assert (found.model, found.learnt) == (None, False)


def test_lags_speak_between_cameras_not_of_one() -> None:
    assert lags_speak(_site(), ["hall", "door"])
    assert not lags_speak(_site(), ["hall"])
