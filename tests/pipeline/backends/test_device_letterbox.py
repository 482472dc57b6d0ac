"""Pictures are scaled on a device to the same grey levels as OpenCV scales them to."""

from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import UserError
from data.records import Image
from data.runtime.uploads import share
from pipeline.backends import person_pose
from pipeline.backends.config import DetectorConfig
from pipeline.backends.device_letterbox import letterbox_tensors, network_input
from pipeline.backends.person_pose import PersonPoseNetwork
from pipeline.person_pose.files import save_network
from pipeline.person_pose.network import NetworkSpec, PersonPoseNet

CPU = torch.device("cpu")
SIZES = [(48, 96), (96, 192), (97, 193), (144, 256), (20, 31), (7, 200), (200, 7), (1, 1), (270, 480), (64, 96)]


def pictures(seed: int = 0) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("size", [(64, 96), (96, 96), (33, 50)])
def test_scaled_and_padded_as_by_opencv(size: tuple[int, int], centred: bool) -> None:
    images = pictures()
    ours, ours_placed = letterbox_tensors([torch.from_numpy(image) for image in images], *size, centred)
    theirs, theirs_placed = network_input(images, CPU, *size, centred)
    assert ours_placed == theirs_placed
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert ours.shape == theirs.shape == (len(images), 3, *size)
    assert torch.equal(ours, theirs)


def test_a_picture_does_not_depend_on_those_beside_it() -> None:
    images = [torch.from_numpy(image) for image in pictures()]
    together, _ = letterbox_tensors(images, 64, 96, True)
    for row, image in enumerate(images):
        assert torch.equal(letterbox_tensors([image], 64, 96, True)[0][0], together[row])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A small random network that takes much for people."""
    torch.manual_seed(3)
    spec = NetworkSpec(stem=4, widths=(8, 8, 8, 8), depths=(1, 1, 1, 1), head=8, height=64, width=96)
    save_network(tmp_path / "pose.safetensors", PersonPoseNet(spec).eval(), {"note": "random"})
    return tmp_path / "pose.safetensors"


def test_a_network_finds_the_same_in_pictures_scaled_on_the_device(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures()
    network = PersonPoseNetwork(DetectorConfig(score_min=0.001, batch=4), weights, "cpu")
    by_opencv = network.perceive(images)

    def on_device(images: list[Image], device: torch.device, height: int, width: int, centred: bool) -> object:
        return letterbox_tensors([torch.from_numpy(image) for image in images], height, width, centred)

    monkeypatch.setattr(person_pose, "network_input", on_device)
    on_the_device = network.perceive(images)
    assert sum(len(found) for found, _ in by_opencv) > 0
    for (ours, our_poses), (theirs, their_poses) in zip(on_the_device, by_opencv, strict=True):
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
        np.testing.assert_array_equal(our_poses.keypoints, their_poses.keypoints)


def test_pictures_of_a_batch_keep_their_own_rows(weights: Path) -> None:
    images = pictures()
    config = DetectorConfig(score_min=0.001)
    together = PersonPoseNetwork(config, weights, "cpu").perceive(images)
    for image, (boxes, poses) in zip(images, together, strict=True):
        ((own, own_poses),) = PersonPoseNetwork(config, weights, "cpu").perceive([image])
        np.testing.assert_allclose(own.boxes, boxes.boxes, atol=1e-3)
        np.testing.assert_allclose(own_poses.keypoints, poses.keypoints, atol=1e-2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_network_that_gives_no_numbers_is_told_and_not_taken_for_an_empty_picture(weights: Path, bad: float) -> None:
    network = PersonPoseNetwork(DetectorConfig(score_min=0.5), weights, "cpu")
    plain = network._network
    network._network = lambda pictures: tuple(column + bad for column in plain(pictures))  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"pose\.safetensors gives values that are not finite; fetch it anew"):
        network.perceive(pictures())
    network._dtype = torch.float16
    network._network = lambda pictures: tuple(column + bad for column in plain(pictures.float()))  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"not finite; set detector\.half=false"):
        network.perceive(pictures())


def test_the_next_pictures_go_up_before_anything_waits_for_these(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    network = PersonPoseNetwork(DetectorConfig(score_min=0.5, batch=6), weights, "cpu")
    likely = network._likely
    monkeypatch.setattr(network, "_likely", lambda *given: done.append("read") or likely(*given))
    monkeypatch.setattr(person_pose, "start_upload", lambda images, _: done.append(f"{len(list(images))} up"))
    network.perceive(pictures())
    assert done == ["4 up", "read", "0 up", "read"]


@pytest.mark.gpu
def test_on_a_gpu_the_input_is_the_same_and_half_precision_finds_the_same_people(weights: Path) -> None:
    images = pictures()
    share(images)
    ours, _ = network_input(images, torch.device("cuda:0"), 64, 96, True)
    theirs, _ = network_input(images, CPU, 64, 96, True)
    assert (ours.cpu() - theirs).abs().max() <= 1 / 255
    config = DetectorConfig(score_min=0.001, half=False)
    for (found, _), (known, _) in zip(
        PersonPoseNetwork(config, weights, "cuda").perceive(images),
        PersonPoseNetwork(config, weights, "cpu").perceive(images),
        strict=True,
    ):
        np.testing.assert_allclose(found.boxes, known.boxes, atol=0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("half", [False, True])
def test_a_replayed_graph_finds_what_the_plain_network_finds(weights: Path, half: bool) -> None:
    network = PersonPoseNetwork(DetectorConfig(score_min=0.001, half=half, batch=3), weights, "cuda")
    replayed = [network.perceive(pictures()) for _ in range(2)][1]
    assert not network._network._fails
    assert network._network._captured
    network._network._fails = True
    for (ours, our_poses), (plain, plain_poses) in zip(replayed, network.perceive(pictures()), strict=True):
        assert len(ours) == len(plain)
        np.testing.assert_allclose(ours.boxes, plain.boxes, atol=0.5)
        np.testing.assert_allclose(our_poses.keypoints, plain_poses.keypoints, atol=0.5)
