"""What is known of a file of network weights: where it comes from and how pictures must be prepared for it.

Preprocessing is read from the record (``data/weights/manifest.yaml``), never from a default: the same network with
the wrong colour order or scale still runs, only worse. A record is found by name or by the sha256 of the file, so a
file the user names is recognised whatever it is called.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from data.config import Section
from data.errors import UserError
from data.foreign import read_yaml
from data.runtime.choice import RuntimeName, Runtimes

WeightKind = Literal["detector", "pose", "reid"]
People = Literal["real", "synthetic"]
Colour = Literal["rgb", "bgr"]
Normalisation = Literal["0-255", "0-1", "imagenet", "half"]

SHIPPED_FOLDER = Path(__file__).resolve().parent / "weights"
_BLOCK = 1 << 20


class NetworkChoice(Section):
    """Which back-end, and which weights it runs."""

    name: str
    weights: str = Field("auto", description="file, name in data/weights/manifest.yaml, or auto")
    runtime: RuntimeName = Field(
        "auto",
        description="what computes ONNX and OpenVINO networks: onnxruntime, openvino, or auto: the cheapest that "
        "agrees with the others, measured once on this machine",
    )


class InputOptions(Section):
    """How pictures are prepared for a network. Unset fields come from the weights' record or from the file itself."""

    input_size: tuple[int, int] | None = Field(
        None, description="height, width px, multiples of 32; null: as the weights say"
    )
    colour: Colour | None = Field(
        None, description="rgb or bgr, what the network wants; null: as the weights' record says"
    )
    normalisation: Normalisation | None = Field(
        None,
        description="0-255, 0-1, imagenet or half ((x - 0.5) / 0.5); null: as the weights' record says",
    )

    def over(self, other: "InputOptions | None") -> "InputOptions":
        """These options, with the gaps filled from another source."""
        if other is None:
            return self
        filled = {name: getattr(other, name) for name in InputOptions.model_fields if getattr(self, name) is None}
        own = {name: getattr(self, name) for name in InputOptions.model_fields if getattr(self, name) is not None}
        return InputOptions(**{**filled, **own})


class FileRecord(Section):
    """A file that belongs to another one."""

    file: str = Field(description="its name, in the same folder")
    url: str | None = Field(None, description="http(s) address, or null: the user brings the file")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class WeightRecord(Section):
    """One file of weights."""

    kinds: tuple[WeightKind, ...] = Field(description="what it can be used as")
    backends: tuple[str, ...] = Field(description="names of the back-ends that read it")
    file: str = Field(description="file name in the cache or in data/weights")
    url: str | None = Field(None, description="http(s) address, 'shipped', or null: the user brings the file")
    member: str | None = Field(None, description="the address is a zip archive: name of the file inside")
    beside: tuple[FileRecord, ...] = Field(
        (), description="files that must lie beside it (the .bin of an OpenVINO .xml)"
    )
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the file itself (not of the archive)")
    size_bytes: int | None = Field(None, gt=0)
    licence: str
    input: InputOptions | None = Field(None, description="preprocessing; null: the file describes itself")
    output: str = Field("", description="what the network gives, where several conventions exist")
    part_names: tuple[str, ...] = ()
    trained_on: People
    how: str = Field(description="network, training data, origin")
    scores: dict[str, float] = Field(default_factory=dict, description="published or measured figures")


_OUR_ENTRIES = "mtmct_"


@dataclass(frozen=True, slots=True)
class ResolvedWeights:
    """A file that is there, and what is known of it.

    Attributes:
        path: the file (a folder for OpenVINO models).
        sha256: of its bytes.
        name: key in the manifest, or the file's own name.
        record: None for a file the manifest does not know.
        trained_on: real or synthetic people, as the record or else the file itself says; None where neither does.
        runtimes: decides what computes it, and remembers.
    """

    path: Path
    sha256: str
    name: str
    record: WeightRecord | None
    trained_on: People | None = None
    runtimes: Runtimes = field(default_factory=Runtimes, compare=False)

    @property
    def model_id(self) -> str:
        """Name and the first eight digits of the hash: equal only for equal weights."""
        return f"{self.name}@{self.sha256[:8]}"

    @property
    def key(self) -> str:
        """What its network is remembered by, and the networks that are made of it begin with."""
        return f"{self.name} {self.sha256[:16]}"


