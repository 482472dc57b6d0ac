"""Device names: auto, and GPUs that are not there."""

import pytest
import torch

from data.errors import UserError
from data.runtime.torch_device import torch_device


def test_devices_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device("auto") == torch_device("cpu") == "cpu"
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UserError, match=rf"device '{name}'.* sees no GPU; use auto or cpu"):
            torch_device(name)


def test_devices_with_two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_device("cpu") == "cpu"
    assert torch_device("auto") == torch_device("cuda") == torch_device("cuda:0") == "cuda:0"
    assert torch_device("cuda:1") == "cuda:1"
    with pytest.raises(UserError, match="sees GPUs 0 to 1 only"):
        torch_device("cuda:2")


@pytest.mark.parametrize(
    "name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:\u00b2", "cuda:\u0663", "", "mps", "autos"]
)
def test_unknown_devices(name: str) -> None:
    with pytest.raises(UserError, match="there are: auto, cpu, cuda"):
        torch_device(name)
