"""Training of SAN on people with their textures, and of SAN-PG on pairs of picture and texture.

The authors take two steps per batch: one on the ReID losses, and one on the decoder's with an optimiser of its own, by
gradients of weights that the first step has moved already. Here the losses are added up, as in the paper, and one
backward pass serves both. The encoder then follows the sum at its one rate; before, the decoder's losses moved it at
their own, 1/80 of that. ``loss.reconstruction`` and ``loss.decoder_triplet`` say how much they count in its sum; the
decoder's own steps, Adam being blind to scale, hardly depend on them. Classifier and embedding layer get no gradient
from the decoder's losses in either way.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.errors import UserError
from data.training_folder import TrainingFolder
from reid.evaluation import retrieval
from reid.evaluation.embedders import SanExtractor
from reid.evaluation.extract import Reading
from reid.losses.texture import decoder_triplet_losses, reconstruction_loss
from reid.losses.triplet import part_triplet_loss
from reid.models.precision import reduced_dtype
from reid.models.san import SAN
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.network_input import normalise
from reid.training.data import Split
from reid.training.loading import BatchLoader
from reid.training.loop import LoopConfig
from reid.training.memory import smaller_batch
from reid.training.people import provenance_of
from reid.training.ranks import Ranks
from reid.training.san_config import PairSource, SanOptimiserConfig, SanTrainConfig, TexturedSource
from reid.training.san_data import Pictures, TexturedBatch, TexturedPicture, augmented, stacked
from reid.training.san_sets import batches_of, digest, san_data
from reid.training.schedule import learning_rate
from reid.training.scored import Scored, ScoredLoop
from reid.training.writers import ScalarWriter
from reid.weights.pretrained import load_resnet50, starting_file
from reid.weights.san import load_san, save_san

logger = logging.getLogger(__name__)

# How pictures are read, saved and scored, where they lie and how long training lasts may change when it goes on.
_MAY_CHANGE = (
    "batch.workers", "save_every", "evaluate_every", "epochs", "test", "test_pairs", "test_rule", "select.patience",
    "train.*.root", "train.*.textures", "pairs.*.root",
)  # fmt: skip
_EVALUATION_BATCH = 64


class SanTrainer(ScoredLoop[SAN, TexturedBatch]):
    """One training in one folder, of SAN or, where the configuration names pairs, of SAN-PG.

    Args:
        config: the training.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on from the state in the folder.
        writer: also gets every logged number.
        ranks: the processes that train together; None: this one alone.

    Raises:
        UserError: when a data set, a texture, a weight file or the folder does not fit.
    """

    def __init__(
        self,
        config: SanTrainConfig,
        out: Path,
        device: str,
        resume: bool = False,
        writer: ScalarWriter | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._config = config
        ranks, place, batch = ranks or Ranks(), torch.device(device), config.batch
        ranks.check_batch(batch.people)
        self._data = san_data(config)
        pictures = self._data.pictures
        folder = TrainingFolder(
            out, config, counted="step", resume=resume, may_change=_MAY_CHANGE,
            data={"pictures": digest(pictures)}, leads=ranks.leads,
        )  # fmt: skip
        sampler = batches_of(self._data, config)
        model = new_network(config, self._data.people)
        # Gone on with, a training needs the file no more.
        begun = config.start if config.start is not None and (not resume or config.start.exists()) else None
        self._began = None if begun is None else load_san(begun)[1].provenance
        if not resume:
            begin(model, config)
        model = model.to(place)
        self._size = (model.spec.height, model.spec.width)
        loader = BatchLoader(Pictures(pictures, self._size), stacked, batch.workers, place)
        loop = LoopConfig(
            config.epochs, config.save_every, config.optimiser.clip, config.seed, batch.accumulate, config.ema
        )
        optimiser = _optimiser(config.optimiser, model)
        super().__init__(
            loop, config.select, config.evaluate_every, folder, model, optimiser, sampler, loader,
            reduced_dtype(config.precision, place), writer, ranks,
        )  # fmt: skip
        if resume:
            self._restore()

    @property
    def _tested(self) -> bool:
        return "test" in self._data.judged

    def _begin(self) -> None:
        data = self._data
        logger.info(
            "%d pictures of %d %s", len(data.pictures), data.people, "textures" if self._config.pairs else "people"
        )

    def _set_rates(self, epoch: float) -> float:
        config, rates = self._config, self._config.optimiser
        rate = learning_rate(config.schedule, rates.rate, config.epochs, epoch)
        decoder = rates.decoder_rate if rates.decoder_constant else rate * rates.decoder_rate / rates.rate
        for group, value in zip(self._optimiser.param_groups, (rate, decoder)):
            group["lr"] = value
        return rate

    def _learn(self, batch: TexturedBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float | Tensor]]:
        images = augmented(batch.images.to(self._device, non_blocking=True), self._config.augment, generator)
        with self._autocast():
            found = self.model.encoder(images)
            drawn = None if self.model.decoder is None else self.model.decoder(found.maps)
        whole = self._ranks.gathered
        weights, losses = self._config.loss, {}
        if not self._config.pairs:
            identities = whole(batch.identities.to(self._device))
            logits, embeddings = whole(found.logits.float()), whole(found.embeddings.float())
            losses["identity"] = F.cross_entropy(logits, identities, label_smoothing=weights.smoothing)
            losses["triplet"] = part_triplet_loss(embeddings[:, None], identities, margin=weights.margin).loss
        if drawn is not None:
            textures = whole(drawn.textures.float())
            losses["reconstruction"] = reconstruction_loss(textures, whole(batch.targets(self._device)))
        if drawn is not None and not self._config.pairs:
            levels = [whole(level.float()) for level in drawn.levels]
            losses["decoder_triplet"] = decoder_triplet_losses(
                levels, self._config.batch.pictures, weights.margin, weights.mining
            ).sum()
        loss = torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
        return loss, {name: value.detach() for name, value in losses.items()}

    def _evaluate(self, scored: Scored) -> dict[str, float]:
        judged = self._data.judged[scored]
        if not isinstance(judged, Split):
            return {"l1": self._test_loss(judged)}
        extractor = SanExtractor(self.judged, "san")
        reading = Reading(_EVALUATION_BATCH, self._config.batch.workers, "none")
        ranking = retrieval.Ranking(judged.rule, device=str(self._device))
        return retrieval.evaluate(extractor, judged.query, judged.gallery, reading, ranking).summary()

    @torch.inference_mode()
    def _test_loss(self, pairs: Sequence[TexturedPicture]) -> float:
        """Mean absolute difference of the textures of pairs, between 0 and 2."""
        model, total = self.judged.eval(), 0.0
        rows = [list(part) for part in np.array_split(np.arange(len(pairs)), -(-len(pairs) // _EVALUATION_BATCH))]
        loader = BatchLoader(Pictures(pairs, self._size), stacked, self._config.batch.workers, self._device)
        with closing(loader):
            for batch in loader.read(rows):
                images = normalise(batch.images.to(self._device).float() / 255, IMAGENET_MEAN, IMAGENET_STD)
                with self._autocast():
                    drawn = model.textures(images)
                total += float(reconstruction_loss(drawn.float(), batch.targets(self._device))) * len(batch.images)
        return total / len(pairs)

    def _worth(self, scores: Mapping[str, float]) -> float:
        return -scores["l1"] if "l1" in scores else scores["mAP"]

    def _export(self, path: Path, told: Mapping[str, str]) -> None:
        sources: list[TexturedSource | PairSource] = [*self._config.train, *self._config.pairs]
        save_san(path, self.judged, provenance_of(sources, self._began) | dict(told))

    def _load(self, path: Path) -> None:
        self.judged.load_state_dict(load_san(path, self._config.model.decoder)[0].state_dict())

    def _smaller(self, pictures: int) -> str:
        batch = self._config.batch
        return smaller_batch(pictures, batch.people, batch.pictures, batch.accumulate, self._ranks.count)


def new_network(config: SanTrainConfig, people: int) -> SAN:
    """A network with the random weights of the configuration's seed, for so many people."""
    torch.manual_seed(config.seed)
    return SAN(config.model.model_copy(update={"identities": 1 if config.pairs else people}))


