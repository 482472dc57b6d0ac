"""What a training would be: its configuration as it would run, and whether everything it needs is there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from data.errors import UserError
from reid.samples.sources import ReidData, join, read_source
from reid.training.config import TrainConfig
from reid.training.data import training_data
from reid.weights.pretrained import starting_file

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Preview:
    """What can be told before the first step.

    Attributes:
        tree: the configuration, every default filled in; the network as the data make it.
        facts: what was found, a line each.
        problems: what would end the training, a line each.
    """

    tree: dict[str, Any]
    facts: tuple[str, ...]
    problems: tuple[str, ...]


def preview(config: TrainConfig) -> Preview:
    """List and check the data and look for the backbone's file; pictures are not opened."""
    problems: list[str] = []

    def attempt(step: Callable[[], _Result]) -> _Result | None:
        try:
            return step()
        except UserError as error:
            problems.append(str(error))
            return None

    facts: list[str] = []
    start = attempt(partial(starting_file, config.pretrained, config.model.backbone, config.model.mean))
    if start is not None or config.pretrained == "none":
        facts.append(f"starts from {start or 'random weights'}")
    parts: list[ReidData] = []
    for source in config.train:
        found = attempt(partial(read_source, source, "train", config.batch.bad_files))
        if found is not None:
            parts.append(found)
    samples, people, cameras = join([part.train for part in parts])
    if len(parts) == len(config.train):
        facts.append(f"train: {len(samples)} crops of {people} people from {len(cameras)} cameras")
        if people < config.batch.people:
            problems.append(
                f"the training set has {people} identities, fewer than one batch of {config.batch.people}; lower "
                "batch.people"
            )
    for tested in (config.test, *config.test_also):
        data = None if tested is None else attempt(partial(read_source, tested, "test"))
        if data is not None and tested is not None:
            facts.append(f"test: {len(data.query)} queries, {len(data.gallery)} gallery crops in {tested.folder}")
    if not problems:
        checked = attempt(
            partial(
                training_data, config.train, config.test, config.test_rule, config.select, config.batch.people,
                config.seed, config.batch.bad_files, config.test_also,
            )
        )  # fmt: skip
        if checked is not None and checked.validation is not None:
            held, queries = people - checked.people, len(checked.validation.query)
            facts.append(f"validation: {held} of the people of train, {queries} queries")
        people = people if checked is None else checked.people
    tree = config.model_dump(mode="json")
    tree["model"] = config.spec(max(people, 1), len(cameras)).model_dump(mode="json")
    return Preview(tree, tuple(facts), tuple(problems))
