"""What a command line or a configuration may say about the device."""

from data.errors import UserError


def card_of(device: str) -> int | None:
    """Index of the GPU that a device name asks for; None for "auto" and "cpu", which ask for none.

    Args:
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:<index>".

    Raises:
        UserError: for another name.
    """
    if device in ("auto", "cpu"):
        return None
    kind, colon, index = device.partition(":")
    if kind != "cuda" or (colon and not (index.isascii() and index.isdigit())):
        raise UserError(f"unknown device '{device}'; there are: auto, cpu, cuda, cuda:<index>")
    return int(index or 0)
