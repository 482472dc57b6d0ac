"""Gait encoders of the published TensorFlow code: one checkpoint per axis, joined into one encoder of ours.

The names are those of the TensorFlow graph. Two variables of it, copies of an LSTM layer's weights that nothing reads,
are left out.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from reid.gait.spec import AXES, GaitSpec, Task
from reid.weights.tensor_bundle import read_checkpoint

if TYPE_CHECKING:
    from reid.gait.encoder import GaitEncoder

Array = NDArray[Any]

_ENCODER = "rnn/multi_rnn_cell/cell_{}/lstm_cell/"
_DECODER = "decode/decoder/Attention_Wrapper/"
_DECODER_CELL = _DECODER + "multi_rnn_cell/cell_{}/lstm_cell/"
OURS = {
    **{f"encoder.kernels.{n}": (_ENCODER.format(n) + "kernel",) for n in range(2)},
    **{f"encoder.biases.{n}": (_ENCODER.format(n) + "bias",) for n in range(2)},
    **{f"decoder.kernels.{n}": (_DECODER_CELL.format(n) + "kernel",) for n in range(2)},
    **{f"decoder.biases.{n}": (_DECODER_CELL.format(n) + "bias",) for n in range(2)},
    "memory_kernel": ("memory_layer/kernel",),
    "attention_kernel": (_DECODER + "attention_layer/kernel",),
    "output_kernel": ("decode/decoder/dense/kernel",),
    "output_bias": ("decode/decoder/dense/bias",),
    "contrast_kernels.0": ("W1",),
    "contrast_biases.0": ("b1",),
    "contrast_kernels.1": ("W",),
    # TensorFlow's own name for what the code calls b.
    "contrast_biases.1": ("Variable", "b"),
}

_FOLDER = re.compile(r"(.+_)(LA|BA)_([xyz])(_.*pre_)(rev_rec|prediction|sorting)(.*)")
_TASKS: Mapping[str, Task] = {"rev_rec": "reverse", "prediction": "prediction", "sorting": "sorting"}


def import_axes(path: Path) -> "GaitEncoder":
    """Read a published encoder of which one axis is given.

    The folder's name tells the rest: ``<set>_<LA|BA>_<axis>_..._pre_<task>/trained_model.ckpt.index``; the other axes
    lie beside it. What the published code trained as prediction and sorting of rev_rec_plus learnt to reverse.

    Args:
        path: the ``.index`` file of x, y or z.

    Raises:
        UserError: when the folder has another name, an axis is absent or damaged, or variables do not fit.
    """
    told = _FOLDER.fullmatch(path.resolve().parent.name)
    if told is None:
        raise UserError(
            f"{path}: its folder tells axis and task, as BIWI_LA_x_6_0.1_0pre_rev_rec; give it the published name"
        )
    names = {name for choices in OURS.values() for name in choices}
    folders = ["".join((told[1], told[2], "_", axis, told[4], told[5], told[6])) for axis in "xyz"]
    files = [path.resolve().parent.parent / folder / path.name for folder in folders]
    axes = [read_checkpoint(file, names) for file in files]
    return from_variables(axes, _TASKS[told[5]], told[2] == "LA", str(path))


def from_variables(axes: Sequence[Mapping[str, Array]], task: Task, locality: bool, source: str) -> "GaitEncoder":
    """Build the encoder that published variables belong to.

    Args:
        axes: variables by name, of x, y and z.
        task: what it was trained for; the variables do not tell.
        locality: whether its attention was drawn to near frames.
        source: for error messages.

    Raises:
        UserError: when a variable is missing or of another shape.
    """
    import torch

    from reid.gait.encoder import GaitEncoder

    if len(axes) != AXES:
        raise UserError(f"{source}: an encoder has {AXES} checkpoints, of x, y and z; {len(axes)} are given")
    state: dict[str, Array] = {}
    for own, names in OURS.items():
        found = [next((axis[name] for name in names if name in axis), None) for axis in axes]
        missing = [axis for axis, value in zip("xyz", found, strict=True) if value is None]
        if missing:
            raise UserError(f"{source} is no gait encoder: axis {missing[0]} has no variable '{names[0]}'")
        values = [value for value in found if value is not None]
        if len({value.shape for value in values}) > 1:
            raise UserError(f"{source}: '{names[0]}' has {' and '.join(str(value.shape) for value in values)}")
        state[own] = np.stack(values).astype(np.float32)
    hidden = state["contrast_kernels.1"].shape[1]
    spec = GaitSpec(
        joints=state["output_bias"].shape[1],
        frames=max(state["contrast_kernels.0"].shape[1] // hidden, 2),
        task=task,
        locality=locality,
    )
    model = GaitEncoder(spec)
    try:
        model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    except RuntimeError as error:
        raise UserError(f"{source} does not fit the network: {str(error).splitlines()[-1].strip()}") from None
    return model.eval()
