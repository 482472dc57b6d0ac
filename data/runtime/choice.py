"""Which runtime computes a network: measured once on a machine, remembered, and the same until the end of a run."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from data.atomic import write_text
from data.errors import UserError
from data.foreign import read_json
from data.runtime.cores import shared_cores
from data.runtime.division import rows_of_a_run, threads_of_a_run
from data.runtime.machine import machine_id
from data.runtime.network import FloatArray, Network
from data.runtime.opener import UNFOLDED, Model, Opener
from data.runtime.openvino import computes_bf16, has_openvino
from data.runtime.trial import TOLERANCE, Trial, cpu_ms_per_row, difference

logger = logging.getLogger(__name__)

RuntimeName = Literal["auto", "onnxruntime", "openvino"]

# Another runtime than the reference must be worth it; what lies closer is noise, and changes from day to day.
_WORTH_SHARE = 0.9
_WORTH_MS = 0.2
_FILE = "runtimes.json"
_APART = "differs"


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """What computes a network.

    Attributes:
        runtime: onnxruntime or openvino.
        precision: fp32 or bf16; int8: convolutions that quantise their input stay so.
        unfolded: such convolutions are computed in floating point, see ``data.runtime.unfolding``.
        threads: of one run.
        rows: that are not divided among cores, see ``data.runtime.cores.Share``.
        cpu_ms: per candidate, CPU milliseconds of a row; empty where nothing was measured.
        refused: per candidate that was not taken although it might be faster, why.
    """

    runtime: str
    precision: str = "fp32"
    unfolded: bool = False
    threads: int = 1
    rows: int = 1
    cpu_ms: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """ "openvino bf16", "openvino bf16 unfolded"."""
        return f"{self.runtime} {self.precision}" + (f" {UNFOLDED}" if self.unfolded else "")

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "RuntimeChoice":
        """What ``to_json`` gave.

        Raises:
            KeyError, TypeError: for anything else.
        """
        return RuntimeChoice(
            str(value["runtime"]),
            str(value["precision"]),
            bool(value.get("unfolded", False)),
            int(value.get("threads", 1)),
            int(value.get("rows", 1)),
            dict(value["cpu_ms"]),
            dict(value["refused"]),
        )


class Runtimes:
    """Opens networks on the runtime that is best for each.

    Attributes:
        chosen: what was opened so far, by the model's key; for the run's manifest.
    """

    def __init__(self, folder: Path | None = None, fixed: Mapping[str, RuntimeChoice] | None = None) -> None:
        """Prepare; nothing is read yet.

        Args:
            folder: where choices and compiled models are kept; None measures nothing and takes the file's own runtime.
            fixed: choices of an interrupted run, which go before everything else.
        """
        self._folder, self._fixed = folder, dict(fixed or {})
        self.chosen: dict[str, RuntimeChoice] = {}

    def open(self, model: Model, runtime: RuntimeName, device: str, cores: int, at_once: int, trial: Trial) -> Network:
        """Open a network.

        Args:
            model: what to open.
            runtime: auto measures what there is, once on a machine; another name takes that runtime.
            device: see ``data.runtime.onnx.execution_providers``.
            cores: CPU cores all networks together may use; 0: all.
            at_once: rows that are given together.
            trial: how candidates are compared.

        Raises:
            UserError: when no runtime reads the file, or one that was asked for or began the run does not.
        """
        build = Opener(model, device, cores, min(at_once, shared_cores(cores).count), self._folder)
        fixed = self._fixed.get(model.key)
        if fixed is not None:
            self.chosen[model.key] = fixed
            try:
                return build(fixed.name, fixed.threads, fixed.rows)
            except UserError as error:
                raise UserError(
                    f"{error}; the run began with {fixed.name}, so resume where that works, or begin anew"
                ) from None
        how = f"{runtime} {device} {build.at_once} at once on {build.count} cores"
        names = _candidates(build, runtime)
        network, choice = self._known(build, names, how) or self._new(build, names, trial, how)
        self.chosen[model.key] = choice
        return network

    def _known(self, build: Opener, names: list[str], how: str) -> tuple[Network, RuntimeChoice] | None:
        """What was measured on this machine before."""
        if self._folder is None:
            return None
        known = _read(self._folder / _FILE).get(machine_id(), {}).get(f"{build.model.key} {how}")
        if known is None or known.name not in names:
            return None
        try:
            return build(known.name, known.threads, known.rows), known
        except UserError as error:
            logger.warning("%s: what was best here before fails now, so it is measured again", error)
            return None

    def _new(self, build: Opener, names: list[str], trial: Trial, how: str) -> tuple[Network, RuntimeChoice]:
        if self._folder is None:
            stored = next(name for name in names if not name.endswith(UNFOLDED))
            return build(stored), _choice(stored)
        if len(names) == 1:
            network, choice = build(names[0]), _choice(names[0])
        else:
            logger.info("%s: %s are compared, once on this machine", build.model.label, " and ".join(names))
            network, choice = compare(build, names, trial)
        if build.count > 1 and not build.on_gpu(choice.runtime):
            choice = divided(build, choice, trial.blob(network))
            network = build(choice.name, choice.threads, choice.rows)
        elif len(names) == 1:
            return network, choice
        kept = _read(self._folder / _FILE)
        kept.setdefault(machine_id(), {})[f"{build.model.key} {how}"] = choice
        _write(self._folder / _FILE, kept)
        logger.info(
            "%s: %s, %d thread(s) a run (CPU ms a row: %s)",
            build.model.label, choice.name, choice.threads, _told(choice.cpu_ms),
        )  # fmt: skip
        return network, choice


def _candidates(build: Opener, runtime: str) -> list[str]:
    """Names of what may compute a model; the reference, which the others must agree with, is the first.

    Raises:
        UserError: for a file that the runtime that was asked for cannot read.
    """
    model = build.model
    if model.is_ir and runtime == "onnxruntime":
        raise UserError(f"{model.label} is an OpenVINO model, which onnxruntime does not read; set runtime to openvino")
    folded = build.is_folded
    stored = "int8" if folded else "fp32"
    if runtime == "onnxruntime" or (runtime == "auto" and not model.is_ir and build.on_gpu("onnxruntime")):
        return [f"onnxruntime {stored}"]
    form = f" {UNFOLDED}" if folded else ""
    names = [] if model.is_ir or runtime == "openvino" else [f"onnxruntime fp32{form}"]
    if has_openvino() or not names:
        names += [f"openvino fp32{form}"] + ([f"openvino bf16{form}"] if has_openvino() and computes_bf16() else [])
    # Last, as what rounds most cannot be what the others are compared with.
    return [*names, f"{names[0].split()[0]} int8"] if folded else names


def compare(build: Callable[[str], Network], names: Iterable[str], trial: Trial) -> tuple[Network, RuntimeChoice]:
    """Open all candidates, refuse those that fail or disagree with the first that runs, and take the cheapest.

    Args:
        build: opens a candidate.
        names: the candidates, the reference first.
        trial: how they are compared.

    Raises:
        UserError: of the first candidate, when none runs.
    """
    running: dict[str, Network] = {}
    refused: dict[str, str] = {}
    first: UserError | None = None
    blob, expected = None, None
    for name in names:
        try:
            network = build(name)
            blob = trial.blob(network) if blob is None else blob
            found = trial.select(network, network.run(blob))
        except UserError as error:
            first, refused[name] = first or error, str(error)
            continue
        if difference(found, found) > 0:
            refused[name] = f"{_APART}: its output is not finite"
            first = first or UserError(f"{name} gives values that are not finite on a picture")
            continue
        expected = found if expected is None else expected
        apart, most = difference(expected, found), TOLERANCE[name.split()[1]]
        if apart > most:
            refused[name] = f"{_APART} by {apart:.2%} from {next(iter(running))}, at most {most:.0%} is allowed"
        else:
            running[name] = network
    if blob is None or not running:
        raise first or UserError("there is no runtime to compare")
    spent = cpu_ms_per_row(running, blob)
    reference, best = next(iter(running)), min(spent, key=lambda name: spent[name])
    worth = spent[best] <= min(_WORTH_SHARE * spent[reference], spent[reference] - _WORTH_MS)
    taken = best if worth else reference
    return running[taken], _choice(taken, spent, refused)


def divided(build: Opener, choice: RuntimeChoice, blob: FloatArray) -> RuntimeChoice:
    """Measure how the runs of a network that was chosen use the cores.

    Args:
        build: opens it.
        choice: what computes it.
        blob: (N, ...) input.
    """
    single = build.count // build.at_once
    threads = threads_of_a_run(lambda count: build(choice.name, count), blob[:1], single)
    # Rows are divided only among runs that go on at once.
    several = build.at_once > 1
    rows = rows_of_a_run(lambda count: build(choice.name, threads, count), blob) if several else 1
    return replace(choice, threads=threads, rows=rows)


def refusals(chosen: Mapping[str, RuntimeChoice]) -> list[str]:
    """A line for each runtime that failed on a network; one that was too inexact is in the choice only."""
    return [
        f"{key}: {name} failed and is not used ({reason}); {choice.name} computes it"
        for key, choice in chosen.items()
        for name, reason in choice.refused.items()
        if not reason.startswith(_APART)
    ]


def _choice(
    name: str, cpu_ms: Mapping[str, float] | None = None, refused: Mapping[str, str] | None = None
) -> RuntimeChoice:
    runtime, precision, *form = name.split()
    return RuntimeChoice(runtime, precision, bool(form), cpu_ms=dict(cpu_ms or {}), refused=dict(refused or {}))


def _read(path: Path) -> dict[str, dict[str, RuntimeChoice]]:
    """Machine -> model -> choice; nothing where there is no such file, or a broken one."""
    if not path.exists():
        return {}
    try:
        tree = read_json(path)
        return {
            machine: {key: RuntimeChoice.from_json(value) for key, value in models.items()}
            for machine, models in tree.items()
        }
    except (UserError, ValueError, KeyError, TypeError, AttributeError):
        logger.warning("%s is broken: runtimes are measured again", path)
        return {}


def _write(path: Path, kept: Mapping[str, Mapping[str, RuntimeChoice]]) -> None:
    tree = {machine: {key: choice.to_json() for key, choice in models.items()} for machine, models in kept.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(tree, indent=1) + "\n")
    except OSError as error:
        logger.warning("%s cannot be written (%s): runtimes are measured at every start", path, error.strerror)


def _told(cpu_ms: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {spent:.1f}" for name, spent in cpu_ms.items())
