"""Which arithmetic a device computes fast."""

import torch

from data.errors import UserError

PRECISIONS = ("auto", "fp32", "bf16")


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether matrix products run in bfloat16.

    Args:
        precision: fp32, bf16, or auto: bf16 where the device computes it natively. Emulated on other processors, it is
            several times slower than fp32.
        device: where.

    Raises:
        UserError: for another precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"unknown precision '{precision}'; there are: {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return device.type == "cpu" and bool(known.get("amx_bf16") or known.get("avx512_bf16"))
