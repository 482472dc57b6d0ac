"""Back-ends by name; nothing is imported before it is chosen."""

import logging
from pathlib import Path

from data.errors import UserError
from data.registry import Registry
from data.runtime.choice import RuntimeName
from data.runtime.openvino import has_openvino
from data.weight_records import ResolvedWeights, as_weights
from pipeline.backends.base import (
    BuildDetector,
    BuildEmbedder,
    BuildNetwork,
    BuildPoseEstimator,
    Detector,
    OnePassPerceiver,
    Perceiver,
    PoseEstimator,
)
from pipeline.backends.config import DetectorConfig, PoseConfig
from pipeline.backends.perceiver import BoxPerceiver, MatchedPose, OnePass, TwoPass
from pipeline.weights.kpr import real_kpr
from pipeline.weights.store import AUTO, WeightStore
from reid.config import ReidConfig
from reid.embedders.base import Embedder

logger = logging.getLogger(__name__)

_FULL_PICTURE = {
    "ultralytics": "pipeline.backends.ultralytics_net:UltralyticsNetwork",
    "yolo_onnx": "pipeline.backends.yolo:open_onnx",
    "yolo_tflite": "pipeline.backends.yolo:open_tflite",
    "openpifpaf": "pipeline.backends.openpifpaf_net:OpenPifPafNetwork",
    "person_pose": "pipeline.backends.person_pose:PersonPoseNetwork",
}
# Networks of full pictures find people, and skeletons where their weights are a pose model's.
DETECTORS: Registry[BuildDetector] = Registry(
    "detector", {**_FULL_PICTURE, "yolox_onnx": "pipeline.backends.yolox:YoloxDetector"}
)
PICTURE_POSES: Registry[BuildNetwork] = Registry("pose back-end", _FULL_PICTURE)
BOX_POSES: Registry[BuildPoseEstimator] = Registry(
    "pose back-end",
    {"movenet": "pipeline.backends.topdown:open_movenet", "topdown_onnx": "pipeline.backends.topdown:open_onnx"},
)
EMBEDDERS: Registry[BuildEmbedder] = Registry(
    "appearance model",
    {
        "osnet_parts": "reid.embedders.pooled:PooledPartsEmbedder",
        "osnet_onnx": "reid.embedders.onnx:OnnxEmbedder",
        "kpr": "pipeline.backends.registry:open_kpr",
        "san": "reid.embedders.san:SanEmbedder",
    },
)

# What "auto" weights stand for. Back-ends that are not here need their weights named.
DETECTOR_WEIGHTS = {"ultralytics": "yolo11m", "yolox_onnx": "yolox_s"}
POSE_WEIGHTS = {"ultralytics": "yolo11m-pose", "movenet": "movenet_lightning_int8", "topdown_onnx": "rtmpose-m"}
REID_WEIGHTS = {
    "osnet_parts": "person-reidentification-retail-0277",
    "osnet_onnx": "person-reidentification-retail-0277",
}
_REID_FALLBACK = "osnet_x0_25_msmt17"

_FROM_DETECTOR = "detector"
_NONE = "none"
_BRING_KPR = (
    "bring a published file in with `python -m tools.import_checkpoint FILE --accept-licence hl3 --install`, or name "
    "your own in reid.weights"
)
_TORCH_SUFFIXES = (".pt", ".pth", ".safetensors", ".tar")


def build_detector(config: DetectorConfig, device: str, weights: WeightStore, threads: int = 0) -> Detector:
    """The detector of a configuration.

    Args:
        config: section ``detector``.
        device: "auto", "cpu", "cuda" or "cuda:<index>".
        weights: where weights come from.
        threads: CPU cores all networks together may use; 0: all.

    Raises:
        UserError: for an unknown name, or weights that are missing or of another kind.
    """
    return _open_detector(config, device, weights, threads, DETECTOR_WEIGHTS)


def build_pose(config: PoseConfig, device: str, weights: WeightStore, threads: int = 0) -> PoseEstimator | None:
    """The pose estimator of a configuration; None for "none".

    Args:
        config: section ``pose``; not "detector", which is no estimator of its own (see ``build_perceiver``).
        device: see ``build_detector``.
        weights: where weights come from.
        threads: see ``build_detector``.

    Raises:
        UserError: as ``build_detector``, or when the weights give no keypoints.
    """
    if config.name == _NONE:
        return None
    others = (_FROM_DETECTOR, _NONE)
    if config.name in BOX_POSES:
        found, build = _pose_weights(config, weights), BOX_POSES.load(config.name)
        return build(config, found, device, threads)
    open_network = PICTURE_POSES.load(config.name, (*BOX_POSES, *others))
    found = _pose_weights(config, weights)
    network = open_network(config, found, device, threads)
    if not network.gives_poses:
        raise UserError(f"pose.weights: {found.path} finds boxes but no keypoints; name a pose model")
    return MatchedPose(network, config.keypoint_min)


