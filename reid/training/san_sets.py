"""What a training of SAN or SAN-PG learns from, what its best weights are chosen on, and what it is tested on."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import UserError
from data.records import IntArray
from reid.samples.crop_files import crop_names
from reid.samples.textures import TextureFolder, read_texture
from reid.training.checks import check_copies
from reid.training.data import Split, training_data
from reid.training.sampler import IdentityBatches, ShuffledBatches
from reid.training.san_config import PairSource, SanTrainConfig, TexturedSource
from reid.training.san_data import TexturedPicture
from reid.training.scored import Scored
from reid.training.selection import held_out

# Textures that are read before training; that the others are there is looked up.
_READ = 3


@dataclass(frozen=True, slots=True, eq=False)
class SanData:
    """What is learnt from, and what is judged by: retrieval, or pairs of picture and texture.

    Attributes:
        pictures: to learn from.
        people: in them, or textures.
        judged: what is held out, and the test set.
    """

    pictures: list[TexturedPicture]
    people: int
    judged: Mapping[Scored, Split | list[TexturedPicture]]

    @property
    def identities(self) -> IntArray:
        """(N,) int64 of each picture."""
        return np.array([picture.identity for picture in self.pictures], np.int64)


def san_data(config: SanTrainConfig) -> SanData:
    """List and check everything a training will read.

    Raises:
        UserError: when a data set or a texture is absent, or has nothing to learn, choose or test by.
    """
    data = _from_pairs(config) if config.pairs else _from_people(config)
    judged = [pair for split in data.judged.values() if not isinstance(split, Split) for pair in split[:_READ]]
    for picture in (*data.pictures[:_READ], *judged):
        if picture.texture is not None:
            read_texture(picture.texture)
    return data


def batches_of(data: SanData, config: SanTrainConfig) -> IdentityBatches | ShuffledBatches:
    """The batches of every epoch.

    Raises:
        UserError: when there is not enough for one.
    """
    batch = config.batch
    if config.pairs:
        return ShuffledBatches(len(data.pictures), batch.people * batch.pictures, config.seed)
    return IdentityBatches(data.identities, batch.people, batch.pictures, config.seed)


def _from_people(config: SanTrainConfig) -> SanData:
    """The training pictures of ReID data sets, with their textures where there is a decoder."""
    data = training_data(
        config.train, config.test, config.test_rule, config.select, config.batch.people, config.seed
    )  # fmt: skip
    textures: list[Path | None] = [None] * len(data.train)
    if config.model.decoder:
        for number, source in enumerate(config.train):
            rows = [row for row, owner in enumerate(data.sets) if owner == number]
            for row, texture in zip(rows, _textures(source).find([data.train[row].path for row in rows]), strict=True):
                textures[row] = texture
    pictures = [
        TexturedPicture(sample.path, texture, sample.identity)
        for sample, texture in zip(data.train, textures, strict=True)
    ]
    splits: dict[Scored, Split | None] = {"validation": data.validation, "test": data.test}
    return SanData(pictures, data.people, {name: split for name, split in splits.items() if split is not None})


def _from_pairs(config: SanTrainConfig) -> SanData:
    """The pairs to learn from; those of some textures are held out where the best weights are chosen by them."""
    pictures, people = _pairs(config.pairs)
    check_copies([[picture.path for picture in _pairs([source])[0]] for source in config.pairs], "pairs")
    judged: dict[Scored, Split | list[TexturedPicture]] = {}
    if config.test_pairs is not None:
        judged["test"] = _pairs([config.test_pairs])[0]
    if config.select.best_on != "validation":
        return SanData(pictures, people, judged)
    identities = np.array([picture.identity for picture in pictures], np.int64)
    chosen = set(held_out(identities, np.zeros_like(identities), config.select.share, config.seed).tolist())
    left = [picture for picture in pictures if picture.identity not in chosen]
    if not left:
        raise UserError(f"validation leaves none of {people} textures; train on all with select.best_on=none")
    return SanData(left, people - len(chosen), judged | {"validation": [p for p in pictures if p.identity in chosen]})


def digest(pictures: Sequence[TexturedPicture]) -> str:
    """What tells one training set from another, wherever it lies: the names and identities of its pictures."""
    told = hashlib.sha256()
    for picture in pictures:
        texture = None if picture.texture is None else picture.texture.name
        told.update(f"{picture.path.name} {texture} {picture.identity}\n".encode())
    return told.hexdigest()


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
