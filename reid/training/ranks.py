"""Processes that train one network together, as ``torchrun`` starts them: each has its share of every batch.

The gradient is that of one process with the whole batch. Embeddings are gathered before the losses, so that triplets
are sought in the whole batch, and batch norms take the whole batch's statistics; every process computes the same loss,
and the gradients of their shares are added up.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from data.errors import UserError, first_line

Told = TypeVar("Told")

# The others wait while one process scores.
_PATIENCE = timedelta(hours=6)


class Ranks:
    """The processes of one training; without arguments, this one alone.

    Args:
        rank: number of this process.
        count: how many there are.

    Attributes:
        rank: as given.
        count: as given.
        leads: this process writes, scores and speaks.
        salt: what makes random numbers this process's own; nothing in the leading one.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count, self.leads = rank, count, rank == 0
        self.salt = (rank,) if rank else ()

    @staticmethod
    def of_torchrun() -> "Ranks":
        """Join the other processes where ``torchrun`` started this one.

        Raises:
            UserError: when they do not find one another.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return Ranks()
        try:
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backend, timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            reason = first_line(error)
            raise UserError(
                f"the {count} processes do not find one another ({reason}); start them by torchrun"
            ) from None
        return Ranks(distributed.get_rank(), count)

    def leave(self) -> None:
        """Part from the others."""
        if self.count > 1:
            distributed.destroy_process_group()

    def check_batch(self, size: int, key: str = "batch.people") -> None:
        """Make sure that every process gets as many people or pictures.

        Args:
            size: how many there are in a batch.
            key: of the configuration that says so.

        Raises:
            UserError: when they cannot be divided.
        """
        if size % self.count:
            raise UserError(f"{key}={size} cannot be divided among {self.count} processes")

    def own(self, rows: Sequence[int]) -> list[int]:
        """This process's share of a batch, whose pictures of one person lie side by side."""
        share = len(rows) // self.count
        return list(rows[self.rank * share : (self.rank + 1) * share])

    def gathered(self, part: Tensor) -> Tensor:
        """The parts of all processes in their order, (B, ...) -> (B * count, ...); only one's own has a gradient."""
        if self.count == 1:
            return part
        gathered: Tensor = _Gathered.apply(part, self.rank, self.count)
        return gathered

    def sum_gradients(self, parameters: Sequence[nn.Parameter], stopped: bool) -> bool:
        """Add up the gradients of all processes, in place.

        Args:
            parameters: some may have no gradient here.
            stopped: this process was asked to stop.

        Returns:
            Whether any was.
        """
        if self.count == 1:
            return stopped
        learning = [value for value in parameters if value.requires_grad]
        gradients = [torch.zeros_like(value) if value.grad is None else value.grad for value in learning]
        flag = torch.tensor([float(stopped)], device=learning[0].device)
        flat = torch.cat([*(value.reshape(-1).float() for value in gradients), flag])
        distributed.all_reduce(flat)
        *sums, asked = flat.split([value.numel() for value in gradients] + [1])
        for value, summed in zip(learning, sums, strict=True):
            value.grad = summed.view_as(value).to(value.dtype)
        return bool(asked)

    def told(self, value: Told) -> Told:
        """What the leading process knows, everywhere; the others wait for it."""
        if self.count == 1:
            return value
        box: list[Any] = [value]
        distributed.broadcast_object_list(box)
        known: Told = box[0]
        return known

    def share_norms(self, model: nn.Module) -> None:
        """Let the batch norms of a network take the statistics of the whole batch."""
        if self.count == 1:
            return
        for module in model.modules():
            for name, child in module.named_children():
                if isinstance(child, _BatchNorm):
                    setattr(module, name, SharedBatchNorm(child))


class SharedBatchNorm(_BatchNorm):
    """A batch norm over the batches of all processes; weights and statistics are those of the norm it replaces.

    Torch's own (``SyncBatchNorm``) computes the same, but on GPUs only.

    Args:
        norm: the norm to replace.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False)
        self.affine, self.training = norm.affine, norm.training
        self.weight, self.bias = norm.weight, norm.bias
        for name, value in norm.named_buffers(recurse=False):
            self.register_buffer(name, value)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions does."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, ...) -> the same shape."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(input)
        x = input.float()
        over = [axis for axis in range(x.ndim) if axis != 1]
        shape = (1, -1, *(1,) * (x.ndim - 2))
        sums = _Summed.apply(torch.cat([x.sum(over), x.new_tensor([x.numel() / x.shape[1]])]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - mean.view(shape)
        variance = _Summed.apply(centred.square().sum(over)) / count
        with torch.no_grad():
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
            momentum = 0.1 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
        out = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, rank: int, count: int) -> Tensor:
        ctx.rank, ctx.share = rank, len(part)
        parts = [torch.empty_like(part) for _ in range(count)]
        distributed.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.rank * ctx.share : (ctx.rank + 1) * ctx.share], None, None


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        whole = part.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].clone()
        distributed.all_reduce(whole)
        return whole
