"""The recognition network: who walks, from the features of finished encoders, among the people of the training."""

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from data.errors import UserError
from data.skeleton_sequences import IntArray
from reid.gait.config import RecognitionConfig
from reid.gait.features import sequence_features
from reid.gait.spec import HIDDEN, Level

logger = logging.getLogger(__name__)

_LEAST_SPREAD = 1e-6


class RecognitionNetwork(nn.Module):
    """One hidden layer of 256; weights start normal with deviation 1, as published.

    Attributes:
        mean, spread: (F,) that features are standardised with; 0 and 1 leave them as they are.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, features: int, people: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.hidden = nn.Linear(features, HIDDEN)
        self.classify = nn.Linear(HIDDEN, people)
        for layer in (self.hidden, self.classify):
            nn.init.normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) -> (N, people) logits."""
        logits: Tensor = self.classify(torch.relu(self.hidden((features - self.mean) / self.spread)))
        return logits


def scores(model: RecognitionNetwork, frames: Tensor, level: Level) -> Tensor:
    """(N, f, F) features of frames -> (N, people): the mean of the frames' logits (ap), or the sequence's (sc)."""
    device = model.hidden.weight.device
    with torch.inference_mode():
        if level == "sc":
            return model(sequence_features(frames).to(device)).cpu()
        count, length, width = frames.shape
        return model(frames.reshape(-1, width).to(device)).view(count, length, -1).mean(1).cpu()


def classes_of(people: IntArray, known: Sequence[int], source: str) -> Tensor:
    """Number of the output of each person.

    Args:
        people: (N,) numbers.
        known: the person of each output.
        source: for the message.

    Raises:
        UserError: when the network knows somebody not: it could only be wrong about them.
    """
    place = {person: number for number, person in enumerate(known)}
    strangers = sorted({person for person in people.tolist() if person not in place})
    if strangers:
        raise UserError(
            f"{source} has {len(strangers)} people that the training lacks, first {strangers[0]}; "
            "recognition knows only people it has seen, so leave them out"
        )
    return torch.tensor([place[person] for person in people.tolist()])


def train_recognition(
    frames: Tensor,
    classes: Tensor,
    chosen_on: tuple[Tensor, Tensor],
    people: int,
    level: Level,
    config: RecognitionConfig,
    seed: int,
    device: str = "cpu",
) -> tuple[RecognitionNetwork, int, float]:
    """Train it, and keep the epoch that is best elsewhere.

    Args:
        frames: (N, f, F) features of the training part.
        classes: (N,) output of each.
        chosen_on: the same of the validation part; of the test where the configuration says so.
        people: number of outputs.
        level: frames or sequences.
        config: the recipe.
        seed: of weights and order.
        device: torch device.

    Returns:
        The network in evaluation mode, its epoch, and its rank-1 on ``chosen_on``; of equals, the earliest.

    Raises:
        UserError: when the loss is no longer finite.
    """
    rows = frames.flatten(0, 1) if level == "ap" else sequence_features(frames)
    labels = classes.repeat_interleave(frames.shape[1]) if level == "ap" else classes
    rows, labels = rows.to(device), labels.to(device)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = RecognitionNetwork(rows.shape[1], people).to(device)
    if config.standardise:
        model.mean.copy_(rows.mean(0))
        model.spread.copy_(rows.std(0).clamp_min(_LEAST_SPREAD))
    optimiser = torch.optim.Adam(model.parameters(), lr=config.rate)
    best, best_epoch, kept = -math.inf, 0, model.state_dict()
    for epoch in range(1, config.epochs + 1):
        for part in torch.randperm(len(rows), generator=generator).to(device).split(config.batch):
            loss = nn.functional.cross_entropy(model(rows[part]), labels[part])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if not math.isfinite(float(loss.detach())):
            raise UserError("the training loss is not finite any more; lower recognition.rate")
        found = scores(model, chosen_on[0], level).argmax(1)
        rank1 = float((found == chosen_on[1]).float().mean())
        logger.info("recognition: epoch %d of %d, rank-1 %.3f", epoch, config.epochs, rank1)
        if rank1 > best:
            best, best_epoch = rank1, epoch
            kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.eval(), best_epoch, best
