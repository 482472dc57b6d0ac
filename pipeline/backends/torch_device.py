"""Our device names in torch's."""

import re

from data.errors import UserError

_NAME = re.compile(r"cpu|cuda(:\d+)?")


def torch_device(device: str) -> str:
    """The torch device of "auto", "cpu", "cuda" or "cuda:<index>"; auto takes a GPU where torch sees one.

    Raises:
        UserError: for another name, or a GPU that torch does not see.
    """
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if not _NAME.fullmatch(device):
        raise UserError(f"unknown device '{device}'; there are: auto, cpu, cuda, cuda:<index>")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device '{device}': this torch sees no GPU; use device cpu")
    return "cuda:0" if device == "cuda" else device
