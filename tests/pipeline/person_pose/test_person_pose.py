"""Our own detector with keypoints: assignment, loss, windows, files and back-end."""

from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import UserError
from data.skeletons import COCO17
from data.weight_records import ResolvedWeights
from pipeline.backends.config import DetectorConfig
from pipeline.backends.person_pose import PersonPoseNetwork
from pipeline.person_pose.assign import People, assign, iou
from pipeline.person_pose.files import load_network
from pipeline.person_pose.loss import LossConfig, complete_iou, pose_loss
from pipeline.person_pose.network import Candidates, PersonPoseNet
from pipeline.person_pose.pictures import Picture, WindowConfig, collate, cut
from tests.pipeline.tiny_detector import TINY, skeleton, small_weights


def _people(boxes: list[tuple[float, float, float, float]], ignored: list[bool] | None = None) -> People:
    spared = torch.tensor([ignored or [False] * len(boxes)])
    points = torch.from_numpy(np.stack([skeleton(box) for box in boxes]))[None]
    return People(torch.tensor([boxes]), points, ~spared, spared)


def _perfect(people: People, confidence: float = 0.9) -> Candidates:
    """Candidates of a 96 x 64 input that all tell the truth about the first person whose box holds their centre."""
    model = PersonPoseNet(TINY).eval()
    with torch.no_grad():
        found = model(torch.zeros(1, 3, 64, 96))
    centre = torch.cat([found.centres, found.centres], 1)[None]
    inside = (centre[..., :2] > people.boxes[:, :1, :2]).all(-1) & (centre[..., 2:] < people.boxes[:, :1, 2:]).all(-1)
    logits = torch.where(inside, torch.logit(torch.tensor(confidence)), torch.tensor(-9.0))
    boxes = people.boxes[:, :1].expand(1, found.boxes.shape[1], 4).clone()
    points = people.keypoints[:, :1, :, :2].expand(1, found.boxes.shape[1], 17, 2).clone()
    return Candidates(logits, boxes, points, torch.full_like(found.seen, 9.0), found.centres)


def test_the_network_answers_in_pixels_of_the_input() -> None:
    torch.manual_seed(0)
    found = PersonPoseNet(TINY).eval()(torch.zeros(2, 3, 64, 96))
    cells = 8 * 12 + 4 * 6 + 2 * 3
    assert found.logits.shape == (2, cells)
    assert found.boxes.shape == (2, cells, 4)
    assert found.points.shape == (2, cells, 17, 2)
    assert found.centres[0].tolist() == [4.0, 4.0]
    assert found.centres[1].tolist() == [12.0, 4.0], "x runs first"
    assert found.centres[-1].tolist() == [80.0, 48.0]
    assert (found.boxes[..., :2] <= found.centres).all()
    assert (found.boxes[..., 2:] >= found.centres).all()


def test_cells_are_assigned_to_the_person_they_lie_in_and_fit() -> None:
    people = _people([(10.0, 5.0, 40.0, 60.0), (60.0, 5.0, 90.0, 60.0)])
    assigned = assign(_perfect(people), people)
    chosen = torch.nonzero(assigned.person[0] >= 0)[:, 0]
    assert len(chosen) == 10
    assert (assigned.person[0, chosen] == 0).all(), "nothing fits the second person"
    assert torch.allclose(assigned.quality[0, chosen], torch.ones(10), atol=1e-3)
    assert (assigned.quality[0, assigned.person[0] < 0] == 0).all()


def test_cells_inside_a_hardly_visible_person_are_not_counted() -> None:
    people = _people([(10.0, 5.0, 40.0, 60.0), (60.0, 5.0, 90.0, 60.0)], [False, True])
    found = _perfect(people)
    assigned = assign(found, people)
    spared = ~assigned.counted[0]
    assert spared.any()
    assert (found.centres[spared][:, 0] > 60).all()


def test_a_picture_without_people_is_all_background() -> None:
    nobody = People(*(torch.zeros(1, 1, *shape) for shape in ((4,), (17, 3))), *(torch.zeros(1, 1).bool(),) * 2)
    loss, told = pose_loss(_perfect(_people([(10.0, 5.0, 40.0, 60.0)])), nobody, LossConfig())
    assert told["box"] == told["points"] == 0
    assert float(loss) > 1, "confident cells are wrong here"


def test_the_loss_falls_to_almost_nothing_for_perfect_answers() -> None:
    people = _people([(10.0, 5.0, 40.0, 60.0)])
    _, good = pose_loss(_perfect(people, 0.999), people, LossConfig())
    assert good["box"] < 1e-3
    assert good["points"] < 1e-6
    assert good["seen"] < 1e-3
    off = _perfect(people, 0.999)
    off.points.add_(20)
    assert pose_loss(off, people, LossConfig())[1]["points"] > 0.5


