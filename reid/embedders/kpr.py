"""KPR and BPBReID networks as the pipeline's appearance model."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from data.errors import UserError
from data.records import EmbedRequest, FloatArray, PartEmbeddings
from data.runtime.cuda_graphs import GraphedNetwork
from data.runtime.uploads import on_device
from data.weight_records import file_sha256
from reid.models.bpbreid import BPBReID
from reid.models.kpr import KPR
from reid.models.part_head import part_visibility
from reid.models.precision import hold_products, reduced_dtype
from reid.models.spec import ModelSpec
from reid.prompts.assignment import finite_keypoints, negatives_for
from reid.samples.camera_tokens import NO_TOKEN, tokens_id, tokens_of_names
from reid.samples.crops import check_request, covering_pixels, grey_world_gains
from reid.samples.device_input import device_input
from reid.weights.checkpoints import load_model

logger = logging.getLogger(__name__)

# More keep a GPU busy while it is told what comes next, and would be padded by more.
_GRAPHED_ROWS = 32


class KprEmbedder:
    """Describes people by their foreground and their body parts, prompted by their keypoints.

    The requests of all cameras are cut, resized, prompted and run together. A part is visible where it wins a pixel of
    the crop; its visibility is then its highest probability. The foreground is as visible as the most visible part, so
    a crop that shows only background is no evidence.

    Args:
        weights_path: a checkpoint of ``reid.weights.checkpoints``, by name or path.
        device: torch device.
        batch: crops that go through the network at once.
        precision: fp32, bf16, fp16 or auto, see ``reid.precision``: of the backbone, which is nearly all of the work.
            Which part wins a pixel, and the vectors, are computed in fp32: rounding there would change visibilities.
        adapt: "none", or "grey_world": even out the colour cast of each frame first.
        cameras: name of a camera -> training camera whose token its people get, of a network with camera tokens (SIE;
            TransReID, ICCV 2021, section 3.4). Trained with them, a network describes people otherwise without.

    Raises:
        UserError: when the checkpoint is absent, damaged or of another kind, the precision is unknown, or it lacks a
            token that is asked for.
    """

    def __init__(
        self,
        weights_path: str | Path,
        device: str = "cpu",
        batch: int = 32,
        precision: str = "auto",
        adapt: str = "none",
        cameras: Mapping[str, int] | None = None,
    ) -> None:
        weights_path = Path(weights_path)
        reduced = reduced_dtype(precision, torch.device(device))
        model, info = load_model(weights_path, device)
        assert isinstance(model, (KPR, BPBReID))
        if info.spec.needs_masks:
            raise UserError(f"{weights_path} has no attention of its own: it needs parsing labels and cannot run here")
        self._label = weights_path.name
        self._model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if reduced is not None:
            hold_products(model.backbone_appearance_feature_extractor, reduced)
        self._device, self._batch = torch.device(device), batch
        self._graphed: GraphedNetwork | None = None
        if reduced is not None and self._device.type == "cuda" and isinstance(model, KPR):
            self._graphed = graphed_maps(model, self._label)
        self._reduced, self._adapt = reduced, adapt
        self.spec: ModelSpec = info.spec
        self.model_id = f"{info.spec.architecture}-{info.spec.backbone}-{file_sha256(weights_path)[:12]}"
        self.model_id += "" if adapt == "none" else f"+{adapt}"
        self.part_names: tuple[str, ...] = ("foreground", *info.spec.part_names)
        self.part_kinds: tuple[str, ...] = ("holistic", *("part" for _ in info.spec.part_names))
        self.dim = model.dim
        self._tokens = tokens_of_names(info.cameras, cameras or {}, weights_path.name)
        self.model_id += tokens_id(self._tokens)
        if info.spec.cameras and not self._tokens:
            logger.warning(
                "%s has camera tokens (of its training cameras %s), and they are off: reid.camera_tokens is empty",
                weights_path.name, ", ".join(map(str, info.cameras)) or "unknown",
            )  # fmt: skip

    def __call__(self, requests: Sequence[EmbedRequest]) -> list[PartEmbeddings]:
        """One ``PartEmbeddings`` per request; a row whose box shows less than a pixel is no evidence."""
        return [made for made, _ in self._describe(requests, masks=False)]

    def with_masks(self, requests: Sequence[EmbedRequest]) -> list[tuple[PartEmbeddings, FloatArray]]:
        """As a call; with the network's attention, (N, 1+K, h, w) probabilities, zero for a row of no evidence."""
        return self._describe(requests, masks=True)

    def _describe(self, requests: Sequence[EmbedRequest], *, masks: bool) -> list[tuple[PartEmbeddings, FloatArray]]:
        for request in requests:
            check_request(request)
        counts = [len(request.boxes) for request in requests]
        total, parts = sum(counts), len(self.part_names)
        vectors = np.zeros((total, parts, self.dim), np.float32)
        visibility = np.zeros((total, parts), np.float32)
        attention = np.zeros((total, parts, 0, 0), np.float32)
        if total:
            frames = np.repeat(np.arange(len(requests)), counts)
            rectangles = np.concatenate([covering_pixels(request.boxes, request.image.shape) for request in requests])
            prompts = [_prompt_points(request, self.spec.prompt_floor) for request in requests]
            targets = np.concatenate([target for target, _, _ in prompts])
            negatives = np.concatenate([negative for _, negative, _ in prompts])
            offsets = np.cumsum([0, *counts[:-1]])
            owners = np.concatenate([rows + offset for (_, _, rows), offset in zip(prompts, offsets, strict=True)])
            sound = np.flatnonzero((rectangles[:, 2:] > rectangles[:, :2]).all(axis=1))
            for start in range(0, len(sound), self._batch):
                rows = sound[start : start + self._batch]
                mine = np.flatnonzero(np.isin(owners, rows))
                vectors[rows], visibility[rows], looked = self._embed(
                    requests, frames[rows], rectangles[rows], targets[rows], negatives[mine],
                    np.searchsorted(rows, owners[mine]),
                )  # fmt: skip
                if masks:
                    if not attention.size:
                        attention = np.zeros((total, *looked.shape[1:]), np.float32)
                    attention[rows] = looked.cpu().numpy()
        ends = np.cumsum(counts)
        return [
            (
                PartEmbeddings(
                    vectors[end - count : end],
                    visibility[end - count : end],
                    self.part_names,
                    self.part_kinds,
                    self.model_id,
                ),
                attention[end - count : end],
            )
            for end, count in zip(ends, counts, strict=True)
        ]

    @torch.inference_mode()
    def _embed(
        self,
        requests: Sequence[EmbedRequest],
        frames: NDArray[np.int64],
        rectangles: NDArray[np.int64],
        targets: FloatArray,
        negatives: FloatArray,
        owners: NDArray[np.int64],
    ) -> tuple[FloatArray, FloatArray, torch.Tensor]:
        """Rows of one batch -> unit vectors (B, 1+K, D), visibility (B, 1+K), masks (B, 1+K, h, w) on the device.

        Raises:
            UserError: when the network gives what is no number, as fp16 does where values grow too large.
        """
        used, places = np.unique(frames, return_inverse=True)
        images = [on_device(requests[row].image, self._device) for row in used]
        gains = None
        if self._adapt == "grey_world":
            gains = np.stack([grey_world_gains(requests[row].image) for row in used])[places]
        given = device_input(images, places, rectangles, targets, negatives, owners, self.spec, gains)
        crops = given.images.contiguous(memory_format=torch.channels_last)
        tokens = None
        if self._tokens:
            numbers = [self._tokens.get(requests[row].camera, NO_TOKEN) for row in frames.tolist()]
            tokens = torch.tensor(numbers, device=self._device)
        with self._autocast():
            if self._graphed is not None and tokens is None and len(crops) <= _GRAPHED_ROWS:
                both = crops if given.prompts is None else torch.cat([crops, given.prompts], 1)
                (features,) = self._graphed(both)
            elif isinstance(self._model, KPR):
                features = self._model.feature_map(crops, given.prompts, tokens)
            else:
                features = self._model.feature_map(crops)
        output = self._model.describe(features.float(), None, "continuous", ("foreg", "parts"), scores=False)
        seen = output.visibility["parts"]
        if output.pixel_logits is not None:
            seen = seen * part_visibility(output.pixel_logits, "binary")["parts"]
        seen = torch.cat([seen.amax(1, keepdim=True), seen], 1).float()
        vectors = torch.cat([output.bn_embeddings["foreg"][:, None], output.embeddings["parts"]], 1).float()
        vectors = F.normalize(vectors, dim=-1) * (seen > 0)[..., None]
        masks = torch.cat([output.masks["foreg"][:, None], output.masks["parts"]], 1).float()
        found: FloatArray = vectors.cpu().numpy()
        if not np.isfinite(found).all():
            cure = "set reid.precision to bf16 or fp32" if self._reduced == torch.float16 else "fetch or import it anew"
            raise UserError(f"{self._label} gives values that are not finite; {cure}")
        return found, seen.cpu().numpy(), masks

    def _autocast(self) -> AbstractContextManager[object]:
        # Nothing is rounded twice in a call.
        return torch.autocast(self._device.type, self._reduced, enabled=self._reduced is not None, cache_enabled=False)


def graphed_maps(model: KPR, label: str) -> GraphedNetwork:
    """The backbone and the fusion for a captured graph, which has one input: pictures with their prompts behind."""

    def run(both: torch.Tensor) -> tuple[torch.Tensor, ...]:
        prompts = both[:, 3:] if both.shape[1] > 3 else None
        return (model.feature_map(both[:, :3], prompts),)

    return GraphedNetwork(run, label)


def _prompt_points(request: EmbedRequest, floor: float) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """The skeletons of one request: targets (N, 17, 3), negatives (M, 17, 3) and the row each negative is for.

    Negatives without a keypoint of more than ``floor`` confidence in the row's box would draw nothing.
    """
    if request.keypoints is None:
        none = np.zeros((len(request.boxes), 17, 3), np.float32)
        return none, none[:0], np.zeros(0, np.int64)
    negatives, counts = negatives_for(request.boxes, request.keypoints, request.negatives, floor)
    rows, columns = np.nonzero(np.arange(negatives.shape[1]) < counts[:, None])
    targets = finite_keypoints(request.keypoints)
    return targets, negatives[rows, columns], rows
