"""What could be run instead of the configured networks, from the most accurate to the cheapest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.weight_records import ResolvedWeights, as_weights
from pipeline.config import Config
from pipeline.weights.store import AUTO, WeightStore
from reid.config import ReidConfig

# Detectors whose input size is free, and the shares of it that are tried.
_FREE_SIZE = ("ultralytics", "person_pose")
_SHARES = (0.75, 0.5)
_USUAL_SIDE_PX = 640
_SIDE_STEP_PX = 32
_SMALLEST_PERSON_PX = 16.0

# Cheaper networks of the manifest, the more accurate first; each is taken only where its file is at hand.
_CHEAP_DETECTORS = {"yolox_nano_416x416": "yolox_onnx", "yolo11n_int8_320": "yolo_onnx"}
_CHEAP_REID = {"person-reidentification-retail-0288": "osnet_onnx"}
_CALM_FPS = (10.0, 5.0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to run.

    Attributes:
        changes: what differs from the configuration, as overrides ("key.sub=value"); empty: nothing.
        config: with the changes.
    """

    changes: tuple[str, ...]
    config: Config

    def changed(self, **sections: dict[str, object]) -> "Candidate":
        """With more changes: section -> key -> value."""
        config, changes = self.config, list(self.changes)
        for section, values in sections.items():
            config = config.model_copy(update={section: getattr(config, section).model_copy(update=values)})
            changes += [f"{section}.{key}={_yaml(value)}" for key, value in values.items()]
        return Candidate(tuple(changes), config)


def candidates(config: Config, weights: WeightStore, person_share: float | None) -> Iterator[Candidate]:
    """Ways to run, each cheaper than the one before it.

    Every frame with the configured networks comes first, then the schedule, smaller input, cheaper networks that are at
    hand (in the cache, or beside the configured ones), and last fewer frames per second.

    Args:
        config: as configured.
        weights: where weights lie; nothing is fetched.
        person_share: height of small people as a share of the picture's longer side, or None where none was seen: they
            must stay at least 16 px high in the detector's input.
    """
    latest = Candidate((), config)
    yield latest
    if config.detector.schedule == "every":
        latest = latest.changed(detector={"schedule": "auto"})
        yield latest
    for size in _smaller_inputs(config, person_share):
        yield latest.changed(detector={"input_size": size})
    here = _folders(config, weights)
    cheap_reid = _first(here, weights, _CHEAP_REID)
    if cheap_reid is not None and config.reid.name != "none" and not _is(config.reid, cheap_reid):
        # Parts need skeletons, one vector does not.
        name = _CHEAP_REID[cheap_reid.name]
        latest = latest.changed(reid={"name": name, "weights": str(cheap_reid.path)}, pose={"name": "none"})
        yield latest
    for detector in _at_hand(here, weights, _CHEAP_DETECTORS):
        side = _input_side(detector)
        if Path(config.detector.weights).name == detector.path.name or _too_small(person_share, side):
            continue
        name = _CHEAP_DETECTORS[detector.name]
        latest = latest.changed(detector={"name": name, "weights": str(detector.path), "input_size": None})
        if latest.config.pose.name == "detector":
            latest = latest.changed(pose={"name": "none"})
        yield latest
    for fps in _CALM_FPS:
        if config.sources.max_fps is None or config.sources.max_fps > fps:
            yield latest.changed(sources={"max_fps": fps})


def _smaller_inputs(config: Config, person_share: float | None) -> list[tuple[int, int]]:
    if config.detector.name not in _FREE_SIZE:
        return []
    height, width = config.detector.input_size or (_USUAL_SIDE_PX, _USUAL_SIDE_PX)
    sizes = [(_multiple(height * share), _multiple(width * share)) for share in _SHARES]
    return [size for size in sizes if not _too_small(person_share, max(size))]


def _too_small(person_share: float | None, side_px: int) -> bool:
    """Small people would be too small in a network's input."""
    return person_share is not None and person_share * side_px < _SMALLEST_PERSON_PX


def _multiple(side_px: float) -> int:
    return max(round(side_px / _SIDE_STEP_PX), 1) * _SIDE_STEP_PX


def _folders(config: Config, weights: WeightStore) -> list[Path]:
    """Where files that are at hand lie: the cache, and beside those that are configured."""
    named = [
        Path(section.weights).parent for section in (config.detector, config.reid) if Path(section.weights).exists()
    ]
    return [weights.cache_dir, *dict.fromkeys(named)]


def _at_hand(folders: list[Path], weights: WeightStore, names: dict[str, str]) -> list[ResolvedWeights]:
    """The networks of these names whose files lie in one of the folders, undamaged."""
    found = []
    for name in names:
        record = weights.records.get(name)
        for folder in folders if record is not None else ():
            path = folder / record.file if record is not None else folder
            if path.exists() and (known := as_weights(path, weights.records)).record is record:
                found.append(known)
                break
    return found


def _first(folders: list[Path], weights: WeightStore, names: dict[str, str]) -> ResolvedWeights | None:
    return next(iter(_at_hand(folders, weights, names)), None)


def _is(config: ReidConfig, weights: ResolvedWeights) -> bool:
    return config.weights != AUTO and Path(config.weights).name == weights.path.name


def _input_side(weights: ResolvedWeights) -> int:
    options = None if weights.record is None else weights.record.input
    return _USUAL_SIDE_PX if options is None or options.input_size is None else max(options.input_size)


def _yaml(value: object) -> str:
    if value is None:
        return "null"
    return str(list(value)) if isinstance(value, tuple) else str(value)
