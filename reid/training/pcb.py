"""Training of PCB as published with ST-ReID: SGD on the sum of six cross entropies."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from data.config import Section
from data.errors import UserError
from data.records import IntArray
from data.training_folder import TrainingFolder
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.pcb_input import batches
from reid.training.erasing import erase_rectangles
from reid.weights.pcb import save_pcb

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from reid.models.pcb import PCB

logger = logging.getLogger(__name__)


class PcbTrainingConfig(Section):
    """The published recipe; every epoch sees every picture once."""

    pretrained: Literal["none"] | Path | None = Field(
        None,
        description="ResNet-50 of ImageNet to begin with, torchvision's or timm's file; none: random weights; null: not"
        " told yet",
    )
    epochs: int = Field(60, ge=1, description="passes over the training pictures")
    batch: int = Field(32, ge=2, description="pictures per step; a last batch of one is left out")
    backbone_rate: float = Field(0.01, gt=0, description="learning rate of the backbone")
    heads_rate: float = Field(0.1, gt=0, description="learning rate of the strips' classifiers")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum")
    weight_decay: float = Field(5e-4, ge=0, description="L2 penalty")
    drop_every: int = Field(40, ge=1, description="epochs after which the learning rates fall, again and again")
    drop_factor: float = Field(0.1, gt=0, le=1, description="by this factor (MTMCT: 0.13)")
    flip: float = Field(0.5, ge=0, le=1, description="probability of mirroring a picture")
    erase: float = Field(0.5, ge=0, le=1, description="probability of random erasing; 0 leaves it out")
    jitter: float = Field(0.0, ge=0, lt=1, description="largest change of brightness, contrast and saturation (0.1)")
    save_every: int = Field(10, ge=1, description="epochs between checkpoints")
    seed: int = Field(0, ge=0, description="of weights, order and augmentation")


def train_pcb(
    model: "PCB",
    paths: Sequence[Path],
    labels: IntArray,
    config: PcbTrainingConfig,
    output: Path,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
) -> "PCB":
    """Train a network and write checkpoints.

    The folder is that of every training, with one line of log and one saved state per epoch, and
    ``pcb_<epoch>.safetensors`` beside. A resumed training gives the same bytes as one that was never interrupted.

    Args:
        model: network with as many identities as there are labels.
        paths: N pictures.
        labels: (N,) identity 0..I-1 of each.
        config: the recipe.
        output: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on after the last epoch the state in the folder knows.
        overwrite: a training in the folder may be replaced.

    Raises:
        UserError: when there are too few pictures, the loss is no longer finite, or the folder does not fit.
    """
    import torch

    if len(paths) < 2 or len(paths) != len(labels):
        raise UserError(f"{len(paths)} pictures with {len(labels)} labels are no training set")
    folder = TrainingFolder(
        output, config, counted="epoch", resume=resume, overwrite=overwrite, may_change=("save_every", "pretrained"),
        data=_identity(model, paths, labels),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(config.seed)
    torch.manual_seed(config.seed)
    model = model.to(device).train()
    optimiser = torch.optim.SGD(
        [
            {"params": model.backbone.parameters(), "lr": config.backbone_rate},
            {"params": model.heads.parameters(), "lr": config.heads_rate},
        ],
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, config.drop_every, config.drop_factor)
    target = torch.from_numpy(labels)
    done = _restore(folder, model, optimiser, schedule, generator, device) if resume else 0
    with folder.writing():
        for epoch in range(done + 1, config.epochs + 1):
            order = torch.randperm(len(paths), generator=generator)
            parts = [part for part in order.split(config.batch) if len(part) > 1]
            loss, accuracy = _epoch(model, optimiser, paths, target, parts, config, generator, device)
            rate = schedule.get_last_lr()[0]
            schedule.step()
            folder.note({"epoch": epoch, "loss": loss, "accuracy": accuracy, "backbone_rate": rate})
            logger.info("epoch %d of %d: loss %.4f, accuracy %.3f", epoch, config.epochs, loss, accuracy)
            if epoch % config.save_every == 0:
                save_pcb(model, output / f"pcb_{epoch:03d}.safetensors")
            folder.save(
                {
                    "epoch": epoch,
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "schedule": schedule.state_dict(),
                    "generator": generator.get_state(),
                    # Dropout draws from the device's own generator.
                    "dropout": torch.cuda.get_rng_state(device) if _is_cuda(device) else torch.get_rng_state(),
                }
            )
        save_pcb(model, folder.last)
    return model.eval()


def _identity(model: "PCB", paths: Sequence[Path], labels: IntArray) -> dict[str, str]:
    """What must be the same when a training goes on, beside its configuration."""
    pictures = hashlib.sha256()
    for path, label in zip(paths, labels.tolist(), strict=True):
        pictures.update(f"{path.name} {label}\n".encode())
    return {
        "pictures": pictures.hexdigest(),
        "network": f"{model.identities} identities, activation {model.activation}",
    }


def _restore(
    folder: TrainingFolder,
    model: "PCB",
    optimiser: "torch.optim.Optimizer",
    schedule: "torch.optim.lr_scheduler.LRScheduler",
    generator: "torch.Generator",
    device: str,
) -> int:
    """Take up the state in a folder; the number of epochs done."""
    import torch

    with folder.resuming() as state:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        generator.set_state(state["generator"])
        if _is_cuda(device):
            torch.cuda.set_rng_state(state["dropout"], device)
        else:
            torch.set_rng_state(state["dropout"])
    done: int = state["epoch"]
    return done


def _is_cuda(device: str) -> bool:
    return device.startswith("cuda")


def strip_loss(logits: "Tensor", labels: "Tensor") -> "Tensor":
    """Sum over the strips of the cross entropy: (6, N, I), (N,) -> scalar."""
    from torch.nn.functional import cross_entropy

    return sum((cross_entropy(strip, labels) for strip in logits), start=logits.new_zeros(()))


def predictions(logits: "Tensor") -> "Tensor":
    """Identity of the largest summed probability: (6, N, I) -> (N,)."""
    return logits.softmax(-1).sum(0).argmax(-1)


def _epoch(
    model: "PCB",
    optimiser: "torch.optim.Optimizer",
    paths: Sequence[Path],
    target: "Tensor",
    parts: Sequence["Tensor"],
    config: PcbTrainingConfig,
    generator: "torch.Generator",
    device: str,
) -> tuple[float, float]:
    import torch

    total, right, seen = 0.0, 0, 0

    pictures = batches([[paths[row] for row in part.tolist()] for part in parts])
    for part, images in zip(parts, pictures, strict=True):
        images = augment_pictures(images, config, generator).to(device)
        labels = target[part].to(device)
        logits = model(images)
        loss = strip_loss(logits, labels)
        if not torch.isfinite(loss):
            raise UserError("the training loss is not finite any more; lower backbone_rate and heads_rate")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(part)
        right += int((predictions(logits.detach()) == labels).sum())
        seen += len(part)
    return total / seen, right / seen


def augment_pictures(images: "Tensor", config: PcbTrainingConfig, generator: "torch.Generator") -> "Tensor":
    """Mirror, jitter, normalise and erase: (N, 3, H, W) 0-1 -> normalised."""
    import torch

    from reid.samples.network_input import normalise

    count = len(images)
    mirrored = torch.rand(count, generator=generator) < config.flip
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if config.jitter > 0:
        change = 1 + config.jitter * (2 * torch.rand(3, count, 1, 1, 1, generator=generator) - 1)
        images = (images * change[0]).clamp(0, 1)
        grey = (images * images.new_tensor((0.299, 0.587, 0.114))[:, None, None]).sum(1, keepdim=True)
        level = grey.mean((2, 3), keepdim=True)
        images = (level + (images - level) * change[1]).clamp(0, 1)
        images = (grey + (images - grey) * change[2]).clamp(0, 1)
    return erase_rectangles(normalise(images, IMAGENET_MEAN, IMAGENET_STD), config.erase, generator)