def test_complete_iou_punishes_distance_where_nothing_overlaps() -> None:
    a = torch.tensor([[0.0, 0.0, 10.0, 20.0]]).expand(3, 4)
    b = torch.tensor([[0.0, 0.0, 10.0, 20.0], [20.0, 0.0, 30.0, 20.0], [200.0, 0.0, 210.0, 20.0]])
    same, near, far = complete_iou(a, b).tolist()
    assert same == pytest.approx(1, abs=1e-4)
    assert far < near < 0
    assert iou(a, b).tolist() == pytest.approx([1, 0, 0], abs=1e-6)


def test_windows_move_boxes_keypoints_and_picture_together() -> None:
    """A bright square marks the person's box: wherever it goes, the box goes."""
    image = np.zeros((120, 200, 3), np.uint8)
    image[30:90, 60:100] = 255
    box = (60.0, 30.0, 100.0, 90.0)
    picture = Picture(Path("x"), np.array([box], np.float32), skeleton(box)[None], np.ones(1, np.float32))
    config = WindowConfig(side=128, scale=(0.5, 1.2), gain=0, light=0, blur=0)
    mirrored = 0
    for seed in range(30):
        window = cut(picture, image, config, np.random.default_rng(seed))
        if not len(window.boxes):
            continue
        bright = np.argwhere((window.image == 255).all(-1))
        low, high = bright.min(0)[::-1], bright.max(0)[::-1] + 1
        assert np.abs(np.concatenate([low, high]) - window.boxes[0]).max() <= 1.1
        points = window.keypoints[0]
        seen = points[:, 2] > 0
        assert (points[seen, :2] >= window.boxes[0, :2] - 1).all()
        assert (points[seen, :2] <= window.boxes[0, 2:] + 1).all()
        if seen.all():
            # The skeleton runs from right (nose) to left; a mirror turns it and swaps left with right.
            turned = points[0, 0] < points[15:17, 0].mean()
            mirrored += int(turned)
            x = points[list(COCO17.mirror), 0] if turned else -points[:, 0]
            assert (np.diff(x) > 0).all()
    assert 0 < mirrored < 30


def test_collate_pads_and_marks_who_is_ignored() -> None:
    box = (10.0, 10.0, 30.0, 60.0)
    picture = Picture(
        Path("x"), np.array([box, box], np.float32), np.stack([skeleton(box)] * 2), np.array([1.0, 0.05], np.float32)
    )
    empty = Picture(Path("y"), np.zeros((0, 4), np.float32), np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32))
    image = np.zeros((64, 64, 3), np.uint8)
    config = WindowConfig(side=64, scale=(1.0, 1.0), least_height_px=0)
    windows = [cut(one, image, config, np.random.default_rng(3)) for one in (picture, empty)]
    batch = collate(windows)
    images, people = batch.images, batch.people
    assert images.shape == (2, 3, 64, 64)
    assert people.learnt.tolist() == [[True, False], [False, False]]
    assert people.ignored.tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("scale", [(0.0, 1.0), (1.1, 0.4)])
def test_an_impossible_scale_is_refused(scale: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="scale"):
        WindowConfig(scale=scale)


def test_files_come_back_and_say_what_is_wrong(tmp_path: Path) -> None:
    path = small_weights(tmp_path)
    model, info = load_network(path)
    assert info.spec == TINY
    torch.manual_seed(0)
    fresh = PersonPoseNet(TINY)
    for name, value in fresh.state_dict().items():
        assert torch.allclose(model.state_dict()[name].float(), value.float(), rtol=1e-3, atol=1e-4), name
    with pytest.raises(UserError, match="not found"):
        load_network(tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged"):
        load_network(damaged)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, damaged)
    with pytest.raises(UserError, match="no person_pose network"):
        load_network(damaged)


def test_the_back_end_maps_back_to_any_size_and_skips_empty_pictures(tmp_path: Path) -> None:
    found = ResolvedWeights(small_weights(tmp_path), "0" * 64, "x", None)
    network = PersonPoseNetwork(DetectorConfig(score_min=0.001, nms_iou=0.99), found, "cpu")
    images = [np.zeros((50, 300, 3), np.uint8), np.zeros((0, 10, 3), np.uint8), np.zeros((200, 40, 3), np.uint8)]
    results = network.perceive(images)
    assert len(results[1][0]) == 0
    for image, (detections, poses) in zip(images, results, strict=True):
        assert len(poses.keypoints) == len(detections)
        if len(detections):
            assert (detections.boxes[:, 2] <= image.shape[1]).all()
            assert (detections.boxes[:, 3] <= image.shape[0]).all()
    with pytest.raises(UserError, match="multiples of 32"):
        PersonPoseNetwork(DetectorConfig(input_size=(100, 64)), found, "cpu")
