"""Back-ends are chosen by name, composed, and refuse what cannot work together."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml

from data.errors import UserError
from data.records import Detections, EmbedRequest, Image, Poses
from data.registry import Registry
from data.runtime.choice import RuntimeName
from data.weight_records import ResolvedWeights, as_weights, file_sha256, known_weights
from pipeline.backends import registry
from pipeline.backends.base import Detector, OnePassPerceiver, PoseEstimator
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.perceiver import MatchedPose, TwoPass, boxes_from_skeletons
from pipeline.backends.registry import build_detector, build_embedder, build_perceiver, build_pose
from pipeline.weights.store import WeightStore
from reid.config import ReidConfig
from tests.tiny_models import colour_network


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path, offline=True)


def test_every_default_is_in_the_manifest_and_real() -> None:
    records = known_weights()
    for kind, defaults in (
        ("detector", registry.DETECTOR_WEIGHTS),
        ("pose", registry.POSE_WEIGHTS),
        ("reid", registry.REID_WEIGHTS),
    ):
        for backend, name in defaults.items():
            record = records[name]
            assert backend in record.backends
            assert kind in record.kinds
            assert record.trained_on == "real"


def test_the_default_file_shows_the_sections(repository: Path) -> None:
    written = yaml.safe_load((repository / "configs/default.yaml").read_text(encoding="utf-8"))
    for name, section in (("detector", DetectorConfig()), ("pose", PoseConfig()), ("reid", ReidConfig())):
        assert written[name] == section.model_dump(mode="json")


def test_unknown_names_list_what_there_is(store: WeightStore) -> None:
    with pytest.raises(
        UserError, match=r"unknown detector 'yolo_onx' \(did you mean 'yolo_onnx'\?\); there are: .*yolox"
    ):
        build_detector(DetectorConfig(name="yolo_onx"), "cpu", store)
    with pytest.raises(UserError, match="unknown pose back-end 'x'; there are: detector, movenet, none"):
        build_pose(PoseConfig(name="x"), "cpu", store)
    with pytest.raises(UserError, match="unknown appearance model 'x'; there are: auto, kpr, none, osnet_onnx"):
        build_embedder(ReidConfig(name="x"), "cpu", store, has_poses=True)


def test_missing_weights_name_the_command(store: WeightStore) -> None:
    with pytest.raises(UserError, match=r"detector\.weights: yolo11m-pose .*tools\.fetch_weights yolo11m-pose`"):
        build_perceiver(DetectorConfig(), PoseConfig(), "cpu", store)
    with pytest.raises(UserError, match=r"tools\.fetch_weights yolo11m`"):
        build_perceiver(DetectorConfig(), PoseConfig(name="none"), "cpu", store)
    with pytest.raises(UserError, match=r"tools\.fetch_weights person-reidentification-retail-0277`"):
        build_embedder(ReidConfig(), "cpu", store, has_poses=True)
    with pytest.raises(UserError, match=r"name a file in detector\.weights"):
        build_detector(DetectorConfig(name="yolo_onnx"), "cpu", store)


def test_choosing_nothing_gives_nothing(store: WeightStore) -> None:
    assert build_embedder(ReidConfig(name="none"), "cpu", store, has_poses=False) is None
    assert build_pose(PoseConfig(name="none"), "cpu", store) is None


def test_one_pass_needs_a_detector_that_gives_keypoints(testdata: Path, store: WeightStore) -> None:
    detector = DetectorConfig(name="yolox_onnx", weights=str(testdata / "weights/det/yolox_nano_416x416.onnx"))
    with pytest.raises(UserError, match=r"pose\.name=detector, but detector\.name=yolox_onnx .* gives no keypoints"):
        build_perceiver(detector, PoseConfig(), "cpu", store)
    boxes_only = PoseConfig(name="yolo_onnx", weights=str(testdata / "weights/det/yolo11n_int8_320.onnx"))
    with pytest.raises(UserError, match="is for detector, not pose"):
        build_perceiver(detector, boxes_only, "cpu", store)


def test_the_test_data_configuration_runs_end_to_end(
    testdata: Path, repository: Path, store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    monkeypatch.chdir(repository)
    settings = yaml.safe_load((repository / "configs/testdata.yaml").read_text(encoding="utf-8"))
    for section in (settings["detector"], settings["pose"], settings["reid"]):
        section["weights"] = str(testdata / section["weights"].removeprefix("../shared/data/"))
    pose = PoseConfig(**settings["pose"])
    perceiver = build_perceiver(DetectorConfig(**settings["detector"]), pose, "cpu", store, threads=1)
    image = np.ascontiguousarray(cv2.imread(str(testdata / "images/bus.jpg"))[..., ::-1])
    detections, poses = perceiver([image])[0]
    assert len(detections) >= 4
    assert poses is not None
    assert len(poses) == len(detections)
    embedder = build_embedder(ReidConfig(**settings["reid"]), "cpu", store, has_poses=True, threads=1)
    assert embedder is not None
    found = embedder([EmbedRequest(image, detections.boxes, poses.keypoints, poses.spare_keypoints)])[0]
    assert found.vectors.shape == (len(detections), 7, 256)
    assert (found.visibility[:3, 2:] > 0.1).any(axis=1).all()
    assert set(store.used) == {"detector", "pose", "reid"}


class _Skeletons:
    """Finds one person at a fixed place, and one that no box owns."""

    gives_poses = True

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        return [found for found, _ in self.perceive(images)]

    def perceive(self, images: Sequence[Image]) -> list[tuple[Detections, Poses]]:
        here = standing(50, 20, 100)
        there = standing(200, 20, 100)
        return [(Detections.empty(), Poses(np.stack([here]), np.stack([there]))) for _ in images]


def standing(x: float, top: float, height: float) -> np.ndarray:
    """A standing skeleton: (17, 3)."""
    level = np.array([8, 6, 6, 8, 8, 20, 20, 35, 35, 48, 48, 52, 52, 74, 74, 95, 95]) / 100 * height + top
    side = np.array([0, 1, -1, 2, -2, 9, -9, 12, -12, 12, -12, 6, -6, 6, -6, 6, -6]) / 100 * height + x
    return np.stack([side, level, np.full(17, 0.9)], axis=1).astype(np.float32)


def test_skeletons_of_the_whole_picture_are_matched_to_the_boxes() -> None:
    class Boxes:
        def __call__(self, images: Sequence[Image]) -> list[Detections]:
            boxes = np.array([[250, 0, 280, 90], [30, 15, 70, 122]], np.float32)
            return [Detections(boxes, np.ones(2, np.float32), np.zeros(2, np.int64)) for _ in images]

    network = _Skeletons()
    assert isinstance(network, OnePassPerceiver)
    estimator = MatchedPose(network, 0.05)
    assert isinstance(estimator, PoseEstimator)
    assert isinstance(Boxes(), Detector)
    detections, poses = TwoPass(Boxes(), estimator)([np.zeros((200, 300, 3), np.uint8)])[0]
    assert poses is not None
    np.testing.assert_array_equal(poses.keypoints[0], 0)
    np.testing.assert_array_equal(poses.keypoints[1], standing(50, 20, 100))
    np.testing.assert_array_equal(poses.spare_keypoints, [standing(200, 20, 100)])
    assert len(detections) == 2


def test_skeletons_can_give_the_boxes() -> None:
    faint = standing(200, 20, 100)
    faint[:, 2] = 0.01
    skeletons = np.stack([faint, standing(50, 20, 100)])
    found, poses = boxes_from_skeletons(skeletons, np.array([0.9, 0.5], np.float32), 300, 200, 0.05, 10)
    assert len(found) == len(poses) == 1
    assert found.boxes[0, 0] < 38
    assert found.boxes[0, 1] < 26
    assert found.boxes[0, 3] > 115
    assert len(poses.spare_keypoints) == 1


def test_choosing_imports_nothing_heavy() -> None:
    code = (
        "import sys, pipeline.backends.registry, tools.fetch_weights\n"
        "heavy = ('torch', 'ultralytics', 'openpifpaf', 'onnxruntime', 'cv2', 'onnx')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Everywhere:
    """A detector of one's own: one person over all of every picture."""

    def __init__(
        self, config: DetectorConfig, weights: ResolvedWeights | str | Path, device: str, threads: int
    ) -> None:
        self.score, self.weights = config.score_min, as_weights(weights)

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        return [Detections.of_people([[0, 0, image.shape[1], image.shape[0]]], [self.score]) for image in images]


