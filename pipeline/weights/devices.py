"""Networks that stay on the CPU although a GPU was asked for, or is there."""

from collections.abc import Mapping, Sequence

from data.runtime.choice import RuntimeChoice
from data.runtime.machine import has_nvidia
from data.runtime.onnx import execution_providers
from data.weight_records import ResolvedWeights

# What runs on a GPU instead, by section.
_CURES = {
    "detector": "detector.name=person_pose, or ultralytics with a .pt file",
    "pose": "pose.name=detector with such a detector",
    "reid": "reid.name=kpr",
}


def left_on_cpu(
    device: str, used: Mapping[str, Sequence[ResolvedWeights]], chosen: Mapping[str, RuntimeChoice]
) -> list[str]:
    """What to say of networks that a CPU computes where the user may think that a GPU does.

    Args:
        device: what the configuration says; "auto" promises a GPU to what can use it and no more.
        used: weights that were opened, by section.
        chosen: what computes ONNX and OpenVINO networks, by their keys (``data.runtime.choice``).

    Returns:
        At most one line.
    """
    if device == "cpu":
        return []
    left = [(kind, found) for kind, many in used.items() for found in many if _on_cpu(found, chosen)]
    if device.startswith("cuda") and left:
        named = " and ".join(f"{kind} ({found.name})" for kind, found in left)
        cures = "; ".join(_CURES[kind] for kind in dict.fromkeys(kind for kind, _ in left))
        return [
            f"run.device={device}: the CPU computes {named}, as it does all OpenVINO and TFLite networks; what runs on "
            f"the GPU: ONNX networks with onnxruntime-gpu, {cures}"
        ]
    exported = [(kind, found) for kind, found in left if found.path.suffix == ".onnx"]
    if device == "auto" and exported and has_nvidia() and execution_providers("auto") == ["CPUExecutionProvider"]:
        named = " and ".join(f"{kind} ({found.name})" for kind, found in exported)
        return [
            f"run.device=auto: there is a GPU, and the CPU computes {named}, as this onnxruntime has no CUDA; install "
            "onnxruntime-gpu in its place, or set run.device=cpu"
        ]
    return []


def _on_cpu(found: ResolvedWeights, chosen: Mapping[str, RuntimeChoice]) -> bool:
    """Whether nothing but a CPU computes these weights here."""
    if found.path.suffix in (".xml", ".tflite") or found.path.is_dir():
        return True
    mine = [choice.runtime for key, choice in chosen.items() if key.startswith(found.key)]
    return "openvino" in mine or (bool(mine) and execution_providers("auto") == ["CPUExecutionProvider"])
