"""Our device names in torch's."""

from data.errors import UserError


def torch_device(device: str) -> str:
    """What a command line says about the device, in torch's words.

    Args:
        device: "auto" (a GPU where torch sees one), "cpu", "cuda" or "cuda:<index>".

    Returns:
        "cpu" or "cuda:<index>".

    Raises:
        UserError: for an unknown device, and for a GPU that torch does not see.
    """
    if device == "cpu":
        return device  # without the seconds that importing torch takes
    kind, colon, index = device.partition(":")
    if device != "auto" and (kind != "cuda" or (colon and not index.isdecimal())):
        raise UserError(f"unknown device '{device}'; there are: auto, cpu, cuda, cuda:<index>")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda:0" if count else "cpu"
    if int(index or 0) >= count:
        seen = "no GPU" if not count else f"GPUs 0 to {count - 1} only"
        raise UserError(f"device '{device}': this torch sees {seen}; use auto or cpu")
    return f"cuda:{int(index or 0)}"
