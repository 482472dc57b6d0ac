"""Opens any appearance model for scoring: our networks, the pipeline's embedders, and PCB."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from data.runtime.torch_device import torch_device
from data.weight_records import file_sha256
from pipeline.backends.registry import EMBEDDERS, build_embedder
from pipeline.config import load_config
from pipeline.weights.store import WeightStore

if TYPE_CHECKING:
    from reid.evaluation.extract import Extractor
    from reid.evaluation.network import ForegroundRule, NetworkExtractor
    from reid.models.part_head import MaskUse, VisibilityMode
    from reid.samples.camera_tokens import CameraUse
    from reid.training.config import TrainConfig
    from reid.weights.checkpoints import CheckpointInfo

logger = logging.getLogger(__name__)

PCB = "pcb"


def open_network(
    path: Path,
    device: str,
    visibility: "VisibilityMode" = "binary",
    foreground: "ForegroundRule" = "best_part",
    config: "TrainConfig | None" = None,
    cameras: "CameraUse" = False,
) -> "NetworkExtractor":
    """A KPR or BPBReID checkpoint.

    Args:
        path: a checkpoint of ours.
        device: "auto", "cpu", "cuda" or "cuda:<index>".
        visibility: binary or continuous.
        foreground: when the foreground counts as visible.
        config: says what parsing labels do and which embeddings are compared; None: labels do nothing, and the
            published embeddings are.
        cameras: which crops get camera tokens, where the network has any.

    Raises:
        UserError: when the file is absent, damaged or another network's, or needs labels and there is no config.
    """
    from reid.evaluation.network import PUBLISHED_FEATURES, NetworkExtractor
    from reid.models.bpbreid import BPBReID
    from reid.models.kpr import KPR
    from reid.samples.camera_tokens import tokens_of_cameras
    from reid.weights.checkpoints import load_model

    model, info = load_model(path, torch_device(device))
    assert isinstance(model, (KPR, BPBReID))
    labels: MaskUse | None = None
    if info.spec.needs_masks:
        if config is None:
            raise UserError(
                f"{path} has no attention of its own: it needs parsing labels; give --config with the file it was "
                "trained by"
            )
        labels = "fixed"
    elif config is not None and config.label_use.test != "none":
        labels = config.label_use.test
    tokens = tokens_of_cameras(info.cameras, cameras)
    if info.spec.cameras:
        _tell_tokens(path, info, cameras, tokens)
    return NetworkExtractor(
        model,
        visibility,
        foreground,
        PUBLISHED_FEATURES if config is None else config.test_features,
        labels,
        None if config is None else config.grouping,
        tokens,
        f"{info.spec.architecture}-{info.spec.backbone}-{file_sha256(path)[:12]}",
    )


def _tell_tokens(path: Path, info: "CheckpointInfo", asked: "CameraUse", tokens: Mapping[int, int]) -> None:
    if not asked:
        logger.info("%s has camera tokens; no crop gets one", path.name)
    elif not info.cameras:
        logger.warning("%s does not tell the cameras of its tokens, so no crop gets one; import it again", path.name)
    else:
        cameras = ", ".join(str(camera) for camera in sorted(tokens)) or "none"
        logger.info("%s: crops of these cameras get their tokens: %s", path.name, cameras)


def open_named(
    name: str,
    file: str,
    device: str,
    visibility: "VisibilityMode" = "binary",
    batch: int = 64,
    overrides: Sequence[str] = (),
) -> "Extractor":
    """An appearance model of the pipeline, or ``pcb``.

    Args:
        name: key of ``pipeline.backends.registry.EMBEDDERS``, or ``pcb``.
        file: weights, or their name in the manifest.
        device: as above.
        visibility: binary or continuous.
        batch: crops per run of the network.
        overrides: "reid.key=value" with a YAML value.

    Raises:
        UserError: for an unknown name, or weights that are missing or of another kind.
    """
    from reid.evaluation.embedders import EmbedderExtractor, PcbExtractor
    from reid.weights.pcb import load_pcb

    if name == PCB:
        path = Path(file)
        return PcbExtractor(load_pcb(path), torch_device(device), f"pcb-{file_sha256(path)[:12]}")
    if name not in EMBEDDERS:
        raise UserError(f"unknown appearance model '{name}'; there are: {', '.join([*sorted(EMBEDDERS), PCB])}")
    own = (f"reid.name={name}", f"reid.weights={json.dumps(file)}", f"reid.batch={batch}")
    config = load_config((), (*overrides, *own))
    embedder = build_embedder(config.reid, device, WeightStore(), has_poses=True)
    assert embedder is not None
    return EmbedderExtractor(embedder, visibility)
