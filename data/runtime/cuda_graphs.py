"""Launching a network's many small kernels at once, where a GPU can."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from data.errors import first_line

logger = logging.getLogger(__name__)

Network = Callable[[Tensor], tuple[Tensor, ...]]
_WARM_UP_RUNS = 3


class GraphedNetwork:
    """A network of fixed shapes, captured once for each as a CUDA graph. For inference, and for any thread and stream.

    Batches are padded to powers of two, so few shapes are captured, and a row's last bits depend on little beside it.
    A network that cannot be captured, for want of memory or for an operation, runs as it is, after one warning. On a
    CPU it always does. Graphs were preferred to ``torch.compile`` as they need no compiler on the machine and no
    minutes at the start, and change no bit.
    """

    def __init__(self, network: Network, label: str) -> None:
        """Wrap a network.

        Args:
            network: (B, ...) -> tensors of B rows each; the same kernels for the same shape. A graph reads memory by
                its address: what the network uses beside its input must live as long and stay where it is.
            label: what to call it in the warning.
        """
        self._network, self._label = network, label
        self._captured: dict[tuple[object, ...], Network] = {}
        self._fails = False
        self._lock = threading.Lock()

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Run (B, ...) rows."""
        if not _on_gpu(batch):
            return self._network(batch)
        shape = (1 << (len(batch) - 1).bit_length(), *batch.shape[1:])
        key = (shape, batch.dtype, batch.device)
        # A graph has one input and one output: whoever comes second must not write what the first is about to read.
        with self._lock, torch.inference_mode():
            if not self._fails and key not in self._captured:
                try:
                    self._captured[key] = capture(self._network, batch, shape[0])
                except (RuntimeError, NotImplementedError) as error:
                    logger.warning(
                        "%s cannot be captured as a CUDA graph and runs without: %s", self._label, first_line(error)
                    )
                    self._fails = True
                    # Where memory is short, it is needed for running at all.
                    self._captured.clear()
            return self._network(batch) if self._fails else self._captured[key](batch)


def _on_gpu(batch: Tensor) -> bool:
    return batch.device.type != "cpu"


def capture(network: Network, batch: Tensor, rows: int) -> Network:
    """Capture a network for one shape.

    Args:
        network: to capture.
        batch: (B, ...) on the GPU; its memory format is kept.
        rows: of the captured batch, at least B.

    Returns:
        A function of (B', ...) tensors of the same shape, B' <= ``rows``, that gives B' rows, which are the caller's.
        It must be called by one thread at a time.

    Raises:
        RuntimeError: when an operation cannot be captured, or memory is short.
    """
    is_image = batch.ndim == 4 and batch.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_image else torch.contiguous_format
    static = torch.zeros((rows, *batch.shape[1:]), dtype=batch.dtype, device=batch.device).contiguous(
        memory_format=layout
    )
    side: Any = torch.cuda.Stream(batch.device)
    side.wait_stream(torch.cuda.current_stream(batch.device))
    with _without_autocast_cache(batch.device):
        with torch.cuda.stream(side):
            # What a library sets up in its first runs (workspaces, chosen algorithms) must not be captured.
            for _ in range(_WARM_UP_RUNS):
                network(static)
        torch.cuda.current_stream(batch.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads go on allocating meanwhile: that must fail neither them nor the capture.
        with torch.cuda.device(batch.device), torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
            outputs = network(static)
    finished = torch.cuda.Event()

    def replay(given: Tensor) -> tuple[Tensor, ...]:
        stream = torch.cuda.current_stream(given.device)
        # The last caller may have used another stream, and may still be reading.
        stream.wait_event(finished)
        static[: len(given)].copy_(given)
        graph.replay()
        made = tuple(column[: len(given)].clone() for column in outputs)
        finished.record(stream)
        return made

    return replay


def _without_autocast_cache(device: torch.device) -> torch.autocast:
    """The caller's autocast, without weights that it rounded before: a graph would read them where they no longer are.

    They live until the caller leaves his autocast, the graph lives on.
    """
    kind = device.type
    return torch.autocast(
        kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind), cache_enabled=False
    )
