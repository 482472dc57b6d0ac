"""What a network is to the back-ends, whichever runtime computes it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.runtime.cores import Share

FloatArray = NDArray[np.float32]
Shape = tuple[int | None, ...]


class Network(Protocol):
    """A network with one image input; its runs have a fixed number of threads, and rows are spread over the cores.

    Attributes:
        label: what to call it in messages.
        input_shape: of the first input; None where an axis is dynamic.
        output_names: in the order ``run`` gives them.
        output_shapes: None where an axis is dynamic.
        metadata: the file's own key-value pairs.
        batch: fixed size of the first axis, or None where it is dynamic.
    """

    label: str
    input_shape: Shape
    output_names: tuple[str, ...]
    output_shapes: tuple[Shape, ...]
    metadata: dict[str, str]

    @property
    def batch(self) -> int | None:
        """Rows of one run, or None where any number may come."""
        ...

    def run(self, blob: FloatArray, pad_to: int = 0) -> list[FloatArray]:
        """Run N rows.

        On a CPU a row's result does not depend on the rows beside it. On a GPU the kernels, and with them the last
        bits, depend on the batch size: ``pad_to`` fixes it there.

        Args:
            blob: (N, ...) float32, N >= 1, C-contiguous.
            pad_to: on a GPU, rows are padded with zeros to a multiple of this; 0: not at all.

        Returns:
            The outputs, (N, ...) float32 each.

        Raises:
            UserError: when the network does not take input of this shape.
        """
        ...


def check_inputs(names: Sequence[str], label: str) -> None:
    """Check that a network takes pictures alone.

    Raises:
        UserError: when it takes more, as a TransReID with camera numbers does; a runtime may fill in what is missing.
    """
    if len(names) > 1:
        raise UserError(
            f"{label} takes {len(names)} inputs ({', '.join(names)}), and only pictures can be given; export it "
            "with the others fixed"
        )


def run_in_portions(
    run: Callable[[FloatArray], list[FloatArray]], blob: FloatArray, size: int, share: Share
) -> list[FloatArray]:
    """Run N rows in zero-padded portions of a fixed number, spread over the cores.

    Args:
        run: takes ``size`` rows; may be called by several threads.
        blob: (N, ...), N >= 1.
        size: rows of one run.
        share: of the cores.

    Returns:
        The outputs, (N, ...) each.
    """
    done = share.each(lambda portion: run(_padded(portion, size)), _split(blob, size))
    if len(done) == 1:
        return [output[: len(blob)] for output in done[0]]
    return [np.concatenate(outputs)[: len(blob)] for outputs in zip(*done)]


def run_in_any_portions(
    run: Callable[[FloatArray], list[FloatArray]], blob: FloatArray, share: Share
) -> list[FloatArray]:
    """As ``run_in_portions`` for a ``run`` that takes any number of rows: no row is added."""
    done = share.each(run, _split(blob, share.portion(len(blob))))
    return done[0] if len(done) == 1 else [np.concatenate(outputs) for outputs in zip(*done)]


def _split(blob: FloatArray, size: int) -> list[FloatArray]:
    return [blob[start : start + size] for start in range(0, len(blob), size)]


def _padded(portion: FloatArray, size: int) -> FloatArray:
    if len(portion) == size:
        return portion
    padded = np.zeros((size, *portion.shape[1:]), portion.dtype)
    padded[: len(portion)] = portion
    return padded
