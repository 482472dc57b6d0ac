"""Tracklets of people who are unit vectors with noise, walking through cameras that only exist as numbers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data.records import FloatArray, PartEmbeddings, Tracklet
from data.site import Group, Site, save_site
from pipeline.config import dump_config, load_config
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.stages import Status
from pipeline.job.job import Job
from pipeline.job.request import EarlierRun, RunRequest
from pipeline.job.runner import run

MODEL = "osnet_x0_25"
Maker = Callable[..., Tracklet]


def embeddings(
    vectors: FloatArray, visibility: FloatArray | None = None, model: str = MODEL, kinds: tuple[str, ...] | None = None
) -> PartEmbeddings:
    """Embeddings of (G, P, D) vectors, all seen unless told otherwise."""
    parts = vectors.shape[1]
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    seen = np.ones(vectors.shape[:2], np.float32) if visibility is None else visibility.astype(np.float32)
    names = tuple(f"part{number}" for number in range(parts))
    return PartEmbeddings(unit.astype(np.float32), seen, names, kinds or ("part",) * parts, model)


def tracklet(
    camera: str = "a",
    local_id: int = 0,
    start_s: float = 0.0,
    end_s: float = 10.0,
    *,
    prototypes: PartEmbeddings | None = None,
    box: Sequence[float] = (100, 100, 150, 250),
    velocity: tuple[float, float] = (0.0, 0.0),
    fps: float = 10.0,
    frame_size: tuple[int, int] = (1920, 1080),
    **more: object,
) -> Tracklet:
    """A box that moves straight on from ``start_s`` to ``end_s``."""
    frames = np.arange(round(start_s * fps), round(end_s * fps) + 1)
    times = frames / fps
    shift = (times - times[0])[:, None] * np.array([*velocity, *velocity])
    rows = np.zeros(0, np.int64)
    if prototypes is not None:
        rows = np.linspace(0, len(frames) - 1, len(prototypes)).round().astype(np.int64)
    return Tracklet(
        camera=camera,
        local_id=local_id,
        times_s=times,
        frames=frames.astype(np.int64),
        boxes=(np.array([box]) + shift).astype(np.float32),
        scores=np.ones(len(frames), np.float32),
        prototypes=prototypes,
        prototype_rows=rows,
        frame_size=frame_size,
        **more,  # type: ignore[arg-type]
    )


def crowd(
    people: int,
    cameras: int = 3,
    seed: int = 0,
    *,
    noise: float = 0.5,
    parts: int = 1,
    dim: int = 128,
    visits: int = 1,
    visibility: tuple[float, float] = (1.0, 1.0),
) -> tuple[list[Tracklet], dict[tuple[str, int], int]]:
    """Everybody is seen ``visits`` times by every camera, one after the other; returns tracklets and who they are."""
    rng = np.random.default_rng(seed)
    base, shift = rng.normal(size=(people, parts, dim)), 0.5 * rng.normal(size=(cameras, parts, dim))
    found, truth = [], {}
    for camera in range(cameras):
        for number in range(people * visits):
            person = number % people
            own = base[person] + shift[camera] + noise * rng.normal(size=(parts, dim))
            vectors = own + 0.3 * noise * rng.normal(size=(4, parts, dim))
            seen = rng.uniform(*visibility, size=(4, parts))
            start = 30.0 * number + 1000.0 * camera
            item = tracklet(
                f"cam{camera}", number, start, start + 8, prototypes=embeddings(vectors, seen), box=(200, 100, 260, 280)
            )
            found.append(item)
            truth[item.key] = person
    return found, truth


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """``make.tracklet``, ``make.embeddings``, ``make.crowd``, ``make.site``."""
    return SimpleNamespace(tracklet=tracklet, embeddings=embeddings, crowd=crowd, site=site)


def site(*cameras: str, clock: str = "common", overlap: str = "none", group: str = "") -> Site:
    """Cameras with one clock and one kind of overlap; each letter of ``group`` is a camera of one group."""
    known = Site.model_validate(
        {"cameras": {camera: {"clock": {"status": clock}} for camera in cameras}, "default_overlap": overlap}
    )
    # Association reads of a group who is in it, not how its cameras are calibrated.
    groups = [Group.model_construct(name="hall", cameras=list(group))] if group else []
    return known.model_copy(update={"groups": groups})


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., RunFolder]:
    """``finished(tracklets)``: a run folder of these tracklets, associated; their clocks and overlap are unknown."""

    def write(tracklets: Sequence[Tracklet], name: str = "run") -> RunFolder:
        folder = RunFolder(tmp_path / name)
        cameras = sorted({item.camera for item in tracklets})
        folder.tracklets.mkdir(parents=True)
        folder.write_part(0.0, 0, list(tracklets))
        known = site(*cameras, clock="unknown", overlap="unknown")
        save_site(known, folder.site)
        folder.config.write_text(dump_config(load_config()))
        Job(folder, load_config(), known, {camera: {} for camera in cameras}).write_manifest(Status.TRACKED)
        run(RunRequest(start=EarlierRun(), output=folder.root), load_config([folder.config]))
        return folder

    return write