def test_a_detector_is_one_module_and_one_line(
    tmp_path: Path, store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.DETECTORS, "everywhere", f"{__name__}:Everywhere")
    (tmp_path / "own.bin").write_bytes(b"weights")
    config = DetectorConfig(name="everywhere", weights=str(tmp_path / "own.bin"), score_min=0.5)
    ((detections, poses),) = build_perceiver(config, PoseConfig(name="none"), "cpu", store)(
        [np.zeros((4, 6, 3), np.uint8)]
    )
    assert (detections.boxes.tolist(), detections.scores.tolist(), poses) == ([[0, 0, 6, 4]], [0.5], None)
    with pytest.raises(UserError, match="gives no keypoints"):
        build_perceiver(config, PoseConfig(), "cpu", store)
    with pytest.raises(UserError, match="there are: everywhere, "):
        build_detector(DetectorConfig(name="x"), "cpu", store)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (table, name)
        for table in (registry.DETECTORS, registry.PICTURE_POSES, registry.BOX_POSES, registry.EMBEDDERS)
        for name in table
        if name not in ("ultralytics", "openpifpaf")
    ],
)
def test_all_back_ends_are_opened_alike(table: Registry[Callable[..., object]], name: str, tmp_path: Path) -> None:
    """A missing file is told in one line before any network is loaded, whether it is named by a string or a path."""
    build = table.load(name)
    section = {"detector": DetectorConfig(), "pose back-end": PoseConfig(), "appearance model": ReidConfig()}[
        table.kind
    ]
    for weights in (tmp_path / "gone.bin", str(tmp_path / "gone.bin")):
        with pytest.raises(UserError, match=r"there is no weight file .*gone\.bin"):
            build(section, weights, "cpu", 1)


