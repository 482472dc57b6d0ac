"""Which arithmetic a network runs in, and which of them a device computes fast."""

import torch
from torch import nn

from data.errors import UserError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")


def reduced_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What matrix products run in; None for fp32.

    Args:
        precision: fp32, bf16, fp16 (CUDA only), or auto: bf16 where the device computes it natively. Emulated on other
            processors, it is several times slower than fp32.
        device: where.

    Raises:
        UserError: for another precision, or one the device has not.
    """
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision '{precision}'; there are: {', '.join(PRECISIONS)}")
    if precision == "fp16" and device.type != "cuda":
        raise UserError("precision fp16 needs a CUDA device; use bf16 or fp32")
    if precision == "fp16":
        return torch.float16
    if precision == "bf16" or (precision == "auto" and _native_bf16(device)):
        return torch.bfloat16
    return None


def hold_products(network: nn.Module, dtype: torch.dtype) -> None:
    """Keep the weights of linear layers and convolutions in the precision they are multiplied in, in place.

    Autocast rounds them anew at every call: the same numbers, for as much memory traffic as the layers themselves
    where a batch is small. All else stays in fp32 (sub-classes of these layers too, as they use weights in their own
    way), and the network still runs under autocast.

    Args:
        network: for inference alone.
        dtype: float16 or bfloat16.
    """
    for layer in network.modules():
        if type(layer) in (nn.Linear, nn.Conv2d):
            layer.to(dtype)


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(known.get("amx_bf16") or known.get("avx512_bf16"))
