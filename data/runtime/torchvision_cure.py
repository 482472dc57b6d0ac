"""Makes a CUDA build of torchvision importable beside a CPU build of torch.

Package registries carry only the CUDA build of torchvision. Beside a CPU torch its compiled operators cannot load, and
``import torchvision`` itself fails because the operator ``torchvision::nms`` is not defined. Whoever needs torchvision,
directly or through timm or ultralytics, calls ``ensure_torchvision`` first. On a matched pair it only imports.
"""

import importlib
import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from data.kernels.boxes import nms

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)


@cache
def ensure_torchvision() -> Any:
    """Import torchvision, defining its missing operators where its own cannot load.

    Returns:
        The module. With the cure ``torchvision.ops.nms`` works on CPU tensors; other compiled operators (``roi_align``,
        ``deform_conv2d``) stay unavailable.

    Raises:
        ImportError: when torchvision is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    _define_operators()
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]
    module = importlib.import_module("torchvision")
    boxes = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None  # type: ignore[attr-defined]
    logger.debug("torchvision was built for another torch; its nms is replaced by our own")
    return module


@cache
def _define_operators() -> Any:
    import torch

    # The library object owns the registrations: they vanish when it is collected, so the cache keeps it.
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", _cpu_nms, "CPU")
    return library


def _cpu_nms(dets: "Tensor", scores: "Tensor", iou_threshold: float) -> "Tensor":
    import torch

    kept = nms(dets.detach().float().numpy(), scores.detach().float().numpy(), iou_threshold)
    return torch.from_numpy(kept)