def begin(model: SAN, config: SanTrainConfig) -> None:
    """Put in the weights to start from; later ones win.

    Raises:
        UserError: when a file is absent, damaged, or of a network of another size.
    """
    if config.start is not None:
        start, _ = load_san(config.start, config.model.decoder)
        own = model.state_dict()
        state = start.state_dict()
        given = {
            name: state[name] for name, tensor in own.items() if name in state and state[name].shape == tensor.shape
        }
        other = [name for name in own if name not in given and not name.startswith("encoder.classifier.")]
        if other:
            raise UserError(
                f"start: {config.start} is of another size: {len(other)} tensors differ, first '{other[0]}'"
            )
        model.load_state_dict(own | given)
    begun = config.start is not None and config.pretrained is None
    backbone = None if begun else starting_file(config.pretrained, "resnet50", IMAGENET_MEAN)
    if backbone is not None:
        load_resnet50(model.encoder.backbone, backbone)


def _optimiser(config: SanOptimiserConfig, model: SAN) -> torch.optim.Optimizer:
    groups = [{"params": list(model.encoder.parameters()), "weight_decay": config.weight_decay}]
    if model.decoder is not None:
        decoder = {"params": list(model.decoder.parameters()), "lr": config.decoder_rate, "weight_decay": 0.0}
        groups.append(decoder | {"betas": (config.decoder_beta, 0.999)})
    return torch.optim.Adam(groups, lr=config.rate, amsgrad=True)
