"""Batches as a training draws them, and the first of them without a training."""

import numpy as np
import torch

from data.records import IntArray
from reid.models.spec import ModelSpec
from reid.training.augment import augment
from reid.training.batch import ReadBatch, TrainBatch
from reid.training.config import TrainConfig
from reid.training.data import training_data
from reid.training.dataset import CropDataset, collate
from reid.training.loop import step_seed
from reid.training.occluders import OccluderBank
from reid.training.sampler import IdentityBatches


def augmented(
    read: ReadBatch,
    config: TrainConfig,
    spec: ModelSpec,
    bank: OccluderBank,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> TrainBatch:
    """A batch on a device, changed by chance as the configuration says.

    Args:
        read: as it lies on disk.
        config: the training.
        spec: of the network.
        bank: of people to paste, where ``augment.occluders`` asks for it.
        generator: on the CPU.
        device: where it goes.
    """
    parts = () if config.grouping is None else spec.part_names
    occluders = None
    if config.augment.occlude and config.augment.occluders == "bank":
        occluders = bank.draw(read.identities, config.augment.occlude, generator)
    return augment(read.on(device), config.augment, generator, parts, spec.mean, spec.std, occluders)


def first_batch(config: TrainConfig) -> TrainBatch:
    """What the network of a training would see in its first step.

    Raises:
        UserError: when a data set does not fit.
    """
    data = training_data(
        config.train, config.test, config.test_rule, config.select, config.batch.people, config.seed,
        config.batch.bad_files, config.test_also,
    )  # fmt: skip
    spec = config.spec(data.people, len(data.cameras))
    crops = CropDataset(data.train, (spec.height, spec.width), config.grouping, config.batch.bad_files)
    identities: IntArray = np.array([sample.identity for sample in data.train], np.int64)
    rows = IdentityBatches(identities, config.batch.people, config.batch.pictures, config.seed).epoch(0)[0]
    bank = OccluderBank(crops.__getitem__, identities, config.seed)
    generator = torch.Generator().manual_seed(step_seed(config.seed, 0))
    return augmented(collate([crops[row] for row in rows.tolist()]), config, spec, bank, generator)
