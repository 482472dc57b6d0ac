"""Our device names in torch's."""

from data.errors import UserError
from data.runtime.device_names import card_of


def torch_device(device: str) -> str:
    """What a command line says about the device, in torch's words.

    Args:
        device: see ``data.runtime.device_names``; "auto" takes a GPU where torch sees one.

    Returns:
        "cpu" or "cuda:<index>".

    Raises:
        UserError: for an unknown device, and for a GPU that torch does not see.
    """
    if device == "cpu":
        return device  # without the seconds that importing torch takes
    card = card_of(device)
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if card is None:
        return "cuda:0" if count else "cpu"
    if card >= count:
        seen = "no GPU" if not count else f"GPUs 0 to {count - 1} only"
        raise UserError(f"device '{device}': this torch sees {seen}; use auto or cpu")
    return f"cuda:{card}"
