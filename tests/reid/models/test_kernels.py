"""Our GPU kernels give what plain operations give, and where one fails the plain operations take its place."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from reid.models.kernels import Kernel
from reid.models.residual import add_norm

# Triton reads the variable when it is imported: its interpreter runs kernels on the CPU.
_INTERPRETED = """
import torch
from reid.models.add_norm_triton import add_norm
from reid.models.swin import WindowAttention
from reid.models.window_attention_triton import window_attention

cards = []
enter = torch.cuda.device_of.__enter__
torch.cuda.device_of.__enter__ = lambda self: (cards.append(self.idx), enter(self))[1]
torch.manual_seed(0)
for stream, branch in ((torch.float32, torch.float16), (torch.float16, torch.float16), (torch.float32, None)):
    for rows, width in ((5, 24), (3, 128), (7, 96)):
        x = torch.randn(rows, width).to(stream)
        added = None if branch is None else torch.randn(rows, width).to(branch)
        norm = torch.nn.LayerNorm(width).requires_grad_(False)
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
        total, normed = add_norm(x, added, norm.weight, norm.bias, norm.eps, torch.float16)
        want = x if added is None else x + added
        assert total.dtype == want.dtype and normed.dtype == torch.float16
        torch.testing.assert_close(total, want)
        torch.testing.assert_close(normed.float(), norm(want.float()), atol=2e-3, rtol=2e-3)
attention = WindowAttention(64, 4, 7).requires_grad_(False)
torch.nn.init.normal_(attention.relative_position_bias_table), torch.nn.init.normal_(attention.qkv.bias)
for height, width, shift in ((14, 7, 0), (12, 4, 3)):
    x = torch.randn(1, height, width, 64)
    bias = attention.relative_position_bias_table[attention.relative_position_index].permute(2, 0, 1).contiguous()
    made = attention.proj(window_attention(attention.qkv(x), attention.qkv.bias, bias, 7, shift))
    torch.testing.assert_close(made, attention(x, shift), atol=1e-5, rtol=1e-5)
print("all equal", len(cards), "launches on the card of the tensors")
"""


def test_kernels_that_tritons_interpreter_runs_give_what_plain_operations_give() -> None:
    if find_spec("triton") is None:
        pytest.skip("triton is not installed")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _INTERPRETED], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "all equal 11 launches on the card of the tensors\n", done.stderr


def test_a_kernel_that_fails_is_told_once_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    kernel = Kernel("reid.models.absent:attend")
    assert kernel(1) is None
    assert kernel(2) is None
    assert not kernel.usable
    (record,) = caplog.records
    assert record.message == (
        "the GPU kernel attend fails here (No module named 'reid.models.absent'): plain operations take its place"
    )
    works = Kernel("operator:add")
    assert works(1, 2) == 3


def test_a_kernel_for_which_memory_is_short_is_not_to_blame(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def short(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    kernel = Kernel("operator:add")
    with monkeypatch.context() as patched:
        patched.setattr("operator.add", short)
        with pytest.raises(torch.cuda.OutOfMemoryError):
            kernel(1, 2)
    assert kernel(1, 2) == 3
    assert not caplog.records


def test_the_end_of_a_branch_is_its_sum_and_the_norm_of_that() -> None:
    torch.manual_seed(1)
    x, branch, norm = torch.randn(2, 3, 8), torch.randn(2, 3, 8), torch.nn.LayerNorm(8)
    total, normed = add_norm(x, branch, norm)
    assert torch.equal(total, x + branch)
    assert torch.equal(normed, norm(x + branch))
    alone, normed = add_norm(x, None, norm)
    assert alone is x
    assert torch.equal(normed, norm(x))


@pytest.mark.gpu
def test_a_kernel_runs_on_the_card_of_its_tensors() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one card")
    x, norm = torch.randn(70, 96, device="cuda:1"), torch.nn.LayerNorm(96).to("cuda:1")
    expected = add_norm(x, None, norm)[1]
    with torch.inference_mode(), torch.autocast("cuda", torch.float16):
        normed = add_norm(x, None, norm)[1]
    assert torch.cuda.current_device() == 0
    torch.testing.assert_close(normed.float(), expected, atol=0.03, rtol=0.03)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("width", [32, 96, 1024, 4096])
def test_the_fused_norm_gives_what_the_plain_one_gives(dtype: torch.dtype, width: int) -> None:
    torch.manual_seed(2)
    x, branch = torch.randn(70, width, device="cuda"), torch.randn(70, width, device="cuda", dtype=dtype)
    norm = torch.nn.LayerNorm(width).cuda()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    plain, expected = add_norm(x, branch, norm)
    with torch.inference_mode(), torch.autocast("cuda", dtype):
        total, normed = add_norm(x, branch, norm)
    assert normed.dtype == dtype
    assert expected.dtype == torch.float32
    torch.testing.assert_close(total, plain)
    torch.testing.assert_close(normed.float(), expected, atol=0.03, rtol=0.03)
