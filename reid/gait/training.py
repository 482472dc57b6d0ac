"""Training of a gait encoder: no labels, one of three tasks, neighbours in time drawn together.

Differences from the published training, each of which mends a fault of it: only sequences of one recording are paired
or follow one another; the last batch, though smaller, counts; the encoder kept is the best on recordings held out for
that; batches are taken in a new order every epoch. Adam is torch's, whose epsilon comes after the bias correction.
"""

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.errors import UserError
from data.learning_curves import draw_curves
from data.records import IntArray
from data.runtime.stopping import stop_signals
from data.skeleton_sequences import SkeletonSequences, check_sequences, hold_out
from data.training_folder import TrainingFolder
from reid.gait.config import GaitConfig
from reid.gait.encoder import GaitEncoder, axes_first
from reid.gait.files import load_encoder, save_encoder
from reid.gait.losses import GaitLosses, gait_losses, locality_mask
from reid.gait.spec import GaitSpec, Task
from reid.gait.tasks import following, task_pair

logger = logging.getLogger(__name__)

_CLIP = 5.0
_VALIDATION_SEED = 1


@dataclass(frozen=True, slots=True)
class _Set:
    """Sequences on the device: (3, N, f, J), the row after each, and whether rows i and i + 1 are neighbours."""

    points: Tensor
    after: Tensor
    followed: Tensor

    @staticmethod
    def of(sequences: SkeletonSequences, device: str) -> "_Set":
        followed = torch.from_numpy(sequences.followed)
        points = axes_first(torch.from_numpy(sequences.points))
        return _Set(points.to(device), following(followed).to(device), followed.to(device))

    def parts(self, batch: int) -> list[tuple[int, int]]:
        """First and last row of each batch; a single sequence left over joins the batch before it."""
        count = self.points.shape[1]
        begins = list(range(0, count, batch))
        if len(begins) > 1 and count - begins[-1] == 1:
            begins.pop()
        return list(zip(begins, [*begins[1:], count], strict=True))


def new_optimiser(model: torch.nn.Module, rate: float, epsilon: float = 1e-8) -> torch.optim.Adam:
    """Adam over all weights."""
    return torch.optim.Adam(model.parameters(), lr=rate, eps=epsilon)


def apply_gradients(model: torch.nn.Module, optimiser: torch.optim.Optimizer, losses: GaitLosses) -> None:
    """One step down the sum of all terms; each number of a gradient is kept within 5 of zero, as published."""
    optimiser.zero_grad(set_to_none=True)
    losses.total.sum().backward()
    torch.nn.utils.clip_grad_value_(model.parameters(), _CLIP)
    optimiser.step()


def train_encoder(
    sequences: SkeletonSequences,
    task: Task,
    config: GaitConfig,
    output: Path,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
    provenance: Mapping[str, str] | None = None,
) -> GaitEncoder:
    """Train an encoder and write it.

    The folder is that of every training, see ``TrainingFolder``: a line of log and a saved state per epoch, the best
    and the last weights. A resumed training gives the same bytes as one that was never interrupted.

    Args:
        sequences: the training part; some are held out, see ``hold_out``.
        task: what it learns to write.
        config: the recipe.
        output: the folder.
        device: torch device.
        resume: go on after the last epoch the state in the folder knows.
        overwrite: a training in the folder may be replaced.
        provenance: for the header of the weights.

    Returns:
        The encoder with the lowest validation loss, in evaluation mode.

    Raises:
        UserError: when sequences are unfit or too few, the loss is no longer finite, or the folder does not fit.
        InterruptedTraining: when a signal asked the process to end; the state is saved.
    """
    learn, judge = learnt_and_judged(sequences, config.data.validation)
    locality = config.encoder.locality if config.encoder.locality is not None else task == "reverse"
    spec = GaitSpec(joints=sequences.joints, frames=sequences.frames, task=task, locality=locality)
    told = {"sequences": hashlib.sha256(sequences.points.tobytes()).hexdigest(), "network": spec.model_dump_json()}
    folder = TrainingFolder(output, config, counted="epoch", resume=resume, overwrite=overwrite, data=told)
    torch.manual_seed(config.seed)
    model = GaitEncoder(spec)
    trainer = _Trainer(model.to(device).train(), config, _Set.of(sequences.select(learn), device), device)
    validation = _Set.of(sequences.select(judge), device)
    if resume:
        with folder.resuming() as state:
            trainer.restore(state)
    with folder.writing(), stop_signals("epoch") as stopped:
        header = {**(provenance or {}), "seed": str(config.seed)}
        for epoch in range(trainer.epoch + 1, config.encoder.epochs + 1):
            if trainer.waited >= config.encoder.patience:
                break
            trainer.epoch = epoch
            told_losses = trainer.run_epoch()
            value = trainer.judge(validation)
            folder.note({"epoch": epoch, **told_losses, "validation": value})
            logger.info("%s: epoch %d of %d, validation %.4f", task, epoch, config.encoder.epochs, value)
            trainer.waited += 1
            if value < trainer.best:
                trainer.best, trainer.waited = value, 0
                save_encoder(folder.best, model, {**header, "epoch": str(epoch), "validation": f"{value:.5f}"})
            folder.save(trainer.state())
            if stopped:
                raise folder.interrupted(f"epoch {epoch}")
        draw_curves(folder.root)
        save_encoder(folder.last, model, {**header, "epoch": str(trainer.epoch)})
    return load_encoder(folder.best, device)


