"""Benchmarks of a KPR network: crops a second by batch and precision, beside timm's bare backbone of the same size.

And beside one large matrix product: which share of the rate that the device really reaches goes into the network.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.benchmarks.base import THREADS, Case, Contender, Job

if TYPE_CHECKING:
    from reid.models.spec import ModelSpec

_HERE = "tools.benchmarks.kpr"
_FRAME = (1080, 1920)
_CROP = (384, 128)
_PEOPLE_A_FRAME = 8
# Swin-B as published, and a small one of the same make to see whether all runs.
_BASE: dict[str, object] = {"embed_dim": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32)}
_SMALL: dict[str, object] = {"embed_dim": 32, "depths": (1, 1, 1, 1), "heads": (1, 2, 4, 8)}


def _spec(size: Mapping[str, object]) -> "ModelSpec":
    from reid.models.spec import ModelSpec

    given = {"prompt_groups": "cck6", "height": _CROP[0], "width": _CROP[1], **size}
    return ModelSpec.model_validate({"architecture": "kpr", "backbone": "swin", **given})


def operations_a_crop(size: Mapping[str, object]) -> float:
    """Floating-point operations of the backbone and the fusion for one crop, as torch counts them; nothing is run."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from reid.models.kpr import KPR
    from reid.weights.checkpoints import build_model

    spec = _spec(size)
    with torch.device("meta"):
        network = build_model(spec)
    assert isinstance(network, KPR)
    crop, prompt = (torch.zeros(1, depth, *_CROP, device="meta") for depth in (3, spec.prompt_channels))
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        network.eval().feature_map(crop, prompt)
    return float(counted.get_total_flops())


def product(side: int, precision: str, times: int) -> Job:
    """Square matrices times each other: the rate that a device really reaches."""
    import torch

    from data.runtime.threads import set_torch_threads
    from data.runtime.torch_device import torch_device
    from reid.models.precision import reduced_dtype

    set_torch_threads(int(os.environ[THREADS]))
    device = torch.device(torch_device("auto"))
    dtype = reduced_dtype(precision, device) or torch.float32
    one = torch.randn((side, side), device=device).to(dtype)
    (one @ one).sum().item()

    def job() -> float:
        for _ in range(times):
            made = one @ one
        return float(made[0, 0].item() * 0)

    return job


def prompted(size: dict[str, list[int]], batch: int, precision: str, rows: int) -> Job:
    """From frames, boxes and skeletons to part embeddings, with random weights: speed does not depend on them."""
    import numpy as np

    from data.records import EmbedRequest
    from data.runtime.threads import set_torch_threads
    from data.runtime.torch_device import torch_device
    from reid.embedders.kpr import KprEmbedder
    from reid.weights.checkpoints import build_model, save_checkpoint

    set_torch_threads(int(os.environ[THREADS]))
    spec = _spec(size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kpr.safetensors"
        save_checkpoint(path, build_model(spec).state_dict(), spec)
        embedder = KprEmbedder(path, torch_device("auto"), batch, precision)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*_FRAME, 3), dtype=np.uint8)
    requests, sides = [], np.array([130, 390])
    for _ in range(0, rows, _PEOPLE_A_FRAME):
        left_top = rng.uniform(0, 600, (_PEOPLE_A_FRAME, 2))
        boxes = np.concatenate([left_top, left_top + sides], axis=1).astype(np.float32)
        inside = rng.uniform(0, 1, (_PEOPLE_A_FRAME, 17, 2)) * sides + left_top[:, None]
        sure = np.full((_PEOPLE_A_FRAME, 17, 1), 0.9)
        skeletons = np.concatenate([inside, sure], axis=2).astype(np.float32)
        requests.append(EmbedRequest(image, boxes, skeletons, np.zeros((0, 17, 3), np.float32)))
    embedder(requests[:1])

    def job() -> float:
        return float(sum(len(made.vectors) for made in embedder(requests)))

    return job


def backbone(size: dict[str, list[int]], batch: int, precision: str, rows: int) -> Job:
    """timm's Swin alone on tensors that are ready: no crops, prompts, fusion or parts."""
    import torch

    from data.runtime.threads import set_torch_threads
    from data.runtime.torch_device import torch_device
    from data.runtime.torchvision_cure import ensure_torchvision
    from reid.models.precision import reduced_dtype

    ensure_torchvision()
    import timm

    set_torch_threads(int(os.environ[THREADS]))
    device = torch.device(torch_device("auto"))
    reduced = reduced_dtype(precision, device)
    network: Any = timm.create_model(
        "swin_base_patch4_window7_224", img_size=_CROP, num_classes=0, embed_dim=size["embed_dim"],
        depths=size["depths"], num_heads=size["heads"],
    ).to(device).eval()  # fmt: skip
    crops = torch.zeros((batch, 3, *_CROP), device=device)

    @torch.inference_mode()
    def run(count: int) -> int:
        with torch.autocast(device.type, reduced, enabled=reduced is not None):
            found = network.forward_features(crops[:count])
        return len(found.float().cpu())

    run(batch)

    def job() -> float:
        return float(sum(run(min(batch, rows - start)) for start in range(0, rows, batch)))

    return job


def cases(quick: bool) -> list[Case]:
    """Every batch in fp32, and in what ``auto`` takes here where that is another precision."""
    import torch

    from reid.models.precision import reduced_dtype

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    reduced = reduced_dtype("auto", device)
    precisions = ["fp32"] if reduced is None else ["fp32", "bf16"]
    on_gpu = device.type == "cuda"
    rows = 8 if quick else 2048 if on_gpu else 32
    batches = (4,) if quick else (1, 8, 64, 256) if on_gpu else (1, 8, 32)
    size = _SMALL if quick else _BASE
    operations = rows * operations_a_crop(size)
    side, times = (256, 1) if quick else (8192, 50) if on_gpu else (2048, 4)
    rates = {
        precision: Contender(
            "one large matrix product", f"{_HERE}:product", {"side": side, "precision": precision, "times": times},
            operations=2.0 * side**3 * times,
        )
        for precision in precisions
    }  # fmt: skip
    result = []
    for batch in batches:
        for precision in precisions:
            given = {"size": size, "batch": batch, "precision": precision, "rows": rows}
            ours = Contender("ours, frames to parts", f"{_HERE}:prompted", given, items=rows, operations=operations)
            bare = Contender("timm's bare backbone", f"{_HERE}:backbone", given, items=rows)
            name = f"KPR Swin{'' if quick else '-B'} 384x128 on {device.type}, batch {batch}, {precision}"
            result.append(Case(name, ours, (rates[precision], bare), tolerance=None))
    return result
