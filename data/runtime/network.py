"""What a network is to the back-ends, whichever runtime computes it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError

FloatArray = NDArray[np.float32]
Shape = tuple[int | None, ...]


class Network(Protocol):
    """A network with one image input, run with a fixed number of threads.

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


def run_in_portions(run: Callable[[FloatArray], list[FloatArray]], blob: FloatArray, size: int) -> list[FloatArray]:
    """Run N rows in zero-padded portions of a fixed number.

    Args:
        run: takes ``size`` rows.
        blob: (N, ...), N >= 1.
        size: rows of one run.

    Returns:
        The outputs, (N, ...) each.
    """
    if size == len(blob):
        return run(blob)
    portions = []
    for start in range(0, len(blob), size):
        portion = blob[start : start + size]
        padded = np.zeros((size, *blob.shape[1:]), blob.dtype)
        padded[: len(portion)] = portion
        portions.append([output[: len(portion)] for output in run(padded)])
    return [np.concatenate(outputs) for outputs in zip(*portions)]


def first_line(error: Exception) -> str:
    """What an exception of a library says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
