"""A graphed network answers as the network does; one that cannot be captured says so once and answers all the same."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from data.runtime import cuda_graphs
from data.runtime.cuda_graphs import GraphedNetwork, Network, capture


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
        return network

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


def test_after_a_failure_the_memory_of_earlier_graphs_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def capture(network: Network, batch: Tensor, rows: int) -> Network:
        if rows > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return network

    monkeypatch.setattr(cuda_graphs, "capture", capture)
    network = GraphedNetwork(doubled, "net")
    network(torch.zeros(2, 3, 4, 4, device="meta"))
    assert len(network._captured) == 1
    network(torch.zeros(3, 3, 4, 4, device="meta"))
    assert network._captured == {}
    network(torch.zeros(2, 3, 4, 4, device="meta"))
    assert network._captured == {}, "it is not tried again"


def test_one_thread_at_a_time_captures_and_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    def capture(network: Network, batch: Tensor, rows: int) -> Network:
        held.append(graphed._lock.locked())

        def replay(given: Tensor) -> tuple[Tensor, ...]:
            held.append(graphed._lock.locked())
            return network(given)

        return replay

    monkeypatch.setattr(cuda_graphs, "capture", capture)
    graphed = GraphedNetwork(doubled, "net")
    batch = torch.zeros(2, 3, 4, 4, device="meta")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(graphed, [batch] * 8))
    assert held == [True] * 9, "captured once, replayed eight times"
    assert not graphed._lock.locked()


class _Stream:
    """Notes what it waits for; nothing else of a stream can be seen without a GPU."""

    def __init__(self, *_: Any) -> None:
        self.waited: list[Any] = []

    def wait_stream(self, other: "_Stream") -> None:
        self.waited.append(other)

    def wait_event(self, event: "_Event") -> None:
        self.waited.append(event)


class _Event:
    def __init__(self) -> None:
        self.recorded: list[_Stream] = []

    def record(self, stream: _Stream) -> None:
        self.recorded.append(stream)


class _Graph:
    """Replays what was captured: the same operations on the same memory."""

    again: Callable[[], None] = staticmethod(lambda: None)

    def replay(self) -> None:
        self.again()


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> _Stream:
    """CUDA's words on the CPU, and the stream of whoever calls."""
    stream = _Stream()
    for name, stands_in in {
        "Stream": _Stream,
        "Event": _Event,
        "CUDAGraph": _Graph,
        "current_stream": lambda *_: stream,
        "stream": lambda *_: nullcontext(),
        "device": lambda *_: nullcontext(),
        "graph": lambda *_, **__: nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, stands_in)
    return stream


def _captured(monkeypatch: pytest.MonkeyPatch, layout: torch.memory_format) -> Network:
    """A captured network that doubles, for up to four rows."""
    memory: list[Tensor] = []

    def run(batch: Tensor) -> tuple[Tensor, ...]:
        memory[:] = [batch, batch * 2]
        return (memory[1],)

    monkeypatch.setattr(_Graph, "again", lambda _: memory[1].copy_(memory[0] * 2))
    return capture(run, torch.zeros(3, 3, 4, 5).contiguous(memory_format=layout), 4)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_what_a_replay_gives_is_the_callers_own(
    layout: torch.memory_format, fake_gpu: _Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = _captured(monkeypatch, layout)
    batches = [torch.rand(rows, 3, 4, 5).contiguous(memory_format=layout) for rows in (3, 1, 4)]
    found = [replay(batch)[0] for batch in batches]
    for ours, batch in zip(found, batches, strict=True):
        assert torch.equal(ours, batch * 2)
        assert ours.is_contiguous(memory_format=layout)


def test_a_replay_waits_for_the_one_before_whatever_its_stream(
    fake_gpu: _Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = _captured(monkeypatch, torch.channels_last)
    fake_gpu.waited.clear()
    replay(torch.rand(2, 3, 4, 5))
    (event,) = fake_gpu.waited
    assert event.recorded == [fake_gpu]
    replay(torch.rand(2, 3, 4, 5))
    assert fake_gpu.waited == [event, event]


def test_weights_that_autocast_rounded_before_are_not_captured(fake_gpu: _Stream) -> None:
    """They are gone when the caller leaves his autocast; the same with a cache shows that the test can see it."""
    rounded: list[int] = []
    weight = torch.nn.Parameter(torch.ones(4, 4))

    def run(batch: Tensor) -> tuple[Tensor, ...]:
        rounded.append(int(torch.is_autocast_cache_enabled()))
        return (batch @ weight,)

    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        run(torch.ones(1, 4))
        (found,) = capture(run, torch.ones(1, 4), 1)(torch.ones(1, 4))
        assert torch.is_autocast_cache_enabled()
    assert found.dtype == torch.bfloat16
    assert rounded == [1, 0, 0, 0, 0]


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


@pytest.mark.gpu
@pytest.mark.parametrize("card", range(2))
def test_results_outlive_the_next_replay_on_any_card_stream_and_thread(card: int) -> None:
    if card >= torch.cuda.device_count():
        pytest.skip("there is one card")
    device = torch.device("cuda", card)
    layer = torch.nn.Linear(64, 64).to(device)
    network = GraphedNetwork(lambda batch: (layer(batch).relu(),), "layer")

    @torch.inference_mode()
    def work(seed: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(seed)
        stream: Any = torch.cuda.Stream(device)
        with torch.cuda.stream(stream):
            batch = torch.rand(1 + seed % 4, 64, device=device)
            found = network(batch)[0]
            expected = layer(batch).relu()
        stream.synchronize()
        return found, expected

    with ThreadPoolExecutor(4) as threads:
        for found, expected in threads.map(work, range(64)):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not network._fails
