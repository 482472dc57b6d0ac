"""Training of SAN on people with their textures, and of SAN-PG on pairs of picture and texture.

The authors take two steps per batch: one on the ReID losses, and one on the decoder's with an optimiser of its own, by
gradients of weights that the first step has moved already. Here the losses are added up, as in the paper, and one
backward pass serves both. The encoder then follows the sum at its one rate; before, the decoder's losses moved it at
their own, 1/80 of that. ``loss.reconstruction`` and ``loss.decoder_triplet`` say how much they count in its sum; the
decoder's own steps, Adam being blind to scale, hardly depend on them. Classifier and embedding layer get no gradient
from the decoder's losses in either way.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.errors import UserError
from data.records import IntArray
from data.training_folder import TrainingFolder
from reid.evaluation import retrieval
from reid.evaluation.embedders import SanExtractor
from reid.evaluation.extract import Reading
from reid.losses.texture import decoder_triplet_losses, reconstruction_loss
from reid.losses.triplet import part_triplet_loss
from reid.models.precision import reduced_dtype
from reid.models.san import SAN
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD
from reid.samples.crop_files import crop_names
from reid.samples.network_input import normalise
from reid.samples.sources import ReidData, default_rule, join, read_source
from reid.samples.textures import TextureFolder
from reid.training.loop import LoopConfig, TrainingLoop
from reid.training.people import people_of_sources
from reid.training.sampler import IdentityBatches, ShuffledBatches
from reid.training.san_config import PairSource, SanOptimiserConfig, SanTrainConfig, TexturedSource
from reid.training.san_data import TexturedBatch, TexturedPicture, augmented, textured_batches
from reid.training.schedule import learning_rate
from reid.training.writers import ScalarWriter
from reid.weights.pretrained import read_tensors
from reid.weights.san import load_san, save_san

logger = logging.getLogger(__name__)

# How pictures are read, saved and scored may change between a training and its resumption.
_MAY_CHANGE = ("batch.workers", "save_every", "evaluate_every", "test_rule")
_EVALUATION_BATCH = 64


class SanTrainer(TrainingLoop[SAN, TexturedBatch]):
    """One training in one folder, of SAN or, where the configuration names pairs, of SAN-PG.

    Args:
        config: the training.
        out: the folder, see ``TrainingFolder``.
        device: torch device.
        resume: go on from the state in the folder.
        writer: also gets every logged number.

    Raises:
        UserError: when a data set, a texture, a weight file or the folder does not fit.
    """

    def __init__(
        self, config: SanTrainConfig, out: Path, device: str, resume: bool = False, writer: ScalarWriter | None = None
    ) -> None:
        self._config = config
        folder = TrainingFolder(out, config, counted="step", resume=resume, may_change=_MAY_CHANGE)
        self._pictures, people = _pairs(config.pairs) if config.pairs else _people(config)
        self._test: ReidData | None = None if config.test is None else read_source(config.test, "test")
        self._test_pairs = [] if config.test_pairs is None else _pairs([config.test_pairs])[0]
        batch = config.batch
        identities: IntArray = np.array([picture.identity for picture in self._pictures], np.int64)
        sampler = (
            ShuffledBatches(len(identities), batch.people * batch.pictures, config.seed)
            if config.pairs
            else IdentityBatches(identities, batch.people, batch.pictures, config.seed)
        )
        torch.manual_seed(config.seed)
        model = SAN(config.model.model_copy(update={"identities": 1 if config.pairs else people}))
        if not resume:
            _begin(model, config)
        place = torch.device(device)
        model = model.to(place)
        loop = LoopConfig(
            config.epochs, config.save_every, config.evaluate_every, config.optimiser.clip, config.seed
        )  # fmt: skip
        optimiser = _optimiser(config.optimiser, model)
        super().__init__(loop, folder, model, optimiser, sampler, reduced_dtype(config.precision, place), writer)
        if resume:
            self._restore()
        folder.begin()
        logger.info("%d pictures of %d %s", len(identities), people, "textures" if config.pairs else "people")

    @property
    def _tested(self) -> bool:
        return self._test is not None or bool(self._test_pairs)

    def _read(self, rows: Sequence[Sequence[int]]) -> Iterator[TexturedBatch]:
        spec = self.model.spec
        return textured_batches(self._pictures, (spec.height, spec.width), rows, self._config.batch.workers)

    def _set_rates(self, epoch: float) -> float:
        config, rates = self._config, self._config.optimiser
        rate = learning_rate(config.schedule, rates.rate, config.epochs, epoch)
        decoder = rates.decoder_rate if rates.decoder_constant else rate * rates.decoder_rate / rates.rate
        for group, value in zip(self._optimiser.param_groups, (rate, decoder)):
            group["lr"] = value
        return rate

    def _learn(self, batch: TexturedBatch, generator: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        images = augmented(batch.images.to(self._device), self._config.augment, generator)
        with self._autocast():
            found = self.model.encoder(images)
            drawn = None if self.model.decoder is None else self.model.decoder(found.maps)
        weights, losses = self._config.loss, {}
        if not self._config.pairs:
            identities = batch.identities.to(self._device)
            logits, embeddings = found.logits.float(), found.embeddings.float()
            losses["identity"] = F.cross_entropy(logits, identities, label_smoothing=weights.smoothing)
            losses["triplet"] = part_triplet_loss(embeddings[:, None], identities, margin=weights.margin).loss
        if drawn is not None:
            losses["reconstruction"] = reconstruction_loss(drawn.textures.float(), batch.targets(self._device))
        if drawn is not None and not self._config.pairs:
            levels = [level.float() for level in drawn.levels]
            losses["decoder_triplet"] = decoder_triplet_losses(
                levels, self._config.batch.pictures, weights.margin, weights.mining
            ).sum()
        loss = torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
        return loss, {name: float(value.detach()) for name, value in losses.items()}

    def _evaluate(self) -> dict[str, float]:
        if self._test is None:
            return {"l1": self._test_loss()}
        assert self._config.test is not None
        rule = self._config.test_rule or default_rule(self._config.test.kind)
        extractor = SanExtractor(self.model, "san")
        reading = Reading(_EVALUATION_BATCH, self._config.batch.workers, "none")
        ranking = retrieval.Ranking(rule, device=str(self._device))
        return retrieval.evaluate(extractor, self._test.query, self._test.gallery, reading, ranking).summary()

    @torch.inference_mode()
    def _test_loss(self) -> float:
        """Mean absolute difference of the textures of the test pairs, between 0 and 2."""
        self.model.eval()
        spec, total = self.model.spec, 0.0
        rows = [list(part) for part in np.array_split(np.arange(len(self._test_pairs)), _parts(self._test_pairs))]
        pictures = textured_batches(self._test_pairs, (spec.height, spec.width), rows, self._config.batch.workers)
        for batch in pictures:
            images = normalise(batch.images.to(self._device).float() / 255, IMAGENET_MEAN, IMAGENET_STD)
            with self._autocast():
                drawn = self.model.textures(images)
            total += float(reconstruction_loss(drawn.float(), batch.targets(self._device))) * len(batch.images)
        return total / len(self._test_pairs)

    def _worth(self, scores: Mapping[str, float]) -> float:
        return -scores["l1"] if "l1" in scores else scores["mAP"]

    def _export(self, path: Path, scores: Mapping[str, float] | None = None) -> None:
        sources: list[TexturedSource | PairSource] = [*self._config.train, *self._config.pairs]
        provenance = {
            "trained_on": ", ".join(str(source.root) for source in sources),
            "people": people_of_sources([source.folder for source in sources]),
            "epochs": str(self._epoch),
            "seed": str(self._config.seed),
        }
        provenance |= {name: f"{value:.4f}" for name, value in (scores or {}).items()}
        save_san(path, self.model, provenance)


def _people(config: SanTrainConfig) -> tuple[list[TexturedPicture], int]:
    """The training pictures of ReID data sets, with their textures where there is a decoder, and how many people."""
    data = [read_source(source, "train").train for source in config.train]
    samples, people, _ = join(data)
    paths = [sample.path for sample in samples]
    textures: list[Path | None] = [None] * len(paths)
    if config.model.decoder:
        textures, done = [], 0
        for source, part in zip(config.train, data, strict=True):
            textures += _textures(source).find(paths[done : done + len(part)])
            done += len(part)
    single = int((np.unique([sample.identity for sample in samples], return_counts=True)[1] == 1).sum())
    if single:
        logger.warning(
            "%d of %d people have a single picture: their triplets compare it with itself, changed by chance",
            single, people,
        )  # fmt: skip
    pictures = [
        TexturedPicture(sample.path, texture, sample.identity)
        for sample, texture in zip(samples, textures, strict=True)
    ]
    return pictures, people


def _textures(source: TexturedSource) -> TextureFolder:
    return TextureFolder(source.folder / source.textures)


def _pairs(sources: Sequence[PairSource]) -> tuple[list[TexturedPicture], int]:
    """Pictures with their textures, sorted by path, and how many textures there are."""
    pictures: list[TexturedPicture] = []
    known: dict[Path, int] = {}
    for source in sources:
        place = source.folder / source.images
        paths = [place / name for name in crop_names(place, source.folder / source.textures)]
        for path, texture in zip(paths, TextureFolder(source.folder / source.textures).find(paths), strict=True):
            pictures.append(TexturedPicture(path, texture, known.setdefault(texture, len(known))))
    return pictures, len(known)


def _parts(pictures: Sequence[TexturedPicture]) -> int:
    return -(-len(pictures) // _EVALUATION_BATCH)


def _begin(model: SAN, config: SanTrainConfig) -> None:
    """Put in the weights to start from; later ones win."""
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
    if config.pretrained is not None:
        wanted = model.encoder.backbone.state_dict()
        tensors = read_tensors(config.pretrained)
        given = {name: tensor for name, tensor in tensors.items() if name in wanted}
        missing = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
        wrong = [name for name in given if given[name].shape != wanted[name].shape]
        if missing or wrong:
            first = (missing or wrong)[0]
            raise UserError(
                f"pretrained: {config.pretrained} is no ResNet of this size: {len(missing)} tensors missing, "
                f"{len(wrong)} of another shape, first '{first}'"
            )
        model.encoder.backbone.load_state_dict(wanted | given)


def _optimiser(config: SanOptimiserConfig, model: SAN) -> torch.optim.Optimizer:
    groups = [{"params": list(model.encoder.parameters()), "weight_decay": config.weight_decay}]
    if model.decoder is not None:
        decoder = {"params": list(model.decoder.parameters()), "lr": config.decoder_rate, "weight_decay": 0.0}
        groups.append(decoder | {"betas": (config.decoder_beta, 0.999)})
    return torch.optim.Adam(groups, lr=config.rate, amsgrad=True)
