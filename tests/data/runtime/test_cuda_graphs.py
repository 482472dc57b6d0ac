"""A graphed network answers as the network does; one that cannot be captured says so once and answers all the same."""

import logging

import pytest
import torch
from torch import Tensor

from data.runtime import cuda_graphs
from data.runtime.cuda_graphs import GraphedNetwork, Network


def doubled(batch: Tensor) -> tuple[Tensor, ...]:
    return batch * 2, batch.sum((1, 2, 3))


def test_on_a_cpu_it_is_the_plain_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "capture", None)
    batch = torch.rand(3, 3, 4, 4)
    for ours, plain in zip(GraphedNetwork(doubled, "net")(batch), doubled(batch), strict=True):
        assert torch.equal(ours, plain)


def test_each_shape_is_captured_once_padded_to_a_power_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    captured: list[tuple[int, ...]] = []

    def capture(network: Network, batch: Tensor, rows: int) -> Network:
        captured.append((rows, *batch.shape[1:]))
        return lambda given: network(given.new_zeros((rows, *given.shape[1:])))

    monkeypatch.setattr(cuda_graphs, "capture", capture)
    network = GraphedNetwork(doubled, "net")
    for rows, side in ((3, 4), (4, 4), (3, 4), (5, 4), (1, 8)):
        first, second = network(torch.zeros(rows, 3, side, side, device="meta"))
        assert first.shape == (rows, 3, side, side)
        assert second.shape == (rows,)
    assert captured == [(4, 3, 4, 4), (8, 3, 4, 4), (1, 3, 8, 8)]


def test_what_cannot_be_captured_runs_as_it_is_after_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []

    def capture(network: Network, batch: Tensor, rows: int) -> Network:
        tried.append(rows)
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    monkeypatch.setattr(cuda_graphs, "capture", capture)
    network = GraphedNetwork(doubled, "net.safetensors")
    with caplog.at_level(logging.WARNING):
        for rows in (3, 3, 5):
            assert network(torch.zeros(rows, 3, 4, 4, device="meta"))[0].shape[0] == rows
    assert tried == [4]
    assert caplog.messages == [
        "net.safetensors cannot be captured as a CUDA graph and runs without: operation not permitted when stream is "
        "capturing"
    ]


@pytest.mark.gpu
def test_a_replayed_graph_gives_what_the_network_gives() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 8, 3, padding=1).to("cuda:0", memory_format=torch.channels_last)

    def run(batch: Tensor) -> tuple[Tensor, ...]:
        return (layer(batch).relu(),)

    network = GraphedNetwork(run, "layer")
    with torch.inference_mode():
        for rows in (4, 3, 4, 1):
            batch = torch.rand(rows, 3, 32, 32, device="cuda:0").contiguous(memory_format=torch.channels_last)
            assert torch.allclose(network(batch)[0], run(batch)[0], atol=1e-4)
    assert not network._fails
