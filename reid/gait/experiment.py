"""One gait model from sequences to scores: encoders, recognition network, tests; its folder, and its evaluation later.

| in the folder | content |
|---|---|
| config.yaml | the configuration, defaults included |
| encoders/<task>/ | the training of each encoder that was not given, see ``TrainingFolder`` |
| recognition.safetensors | the recognition network; its header names its encoders |
| scores.json | rank-n and nAUC of each test, and how conditions match |
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from data.atomic import write_text
from data.datasets.gait_layouts import GAIT_LAYOUTS, GaitSplits
from data.errors import UserError
from data.folder_lock import locked_folder
from data.section_files import load_section
from data.skeleton_sequences import hold_out
from data.training_folder import BEST, CONFIG, STATE
from data.training_preview import Preview
from data.weight_records import file_sha256
from reid.gait.config import GaitConfig
from reid.gait.encoder import GaitEncoder
from reid.gait.evaluation import RecognitionScores, match_conditions, recognition_scores
from reid.gait.features import extract, sequence_features
from reid.gait.files import (
    RecognitionInfo,
    check_encoders,
    load_encoder,
    load_recognition,
    save_recognition,
)
from reid.gait.recognition import RecognitionNetwork, classes_of, scores, train_recognition
from reid.gait.spec import Task, tasks_of
from reid.gait.training import learnt_and_judged, train_encoder

RECOGNITION, SCORES = "recognition.safetensors", "scores.json"
_RANKS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class GaitScores:
    """What a model reaches.

    Attributes:
        recognition: of each test, by its name.
        matching: rank-1 of nearest neighbours by "probe-gallery", with the number of probes; people may be strangers.
        people: number of the person of each row and column of a confusion matrix.
    """

    recognition: Mapping[str, RecognitionScores]
    matching: Mapping[str, tuple[float, int]]
    people: tuple[int, ...]

    def plain(self) -> dict[str, Any]:
        """For a file."""
        found: dict[str, Any] = {"recognition": {}, "matching": {}, "people": list(self.people)}
        for name, told in self.recognition.items():
            ranks = {f"rank{n}": round(float(told.rank[n - 1]), 5) for n in _RANKS if n <= len(told.rank)}
            found["recognition"][name] = {
                **ranks, "nauc": round(told.nauc, 5), "confusion": told.confusion.tolist()
            }  # fmt: skip
        for name, (rank1, count) in self.matching.items():
            found["matching"][name] = {"rank1": round(rank1, 5), "probes": count}
        return found


def train_gait(
    config: GaitConfig,
    out: Path,
    device: str = "cpu",
    resume: bool = False,
    overwrite: bool = False,
    encoders: Sequence[Path] = (),
) -> GaitScores:
    """Train a model and score it.

    Args:
        config: the recipe.
        out: the folder.
        device: torch device.
        resume: go on with the encoders' trainings in the folder; one that is complete is taken as it is, and a model
            that is finished is made again, to the same bytes.
        overwrite: a model in the folder may be replaced.
        encoders: finished encoders, in the order of the model's tasks; only the recognition network is trained then.

    Raises:
        UserError: when data, folder or encoders do not fit, or another process writes into the folder.
    """
    if (out / RECOGNITION).exists() and not overwrite and not resume:
        raise UserError(f"{out} holds a gait model already; choose another folder, or --overwrite")
    if resume and not any(_training(out, task, STATE).exists() for task in tasks_of(config.model)):
        raise UserError(f"{out} holds no training to resume: no encoder has a {STATE}")
    splits, people = _checked(config, encoders, device)
    # A training that cannot be leaves the folder as it was.
    with locked_folder(out, "--out"):
        write_text(out / CONFIG, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        files = list(encoders)
        if not files:
            for task in tasks_of(config.model):
                going_on = resume and _training(out, task, STATE).exists()
                train_encoder(
                    splits.train, task, config, _training(out, task), device, going_on, overwrite,
                    {"data": config.data.layout},
                )  # fmt: skip
                files.append(_training(out, task, BEST))
        return _recognise(config, out, splits, people, files, device)


def _recognise(
    config: GaitConfig, out: Path, splits: GaitSplits, people: tuple[int, ...], files: Sequence[Path], device: str
) -> GaitScores:
    """Train the recognition network on finished encoders, score and write."""
    models = _open_encoders(files, config, device)
    train = splits.train
    features = extract(models, train, "training")
    classes = classes_of(train.people, people, "training")
    learn, judge = hold_out(train, config.data.validation)
    if config.recognition.select_on_test:
        learn = np.arange(len(train))
        chosen_on = _test_sample(models, splits, people)
    else:
        chosen_on = (features[judge], classes[judge])
    network, epoch, rank1 = train_recognition(
        features[learn], classes[learn], chosen_on, len(people), config.level, config.recognition, config.seed, device
    )
    info = RecognitionInfo(
        model=config.model,
        level=config.level,
        people=people,
        features=network.hidden.in_features,
        encoders=tuple(file_sha256(file) for file in files),
        files=tuple(os.path.relpath(file, out) for file in files),
        provenance={
            "chosen_on": "the test set" if config.recognition.select_on_test else "validation",
            "epoch": str(epoch),
            "rank1": f"{rank1:.5f}",
            "seed": str(config.seed),
        },
    )
    save_recognition(out / RECOGNITION, network, info)
    found = _score(models, network, info, splits)
    write_text(out / SCORES, json.dumps(found.plain()) + "\n")
    return found


def preview_gait(config: GaitConfig, encoders: Sequence[Path] = ()) -> Preview:
    """Read the sequences and the encoders, and look whether a training can be made of them."""
    found = Preview(config.model_dump(mode="json"))
    ready = found.attempt(partial(_checked, config, encoders, "cpu"))
    if ready is not None:
        splits, people = ready
        found.facts.append(f"train: {len(splits.train)} sequences of {len(people)} people")
        found.facts += [f"test {name}: {len(test)} sequences" for name, test in splits.tests.items()]
        learnt = found.attempt(partial(learnt_and_judged, splits.train, config.data.validation))
        if learnt is not None:
            found.facts.append(f"validation: {len(learnt[1])} of the sequences of train")
    return found


def evaluate_gait(folder: Path, overrides: Sequence[str] = (), device: str = "cpu") -> GaitScores:
    """Score a model that ``train_gait`` made; nothing is written, ``scores.json`` stays that of the training.

    Args:
        folder: of the model.
        overrides: "key.sub=value" of its configuration: data of another place or view.
        device: torch device.

    Raises:
        UserError: when the folder, its encoders or the data do not fit.
    """
    config = load_section(GaitConfig, folder / CONFIG, overrides)
    network, info = load_recognition(folder / RECOGNITION, device)
    files = [folder / name for name in info.files]
    absent = [str(file) for file in files if not file.exists()]
    if absent:
        raise UserError(f"{folder / RECOGNITION}: its encoder {absent[0]} is gone; bring it back, or train again")
    check_encoders(info, [file_sha256(file) for file in files], folder / RECOGNITION)
    return _score(_open_encoders(files, config, device), network, info, read_splits(config))


def read_splits(config: GaitConfig) -> GaitSplits:
    """The data set of a configuration.

    Raises:
        UserError: when it is absent or does not fit.
    """
    return GAIT_LAYOUTS[config.data.layout](config.data.root, config.data.frames, config.data.view)


def _training(out: Path, task: Task, *name: str) -> Path:
    """The training of an encoder, or a file of it."""
    return out.joinpath("encoders", task, *name)


def _checked(config: GaitConfig, encoders: Sequence[Path], device: str) -> tuple[GaitSplits, tuple[int, ...]]:
    """The data set, and the people of its training, once all is there that a training takes."""
    splits = read_splits(config)
    if encoders:
        _open_encoders(encoders, config, device)
    people = tuple(np.unique(splits.train.people).tolist())
    for name, test in splits.tests.items():
        classes_of(test.people, people, name)
    return splits, people


def _open_encoders(files: Sequence[Path], config: GaitConfig, device: str) -> list[GaitEncoder]:
    models = [load_encoder(file, device) for file in files]
    tasks = [model.spec.task for model in models]
    if tasks != list(tasks_of(config.model)):
        raise UserError(
            f"model {config.model} takes encoders of {', '.join(tasks_of(config.model))}; "
            f"those given are of {', '.join(tasks)}"
        )
    return models


def _test_sample(models: Sequence[GaitEncoder], splits: GaitSplits, people: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Features and classes of all tests."""
    made = [(extract(models, test, name), classes_of(test.people, people, name)) for name, test in splits.tests.items()]
    return torch.cat([features for features, _ in made]), torch.cat([classes for _, classes in made])


def _score(
    models: Sequence[GaitEncoder], network: RecognitionNetwork, info: RecognitionInfo, splits: GaitSplits
) -> GaitScores:
    features = {name: extract(models, test, name) for name, test in splits.tests.items()}
    recognition = {}
    for name, test in splits.tests.items():
        classes = classes_of(test.people, info.people, name).numpy()
        recognition[name] = recognition_scores(scores(network, features[name], info.level).numpy(), classes)
    whole = {name: sequence_features(found) for name, found in features.items()}
    matching = {
        f"{probe}-{gallery}": match_conditions(
            whole[probe], splits.tests[probe].people, whole[gallery], splits.tests[gallery].people,
            splits.tests[probe].followed if probe == gallery else None,
        )
        for probe in splits.tests
        for gallery in splits.tests
    }  # fmt: skip
    return GaitScores(recognition, matching, info.people)
