"""CAGE: a recurrent encoder and decoder of skeleton sequences, one for each axis of space, run as one batch.

Rao et al., "A Self-Supervised Gait Encoding Approach with Locality-Awareness for 3D Skeleton Based Person
Re-Identification", TPAMI 2021. Two LSTM layers read a sequence, two more with Luong attention write it again in another
order, and what attention gathers at each step describes the gait. The three axes share nothing but the clock: their
weights lie side by side, (3, rows, columns), and every product is one batched product.

Weights are laid out as in the published TensorFlow graph: rows of an LSTM kernel are (input | hidden), columns the
gates (input | candidate | forget | output), and the forget gate gets 1 added when it is used.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reid.gait.spec import AXES, HIDDEN, GaitSpec

_LAYERS = 2
_KERNEL_RANGE = 0.1
_OUTPUT_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class CageOutput:
    """What the network makes of N sequences of f frames, per axis.

    Attributes:
        memory: (3, N, f, H) hidden states of the encoder's upper layer.
        alignment: (3, N, f, f) attention of each written frame (rows) to each read one; rows add up to 1.
        cage: (3, N, f, H) what attention gathered at each written frame.
        written: (3, N, f, J) the decoder's frames.
    """

    memory: Tensor
    alignment: Tensor
    cage: Tensor
    written: Tensor


class _LstmStack(nn.Module):
    """Two LSTM layers per axis, taken one step at a time."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        sides = (inputs, *[HIDDEN] * (_LAYERS - 1))
        self.kernels = nn.ParameterList(
            nn.Parameter(torch.empty(AXES, side + HIDDEN, 4 * HIDDEN).uniform_(-_KERNEL_RANGE, _KERNEL_RANGE))
            for side in sides
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(AXES, 4 * HIDDEN)) for _ in sides)

    def step(self, value: Tensor, state: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """(3, N, input) and the (cell, hidden) of each layer -> hidden of the upper layer and the new states."""
        after = []
        for kernel, bias, (cell, hidden) in zip(self.kernels, self.biases, state, strict=True):
            gates = torch.baddbmm(bias[:, None], torch.cat([value, hidden], 2), kernel)
            enter, candidate, forget, leave = gates.chunk(4, 2)
            cell = torch.sigmoid(forget + 1) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
            value = torch.sigmoid(leave) * torch.tanh(cell)
            after.append((cell, value))
        return value, after


class GaitEncoder(nn.Module):
    """Encoder, attention, decoder and contrast head of the three axes."""

    def __init__(self, spec: GaitSpec) -> None:
        """Build it with fresh weights, drawn as published from torch's generator.

        Args:
            spec: joints, frames, and what it is trained to write.
        """
        super().__init__()
        self.spec = spec
        self.encoder = _LstmStack(spec.joints)
        self.decoder = _LstmStack(spec.joints + HIDDEN)
        self.memory_kernel = _glorot(HIDDEN, HIDDEN)
        self.attention_kernel = _glorot(2 * HIDDEN, HIDDEN)
        output = nn.init.trunc_normal_(
            torch.empty(AXES, HIDDEN, spec.joints), std=_OUTPUT_SPREAD, a=-2 * _OUTPUT_SPREAD, b=2 * _OUTPUT_SPREAD
        )
        self.output_kernel = nn.Parameter(output)
        self.output_bias = nn.Parameter(torch.zeros(AXES, spec.joints))
        self.contrast_kernels = nn.ParameterList(
            nn.Parameter(torch.randn(AXES, rows, HIDDEN)) for rows in (spec.frames * HIDDEN, HIDDEN)
        )
        self.contrast_biases = nn.ParameterList(nn.Parameter(torch.zeros(AXES, HIDDEN)) for _ in range(2))

    def forward(self, points: Tensor, feedback: bool = False) -> CageOutput:
        """Read sequences and write them again.

        Args:
            points: (3, N, f, J) x, y, z of J joints over f frames.
            feedback: each written frame is the next step's input; otherwise all inputs are zero, as in training. What
                describes a gait is gathered without feedback.
        """
        hidden = points.new_zeros(AXES, points.shape[1], HIDDEN)
        state = [(hidden, hidden)] * _LAYERS
        read = []
        for frame in points.unbind(2):
            top, state = self.encoder.step(frame, state)
            read.append(top)
        memory = torch.stack(read, 2)
        keys = torch.einsum("anfh,ahk->anfk", memory, self.memory_kernel)
        attention, value = hidden, torch.zeros_like(points[:, :, 0])
        alignments, gathered, written = [], [], []
        for _ in read:
            query, state = self.decoder.step(torch.cat([value, attention], 2), state)
            alignment = torch.softmax(torch.einsum("anfk,ank->anf", keys, query), 2)
            context = torch.einsum("anf,anfh->anh", alignment, memory)
            attention = torch.bmm(torch.cat([query, context], 2), self.attention_kernel)
            frame = torch.baddbmm(self.output_bias[:, None], attention, self.output_kernel)
            value = frame if feedback else value
            alignments.append(alignment)
            gathered.append(context)
            written.append(frame)
        return CageOutput(memory, torch.stack(alignments, 2), torch.stack(gathered, 2), torch.stack(written, 2))

    def project(self, cage: Tensor) -> Tensor:
        """Vectors that the contrast compares: (3, N, f, H) -> (3, N, H)."""
        first, second = self.contrast_kernels
        hidden = torch.relu(torch.baddbmm(self.contrast_biases[0][:, None], cage.flatten(2), first))
        return torch.baddbmm(self.contrast_biases[1][:, None], hidden, second)


def _glorot(rows: int, columns: int) -> nn.Parameter:
    limit = math.sqrt(6 / (rows + columns))
    return nn.Parameter(torch.empty(AXES, rows, columns).uniform_(-limit, limit))


def axes_first(points: Tensor) -> Tensor:
    """(N, f, J, 3) sequences -> (3, N, f, J), the form the network takes."""
    return points.permute(3, 0, 1, 2).contiguous()