def build_perceiver(
    detector: DetectorConfig, pose: PoseConfig, device: str, weights: WeightStore, threads: int = 0
) -> Perceiver:
    """Detection and, where configured, pose estimation, in one pass or two.

    Args:
        detector: section ``detector``.
        pose: section ``pose``; name "detector" takes the keypoints of the detector's own pass.
        device: see ``build_detector``.
        weights: where weights come from.
        threads: see ``build_detector``.

    Raises:
        UserError: as ``build_detector`` and ``build_pose``, or when the detector is to give keypoints and cannot.
    """
    if pose.name == _FROM_DETECTOR:
        network = _open_detector(detector, device, weights, threads, {**DETECTOR_WEIGHTS, **POSE_WEIGHTS})
        if not isinstance(network, OnePassPerceiver) or not network.gives_poses:
            names = ", ".join(sorted({**PICTURE_POSES, **BOX_POSES}))
            raise UserError(
                f"pose.name=detector, but detector.name={detector.name} with detector.weights={detector.weights} gives "
                f"no keypoints; name a pose model there, or set pose.name to one of: {names}, none"
            )
        return OnePass(network)
    found = build_detector(detector, device, weights, threads)
    estimator = build_pose(pose, device, weights, threads)
    return BoxPerceiver(found) if estimator is None else TwoPass(found, estimator)


def build_embedder(
    config: ReidConfig, device: str, weights: WeightStore, has_poses: bool, threads: int = 0
) -> Embedder | None:
    """The appearance model of a configuration; None for "none".

    "auto" reads named weights with the back-end they are for. Without named weights it takes KPR where weights of it
    that know real people are here, else body parts where there are poses, else one vector per person.

    Args:
        config: section ``reid``.
        device: see ``build_detector``.
        weights: where weights come from.
        has_poses: skeletons will come with the boxes.
        threads: see ``build_detector``.

    Raises:
        UserError: as ``build_detector``.
    """
    if config.name == _NONE:
        return None
    name, value = config.name, config.weights
    if value == AUTO and name in (AUTO, "kpr"):
        found_here = real_kpr(weights)
        if found_here is not None:
            name, value = "kpr", found_here
            logger.info("reid.weights=auto: KPR, as weights of it that know real people are here (%s)", value)
        elif name == "kpr":
            raise UserError(f"reid.name=kpr: no KPR weights of real people are in {weights.cache_dir}; {_BRING_KPR}")
        else:
            logger.info("reid.weights=auto: no KPR weights of real people in %s: body parts instead", weights.cache_dir)
    if name == AUTO:
        name = "osnet_parts" if has_poses else "osnet_onnx"
        record = weights.records.get(value)
        readers = record.backends if record else ()
        if readers and name not in readers:
            name = readers[0]
        elif value.endswith(_TORCH_SUFFIXES):
            name = "san" if _holds_san(value) else "kpr"
    build = EMBEDDERS.load(name, (AUTO, _NONE))
    if config.camera_tokens and name != "kpr":
        raise UserError(f"reid.camera_tokens: {name} has no camera tokens; leave them away, or take a KPR that has")
    return build(config, _reid_weights(name, value, config.runtime, weights), device, threads)


def _reid_weights(name: str, value: str, runtime: RuntimeName, weights: WeightStore) -> ResolvedWeights:
    """Named weights, or for "auto" the default's; where these cannot be had, those that any machine computes."""
    default = _default("reid", name, value, REID_WEIGHTS)
    if value != AUTO:
        return weights.resolve("reid", value, default)
    try:
        if runtime == "onnxruntime":
            raise UserError(f"{default} is an OpenVINO model, which reid.runtime=onnxruntime does not read")
        if not has_openvino():
            raise UserError(f"{default} needs OpenVINO, which is not installed; run `pip install openvino`")
        return weights.resolve("reid", value, default)
    except UserError as error:
        try:
            found = weights.resolve("reid", value, _REID_FALLBACK)
        except UserError:
            raise error from None
        weights.warnings.append(f"{error}; until then {found.name} is taken, which tells people apart less well")
        logger.warning("%s", weights.warnings[-1])
        return found


def _holds_san(value: str) -> bool:
    from reid.weights.san import is_san

    return is_san(Path(value))


def open_kpr(
    config: ReidConfig, weights: ResolvedWeights | str | Path, device: str = "auto", threads: int = 0
) -> Embedder:
    """KPR and BPBReID checkpoints know their own preprocessing."""
    from data.runtime.threads import set_torch_threads
    from data.runtime.torch_device import torch_device
    from reid.embedders.kpr import KprEmbedder

    found = as_weights(weights)
    set_torch_threads(threads)
    return KprEmbedder(
        found.path, torch_device(device), config.batch, config.precision, config.adapt, config.camera_tokens
    )


def _open_detector(
    config: DetectorConfig, device: str, weights: WeightStore, threads: int, defaults: dict[str, str]
) -> Detector:
    build = DETECTORS.load(config.name)
    found = weights.resolve("detector", config.weights, _default("detector", config.name, config.weights, defaults))
    return build(config, found, device, threads)


def _pose_weights(config: PoseConfig, weights: WeightStore) -> ResolvedWeights:
    return weights.resolve("pose", config.weights, _default("pose", config.name, config.weights, POSE_WEIGHTS))


def _default(section: str, name: str, value: str, defaults: dict[str, str]) -> str:
    if value == AUTO and name not in defaults:
        raise UserError(f"{section}.name={name} has no weights of its own; name a file in {section}.weights")
    return defaults.get(name, "")
