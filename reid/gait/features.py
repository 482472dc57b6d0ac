"""CAGE features: what encoders say of sequences, frame by frame (AP) or as a whole (SC)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from data.errors import UserError
from data.skeleton_sequences import SkeletonSequences, check_sequences
from reid.gait.encoder import GaitEncoder, axes_first
from reid.gait.spec import AXES, HIDDEN

_BATCH = 512


def check_fit(encoder: GaitEncoder, sequences: SkeletonSequences, source: str) -> None:
    """Refuse sequences of another length or skeleton than an encoder was trained on.

    Raises:
        UserError: when they differ.
    """
    spec = encoder.spec
    if (sequences.frames, sequences.joints) != (spec.frames, spec.joints):
        raise UserError(
            f"{source}: sequences of {sequences.frames} frames and {sequences.joints} joints; "
            f"the encoder takes {spec.frames} and {spec.joints}"
        )


def extract(encoders: Sequence[GaitEncoder], sequences: SkeletonSequences, source: str = "sequences") -> Tensor:
    """Features of every frame: those of all encoders side by side, axis by axis.

    Frames are read in order, by the encoder of sorting too.

    Args:
        encoders: one, or three for rev_rec_plus, on one device.
        sequences: N of them.
        source: for messages.

    Returns:
        (N, f, 3 * E * 256) float32 on the CPU, axis first, then encoder: 768 for one encoder, 2304 for three.

    Raises:
        UserError: when the sequences are unfit.
    """
    check_sequences(sequences, source)
    for encoder in encoders:
        check_fit(encoder, sequences, source)
    device = encoders[0].output_bias.device
    made = []
    with torch.inference_mode():
        for begin in range(0, len(sequences), _BATCH):
            points = axes_first(torch.from_numpy(sequences.points[begin : begin + _BATCH])).to(device)
            # (3, N, f, E, H): the encoders of one axis beside one another.
            cages = torch.stack([encoder(points).cage for encoder in encoders], 3)
            made.append(cages.permute(1, 2, 0, 3, 4).flatten(2).cpu())
    return torch.cat(made)


def sequence_features(frames: Tensor) -> Tensor:
    """(N, f, F) features of frames -> (N, f * F) of sequences, axis by axis, each with its frames in order."""
    count, length, width = frames.shape
    per_axis = width // AXES
    assert per_axis % HIDDEN == 0
    return frames.view(count, length, AXES, per_axis).transpose(1, 2).reshape(count, length * width)
