"""Torch draws the tiles that NumPy draws, to the last bit, and so the truth is the same; on torch's CPU device here."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.synthetic import world as world_module
from data.synthetic.body import make_body
from data.synthetic.crops import FOLDERS, CropJob, make_crops
from data.synthetic.gait import pose
from data.synthetic.raster import Rasteriser, rasterise
from data.synthetic.raster_torch import TorchRasteriser
from data.synthetic.record import CameraJob, record_camera
from data.synthetic.scenario import Preset
from data.synthetic.world import World

ON_GPU = "cuda:0"
SIZE = (320, 240)


def agree(draw: Rasteriser, points: np.ndarray, inverse: np.ndarray, faces: np.ndarray, align: int = 1) -> bool:
    """Whether both tiles are the same bits; True for two empty ones."""
    here, there = rasterise(points, inverse, faces, SIZE, align), draw(points, inverse, faces, SIZE, align)
    if here is None or there is None:
        return here is there
    assert here.inverse.dtype == there.inverse.dtype == np.float32
    assert here.face.dtype == there.face.dtype == np.int32
    return (
        (here.left, here.top) == (there.left, there.top)
        and np.array_equal(here.inverse, there.inverse)
        and np.array_equal(here.face, there.face)
    )


def mesh(seed: int, count: int, grain: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random triangles, some beside the canvas; with a grain, corners meet samples and depths are often equal."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-90, 410, (count, 2))
    inverse = rng.uniform(-0.02, 1, count)
    if grain:
        points, inverse = np.round(points / grain) * grain + 0.5, np.ceil(inverse * 3) / 3
    faces = np.array([rng.permutation(count)[:3] for _ in range(2 * count)])
    return points.astype(np.float32), inverse.astype(np.float32), faces


@settings(max_examples=80)
@given(st.integers(0, 2**31), st.integers(3, 30), st.sampled_from([0.0, 1.0, 32.0]), st.sampled_from([1, 2]))
def test_tiles_agree_on_random_meshes(seed: int, count: int, grain: float, align: int) -> None:
    assert agree(TorchRasteriser("cpu"), *mesh(seed, count, grain), align)


def test_the_last_of_equal_triangles_wins_everywhere() -> None:
    points = np.array([[10, 10], [200, 10], [10, 200]], np.float32)
    faces = np.array([[0, 1, 2]] * 5)
    tile = TorchRasteriser("cpu")(points, np.ones(3, np.float32), faces, SIZE)
    assert tile is not None
    assert set(np.unique(tile.face)) == {-1, 4}
    assert agree(TorchRasteriser("cpu"), points, np.ones(3, np.float32), faces)


@pytest.mark.parametrize("shift", [(-500.0, 0.0), (0.0, 900.0), (0.0, 0.0)])
def test_nothing_on_the_canvas(shift: tuple[float, float]) -> None:
    points = np.array([[10, 10], [200, 10], [10, 200]], np.float32) + np.array(shift, np.float32)
    inverse = np.full(3, -1.0 if shift == (0.0, 0.0) else 1.0, np.float32)
    assert TorchRasteriser("cpu")(points, inverse, np.array([[0, 1, 2]]), SIZE) is None


@pytest.fixture(scope="module")
def world() -> World:
    content = {
        "name": "room",
        "duration_s": 0.4,
        "size": [160, 120],
        "ground": [0, 0, 10, 8],
        "places": {"a": {"at": [2, 3]}, "b": {"at": [4, 4]}, "c": {"at": [3, 5]}},
        "cameras": [{"name": "c1", "position": [0.3, 4, 1.6], "target": [6, 4, 1.0], "hfov_deg": 70}],
        "people": 5,
        "start_inside_share": 1.0,
        "reid": {"train_people": 1, "test_people": 2, "crops": 2, "occluded_share": 1.0},
    }
    return World(Preset.model_validate(content), 1)


def persons(world: World) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Projected people: far, near, and so near that the canvas cuts them and vertices lie behind the camera."""
    found = []
    for row, (x, y) in enumerate([(8.5, 4.0), (3.0, 4.6), (1.2, 4.2), (0.35, 4.0)]):
        person = world.people[row]
        joints = pose(person, np.array([[x, y]]), np.array([row * 1.3]), np.array([row * 0.2]), np.array([1.0]))[0]
        body = make_body(person)
        pixels, depth = world.camera(0).project(body.vertices(joints.astype(np.float32))[0])
        inverse = np.where(depth > 0.05, 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
        found.append(((pixels * 2).astype(np.float32), inverse, body.faces))
    assert any((inverse == 0).any() for _, inverse, _ in found)
    return found


def test_tiles_agree_on_people(world: World) -> None:
    for points, inverse, faces in persons(world):
        assert rasterise(points, inverse, faces, SIZE, 2) is not None
        assert agree(TorchRasteriser("cpu"), points, inverse, faces, 2)


def record(world: World, folder: Path, device: str) -> dict[str, bytes]:
    """All files of the camera and its crops."""
    for name in ("gt", "keypoints", "masks/c1", *(f"reid/{split}" for split in FOLDERS)):
        (folder / name).mkdir(parents=True)
    record_camera(CameraJob(world.preset, world.seed, 0, folder, video=False, masks=True, device=device))
    make_crops(CropJob(world.preset, world.seed, 0, folder, device))
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_truth_masks_and_crops_are_the_same_files(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = 0

    class Counted(TorchRasteriser):
        def __call__(self, *arguments, **options):  # type: ignore[no-untyped-def]
            nonlocal drawn
            drawn += 1
            return super().__call__(*arguments, **options)

    here = record(world, tmp_path / "numpy", "cpu")
    monkeypatch.setattr(world_module, "rasteriser", lambda device: Counted({ON_GPU: "cpu"}[device]))
    there = record(world, tmp_path / "torch", ON_GPU)
    assert drawn > 10
    assert here["gt/c1.txt"].count(b"\n") > 4
    assert sum(name.endswith(".jpg") for name in here) > 2
    assert here == there


@pytest.mark.gpu
def test_the_gpu_draws_the_same_tiles(world: World, tmp_path: Path) -> None:
    draw = TorchRasteriser(ON_GPU)
    for seed in range(60):
        assert agree(draw, *mesh(seed, 3 + seed % 28, (0.0, 1.0, 32.0)[seed % 3]), 1 + seed % 2)
    for points, inverse, faces in persons(world):
        assert agree(draw, points, inverse, faces, 2)
    assert record(world, tmp_path / "numpy", "cpu") == record(world, tmp_path / "torch", ON_GPU)


def test_numpy_needs_no_torch(repository: Path) -> None:
    code = (
        "import sys; import data.synthetic.export; from data.synthetic.devices import rasteriser\n"
        "from data.runtime.torch_device import torch_device\n"
        "rasteriser(torch_device('cpu')); sys.exit('torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(repository)}
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, env=environment).returncode == 0