def read_manifest(path: Path = SHIPPED_FOLDER / "manifest.yaml") -> dict[str, WeightRecord]:
    """Read a manifest: name -> record.

    Raises:
        UserError: when the file is missing or a record is malformed.
    """
    entries = read_yaml(path, f"the weights manifest {path}")
    if entries is not None and not isinstance(entries, dict):
        raise UserError(f"the weights manifest {path} must be a mapping of names to records")
    try:
        return {str(name): WeightRecord.model_validate(entry) for name, entry in (entries or {}).items()}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UserError(f"weights manifest {path}: {where}: {first['msg']}") from error


def people_of(provenance: Mapping[str, str]) -> People | None:
    """Which people weights learned from, by the provenance in their own header.

    Args:
        provenance: ``people`` says it, as "real", "synthetic" or "real and synthetic"; where there is no such key, the
            names of the data sets in ``trained_on`` may.

    Returns:
        synthetic where all people were rendered; None where nothing tells.
    """
    said = provenance.get("people", "").split()
    if "real" in said:
        return "real"
    told = "synthetic" in said or "synthetic" in provenance.get("trained_on", "").lower()
    return "synthetic" if told else None


@cache
def known_weights() -> Mapping[str, WeightRecord]:
    """The project's own manifest."""
    return read_manifest()


def file_sha256(path: Path) -> str:
    """Hash of a file, or of all files below a folder (their relative names included, in sorted order)."""
    digest = hashlib.sha256()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    for entry in files:
        if path.is_dir():
            digest.update(entry.relative_to(path).as_posix().encode() + b"\0")
        with entry.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def input_options(options: InputOptions, weights: ResolvedWeights, section: str) -> InputOptions:
    """The preprocessing of a file, the configuration first, then its record; colour and normalisation are certain.

    Args:
        options: what the configuration says (any ``InputOptions``; unset fields are null).
        weights: the file.
        section: name of the configuration section, for the message.

    Raises:
        UserError: when colour or normalisation stay unknown: they are never guessed.
    """
    merged = options.over(weights.record.input if weights.record else None)
    missing = [f"{section}.{name}" for name in ("colour", "normalisation") if getattr(merged, name) is None]
    if missing:
        raise UserError(
            f"{weights.path}: nothing is known of how pictures must be prepared for these weights; "
            f"set {' and '.join(missing)}, or use a file of data/weights/manifest.yaml"
        )
    return merged


def as_weights(
    weights: ResolvedWeights | str | Path, records: Mapping[str, WeightRecord] | None = None
) -> ResolvedWeights:
    """Weights that are resolved, or a file: looked up by its hash, so that it has its record whatever it is called.

    Args:
        weights: what is known already, or where the file (an OpenVINO model: the folder) lies.
        records: name -> record; None: the project's manifest.

    Raises:
        UserError: when there is no such file.
    """
    if isinstance(weights, ResolvedWeights):
        return weights
    path = Path(weights).expanduser()
    if not path.exists():
        raise UserError(f"there is no weight file {path}; check the path")
    digest = file_sha256(path)
    for name, record in (known_weights() if records is None else records).items():
        if record.sha256 == digest:
            check_beside(path, record)
            return ResolvedWeights(path, digest, name, record, record.trained_on)
    return ResolvedWeights(path, _with_numbers(path, digest), path.stem, None, _own_word(path))


def check_beside(path: Path, record: WeightRecord) -> None:
    """Check that the files that belong to a known file lie beside it.

    Raises:
        UserError: naming the first that is absent or another one.
    """
    for part in record.beside:
        other = path.with_name(path.stem + Path(part.file).suffix)
        if not other.is_file():
            raise UserError(f"{path} needs {other.name} beside it, which is not there; copy both files")
        if file_sha256(other) != part.sha256:
            raise UserError(f"{other} is damaged or does not belong to {path.name}; fetch both files anew")


def _with_numbers(path: Path, digest: str) -> str:
    """The .xml of an OpenVINO model only describes it: its numbers, in the .bin beside it, are part of its identity."""
    numbers = path.with_suffix(".bin")
    if path.suffix != ".xml" or not numbers.is_file():
        return digest
    return hashlib.sha256(f"{digest} {file_sha256(numbers)}".encode()).hexdigest()


def _own_word(path: Path) -> People | None:
    """What a file of ours says in its header about the people it was trained on.

    The header of every kind of network has one entry of ours, JSON with a ``provenance``. What else is wrong with a
    file is for its back-end to say.
    """
    if path.suffix != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
        entries = [json.loads(text) for name, text in sorted(header.items()) if name.startswith(_OUR_ENTRIES)]
    except (SafetensorError, OSError, json.JSONDecodeError):
        return None
    told = [entry["provenance"] for entry in entries if isinstance(entry, dict) and "provenance" in entry]
    return people_of(told[0]) if told and isinstance(told[0], dict) else None
