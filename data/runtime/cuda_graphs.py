"""Launching a network's many small kernels at once, where a GPU can."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

Network = Callable[[Tensor], tuple[Tensor, ...]]
_WARM_UP_RUNS = 3


class GraphedNetwork:
    """A network of fixed shapes, captured once for each as a CUDA graph.

    Batches are padded to powers of two, so few shapes are captured, and a row's last bits depend on little beside it.
    A network that cannot be captured runs as it is, after one warning. On a CPU it always does. Graphs were preferred
    to ``torch.compile`` as they need no compiler on the machine and no minutes at the start, and change no bit.
    """

    def __init__(self, network: Network, label: str) -> None:
        """Wrap a network.

        Args:
            network: (B, ...) -> tensors of B rows each; the same kernels for the same shape.
            label: what to call it in the warning.
        """
        self._network, self._label = network, label
        self._captured: dict[tuple[object, ...], Network] = {}
        self._fails = False

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Run (B, ...) rows; on a GPU the result is valid on this stream until the next call."""
        if batch.device.type == "cpu" or self._fails:
            return self._network(batch)
        rows = len(batch)
        shape = (1 << (rows - 1).bit_length(), *batch.shape[1:])
        key = (shape, batch.dtype, batch.device)
        if key not in self._captured:
            try:
                self._captured[key] = capture(self._network, batch, shape[0])
            except (RuntimeError, NotImplementedError) as error:
                line = (str(error).strip().splitlines() or [type(error).__name__])[0]
                logger.warning("%s cannot be captured as a CUDA graph and runs without: %s", self._label, line)
                self._fails = True
                return self._network(batch)
        return tuple(column[:rows] for column in self._captured[key](batch))


def capture(network: Network, batch: Tensor, rows: int) -> Network:
    """Capture a network for one shape.

    Args:
        network: to capture.
        batch: (B, ...) on the GPU; its memory format is kept.
        rows: of the captured batch, at least B.

    Returns:
        A function of (B', ...) tensors of the same shape, B' <= ``rows``, that gives all ``rows`` rows; those behind B'
        are left from before.

    Raises:
        RuntimeError: when an operation cannot be captured.
    """
    is_image = batch.ndim == 4 and batch.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if is_image else torch.contiguous_format
    static = torch.zeros((rows, *batch.shape[1:]), dtype=batch.dtype, device=batch.device).contiguous(
        memory_format=layout
    )
    side: Any = torch.cuda.Stream(batch.device)
    side.wait_stream(torch.cuda.current_stream(batch.device))
    with torch.cuda.stream(side):
        # What a library sets up in its first runs (workspaces, chosen algorithms) must not be captured.
        for _ in range(_WARM_UP_RUNS):
            network(static)
    torch.cuda.current_stream(batch.device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # Other threads go on allocating meanwhile: that must fail neither them nor the capture.
    with torch.cuda.device(batch.device), torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
        outputs = network(static)

    def replay(given: Tensor) -> tuple[Tensor, ...]:
        static[: len(given)].copy_(given)
        graph.replay()
        return outputs

    return replay
