"""What a training of KPR, BPBReID or SAN would be, and whether everything it needs is there."""

from functools import partial

from data.training_preview import Preview
from reid.samples.sources import ReidData, join, read_source
from reid.training.config import TrainConfig
from reid.training.data import Split, training_data
from reid.training.san import begin, new_network
from reid.training.san_config import SanTrainConfig
from reid.training.san_sets import batches_of, san_data
from reid.weights.pretrained import starting_file


def preview(config: TrainConfig) -> Preview:
    """List and check the data and look for the backbone's file; pictures are not opened."""
    found = Preview(config.model_dump(mode="json"))
    start = found.attempt(partial(starting_file, config.pretrained, config.model.backbone, config.model.mean))
    if start is not None or config.pretrained == "none":
        found.facts.append(f"starts from {start or 'random weights'}")
    parts: list[ReidData] = []
    for source in config.train:
        part = found.attempt(partial(read_source, source, "train", config.batch.bad_files))
        if part is not None:
            parts.append(part)
    samples, people, cameras = join([part.train for part in parts])
    if len(parts) == len(config.train):
        found.facts.append(f"train: {len(samples)} crops of {people} people from {len(cameras)} cameras")
        if people < config.batch.people:
            found.problems.append(
                f"the training set has {people} identities, fewer than one batch of {config.batch.people}; lower "
                "batch.people"
            )
    for tested in (config.test, *config.test_also):
        data = None if tested is None else found.attempt(partial(read_source, tested, "test"))
        if data is not None and tested is not None:
            found.facts.append(f"test: {len(data.query)} queries, {len(data.gallery)} gallery crops in {tested.folder}")
    if not found.problems:
        checked = found.attempt(
            partial(
                training_data, config.train, config.test, config.test_rule, config.select, config.batch.people,
                config.seed, config.batch.bad_files, config.test_also,
            )
        )  # fmt: skip
        if checked is not None and checked.validation is not None:
            held, queries = people - checked.people, len(checked.validation.query)
            found.facts.append(f"validation: {held} of the people of train, {queries} queries")
        people = people if checked is None else checked.people
    found.tree["model"] = config.spec(max(people, 1), len(cameras)).model_dump(mode="json")
    return found


def preview_san(config: SanTrainConfig) -> Preview:
    """List and check pictures and textures, of which the first are read, and put the starting weights in."""
    found = Preview(config.model_dump(mode="json"))
    data = found.attempt(partial(san_data, config))
    if data is not None:
        what = "textures" if config.pairs else "people"
        found.facts.append(f"train: {len(data.pictures)} pictures of {data.people} {what}")
        for name, judged in data.judged.items():
            told = f"{len(judged.query)} queries" if isinstance(judged, Split) else f"{len(judged)} pairs"
            found.facts.append(f"{name}: {told}")
        found.attempt(partial(batches_of, data, config))
    found.attempt(partial(begin, new_network(config, 1 if data is None else data.people), config))
    return found