def test_camera_tokens_are_for_networks_that_have_them(store: WeightStore) -> None:
    with pytest.raises(UserError, match=r"reid\.camera_tokens: osnet_onnx has no camera tokens"):
        build_embedder(ReidConfig(name="osnet_onnx", camera_tokens={"hall": 1}), "cpu", store, has_poses=False)


@pytest.fixture
def osnet_only(tmp_path: Path) -> WeightStore:
    """A cache in which the second choice lies, and no way to fetch the first."""
    records = known_weights()
    path = colour_network(tmp_path / records["osnet_x0_25_msmt17"].file)
    changed = records["osnet_x0_25_msmt17"].model_copy(update={"sha256": file_sha256(path)})
    return WeightStore(tmp_path, offline=True, records={**records, "osnet_x0_25_msmt17": changed})


def test_where_the_default_cannot_be_had_the_next_is_taken_and_said(osnet_only: WeightStore) -> None:
    build_embedder(ReidConfig(), "cpu", osnet_only, has_poses=True)
    assert [found.name for found in osnet_only.used["reid"]] == ["osnet_x0_25_msmt17"]
    (line,) = osnet_only.warnings
    assert "tools.fetch_weights person-reidentification-retail-0277" in line
    assert "until then osnet_x0_25_msmt17 is taken" in line
    with pytest.raises(UserError, match="fetching is off"):
        build_embedder(ReidConfig(weights="person-reidentification-retail-0277"), "cpu", osnet_only, has_poses=True)


@pytest.mark.parametrize(
    ("installed", "runtime", "reason"),
    [
        (False, "auto", "needs OpenVINO, which is not installed; run `pip install openvino`"),
        (True, "onnxruntime", "is an OpenVINO model, which reid.runtime=onnxruntime does not read"),
    ],
)
def test_where_nothing_reads_the_default_it_is_what_onnx_runtime_reads_and_said(
    osnet_only: WeightStore, monkeypatch: pytest.MonkeyPatch, installed: bool, runtime: RuntimeName, reason: str
) -> None:
    monkeypatch.setattr(registry, "has_openvino", lambda: installed)
    assert build_embedder(ReidConfig(runtime=runtime), "cpu", osnet_only, has_poses=False) is not None
    assert osnet_only.warnings == [
        f"person-reidentification-retail-0277 {reason}; until then osnet_x0_25_msmt17 is taken, which tells people "
        "apart less well"
    ]