def learnt_and_judged(sequences: SkeletonSequences, share: float) -> tuple[IntArray, IntArray]:
    """Rows to learn from, and rows held out to judge by, see ``hold_out``.

    Raises:
        UserError: when there are too few for both, or sequences are unfit.
    """
    check_sequences(sequences, "training sequences")
    learn, judge = hold_out(sequences, share)
    if len(learn) < 2 or not len(judge):
        raise UserError(
            f"{len(sequences)} sequences leave {len(learn)} to learn from and {len(judge)} to judge by; "
            "a person needs 4 sequences, or 3 recordings, to be in both"
        )
    return learn, judge


class _Trainer:
    """What changes from epoch to epoch."""

    def __init__(self, model: GaitEncoder, config: GaitConfig, data: _Set, device: str) -> None:
        self._model, self._config, self._data = model, config.encoder, data
        self._optimiser = new_optimiser(model, config.encoder.rate)
        self._generator = torch.Generator().manual_seed(config.seed)
        mask = locality_mask(model.spec.frames, backwards=True) if model.spec.locality else None
        self._mask = None if mask is None else mask.to(device)
        self.epoch = self.waited = 0
        self.best = math.inf

    def run_epoch(self) -> dict[str, float]:
        """Every batch once; the mean loss of a sequence and axis, by name."""
        parts = self._data.parts(self._config.batch)
        order = torch.randperm(len(parts), generator=self._generator).tolist()
        totals = torch.zeros(3)
        for losses, _ in self._batches(self._data, [parts[place] for place in order], self._generator):
            if not bool(torch.isfinite(losses.total).all()):
                raise UserError("the training loss is not finite any more; lower encoder.rate")
            apply_gradients(self._model, self._optimiser, losses)
            seen = torch.stack([losses.written.sum(), losses.locality.sum(), losses.contrast.sum()])
            totals += seen.detach().cpu()
        per_sequence = 3 * self._data.points.shape[1]
        return {
            "written": float(totals[0]) / per_sequence,
            "locality": float(totals[1]) / per_sequence,
            "contrast": float(totals[2]) / (3 * len(parts)),
        }

    def judge(self, data: _Set) -> float:
        """Loss per sequence and axis without the weights' own, the contrast by the batch."""
        parts = data.parts(self._config.batch)
        generator = torch.Generator().manual_seed(_VALIDATION_SEED)
        total = 0.0
        with torch.inference_mode():
            for losses, count in self._batches(data, parts, generator):
                rest = (losses.written + losses.locality).sum() + count * losses.contrast.sum()
                total += float(rest)
        return total / (3 * data.points.shape[1])

    def _batches(
        self, data: _Set, parts: list[tuple[int, int]], generator: torch.Generator
    ) -> Iterator[tuple[GaitLosses, int]]:
        model = self._model
        for begin, end in parts:
            points, after = data.points[:, begin:end], data.points[:, data.after[begin:end]]
            read, wanted = task_pair(model.spec.task, points, after, generator)
            output = model(read)
            paired = data.followed[begin : end - 1]
            paired = paired if self._config.contrast else torch.zeros_like(paired)
            losses = gait_losses(
                output, wanted, model.project(output.cage), paired, self._config.temperature, self._mask, model
            )
            yield losses, end - begin

    def state(self) -> dict[str, Any]:
        """To be saved."""
        return {
            "epoch": self.epoch,
            "waited": self.waited,
            "best": self.best,
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what was saved."""
        self.epoch, self.waited, self.best = state["epoch"], state["waited"], state["best"]
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._generator.set_state(state["generator"])
