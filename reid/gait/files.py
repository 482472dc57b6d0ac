"""Files of gait models: safetensors, with what is needed to rebuild the network in the header.

An encoder and a recognition network are two files; the latter knows the encoders whose features it takes by their
sha256, so that it is never run on others.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from pydantic import Field, ValidationError

from data.atomic import replacing
from data.config import Section
from data.errors import UserError, first_line
from data.skeleton_forms import Form
from reid.gait.spec import GaitModel, GaitSpec, Level

if TYPE_CHECKING:
    from torch import nn

    from reid.gait.encoder import GaitEncoder
    from reid.gait.matching import GaitMatcher
    from reid.gait.recognition import RecognitionNetwork

Header = TypeVar("Header", bound=Section)

ENCODER_ENTRY, RECOGNITION_ENTRY, MATCHER_ENTRY = "mtmct_gait", "mtmct_gait_recognition", "mtmct_gait_matcher"
_MATCHER_TENSORS = ("mean", "directions", "between")
_ENCODER_PREFIX = "encoder."


class EncoderInfo(Section):
    """Header of an encoder's file."""

    spec: GaitSpec
    provenance: dict[str, str] = Field(default_factory=dict)
    version: Literal[1] = 1


class RecognitionInfo(Section):
    """Header of a recognition network's file."""

    model: GaitModel
    level: Level
    people: tuple[int, ...] = Field(description="number of the person of each output")
    features: int = Field(ge=1, description="inputs")
    encoders: tuple[str, ...] = Field(description="sha256 of the encoders' files, in the order of the features")
    files: tuple[str, ...] = Field((), description="where they lay, from the folder of this file")
    provenance: dict[str, str] = Field(default_factory=dict)
    version: Literal[1] = 1


class MatcherInfo(Section):
    """Header of a matcher's file."""

    form: Form
    fps: float = Field(gt=0)
    frames: int = Field(ge=2)
    encoder: GaitSpec | None = Field(None, description="null: statistics of joints are compared")
    provenance: dict[str, str] = Field(default_factory=dict)
    version: Literal[1] = 1


def save_encoder(path: Path, model: "GaitEncoder", provenance: Mapping[str, str]) -> None:
    """Write an encoder; the file appears whole or not at all."""
    info = EncoderInfo(spec=model.spec, provenance=dict(sorted(provenance.items())))
    _save(path, model, ENCODER_ENTRY, info)


def load_encoder(path: Path, device: str = "cpu") -> "GaitEncoder":
    """Read an encoder, in evaluation mode.

    Raises:
        UserError: when the file is absent, damaged or no encoder of ours.
    """
    from reid.gait.encoder import GaitEncoder

    model = GaitEncoder(read_encoder_info(path).spec)
    _fill(path, model)
    return model.eval().to(device)


def read_encoder_info(path: Path) -> EncoderInfo:
    """Header of an encoder's file; see ``load_encoder``."""
    return _header(path, ENCODER_ENTRY, EncoderInfo, "gait encoder")


def save_recognition(path: Path, model: "RecognitionNetwork", info: RecognitionInfo) -> None:
    """Write a recognition network; the file appears whole or not at all."""
    _save(path, model, RECOGNITION_ENTRY, info)


def load_recognition(path: Path, device: str = "cpu") -> "tuple[RecognitionNetwork, RecognitionInfo]":
    """Read a recognition network, in evaluation mode.

    Raises:
        UserError: when the file is absent, damaged or no recognition network of ours.
    """
    from reid.gait.recognition import RecognitionNetwork

    info = _header(path, RECOGNITION_ENTRY, RecognitionInfo, "gait recognition network")
    model = RecognitionNetwork(info.features, len(info.people))
    _fill(path, model)
    return model.eval().to(device), info


def save_matcher(
    path: Path, matcher: "GaitMatcher", encoder: "GaitEncoder | None", provenance: Mapping[str, str]
) -> None:
    """Write a matcher, with the encoder whose features it compares; the file appears whole or not at all."""
    from safetensors.numpy import save_file

    info = MatcherInfo(
        form=matcher.form,
        fps=matcher.fps,
        frames=matcher.frames,
        encoder=None if encoder is None else encoder.spec,
        provenance=dict(sorted(provenance.items())),
    )
    tensors = {name: getattr(matcher, name) for name in _MATCHER_TENSORS}
    if encoder is not None:
        state = encoder.state_dict()
        tensors |= {_ENCODER_PREFIX + name: tensor.detach().cpu().numpy() for name, tensor in sorted(state.items())}
    with replacing(path) as temporary:
        save_file(
            {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, temporary,
            metadata={MATCHER_ENTRY: info.model_dump_json()},
        )  # fmt: skip


def load_matcher(path: Path, device: str = "cpu") -> "tuple[GaitMatcher, GaitEncoder | None]":
    """Read a matcher and its encoder, if it has one; torch is left alone where it has none.

    Raises:
        UserError: when the file is absent, damaged or no matcher of ours.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from reid.gait.matching import GaitMatcher

    info = _header(path, MATCHER_ENTRY, MatcherInfo, "gait matcher")
    try:
        tensors = load_file(path)
        mean, directions, between = (tensors[name].astype(np.float64) for name in _MATCHER_TENSORS)
    except (OSError, SafetensorError, KeyError):
        raise UserError(f"{path} does not fit its own header: it is damaged") from None
    if directions.shape != (len(mean), len(between)) or not all(
        np.isfinite(values).all() for values in (mean, directions, between)
    ):
        raise UserError(f"{path} does not fit its own header: its shapes are of no matcher")
    matcher = GaitMatcher(mean, directions, between, info.form, info.fps, info.frames)
    if info.encoder is None:
        return matcher, None
    import torch

    from reid.gait.encoder import GaitEncoder

    model = GaitEncoder(info.encoder)
    state = {
        name.removeprefix(_ENCODER_PREFIX): torch.from_numpy(tensor)
        for name, tensor in tensors.items()
        if name.startswith(_ENCODER_PREFIX)
    }
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit its own header: {str(error).splitlines()[-1].strip()}") from None
    return matcher, model.eval().to(device)


def check_encoders(info: RecognitionInfo, given: Sequence[str], source: Path) -> None:
    """Refuse encoders that a recognition network was not trained on.

    Args:
        info: its header.
        given: sha256 of the encoders' files.
        source: its file, for the message.

    Raises:
        UserError: when they differ.
    """
    if tuple(given) != info.encoders:
        raise UserError(
            f"{source} was trained on the features of {len(info.encoders)} encoders that are not those given; "
            "give the same files in the same order, or train it again"
        )


def _save(path: Path, model: "nn.Module", entry: str, info: Section) -> None:
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(model.state_dict().items())}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={entry: info.model_dump_json()})


def _header(path: Path, entry: str, kind: type[Header], what: str) -> Header:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read {path}: {first_line(error)}") from None
    if entry not in header:
        raise UserError(f"{path} is no {what} of this project")
    try:
        return kind.model_validate_json(header[entry])
    except ValidationError:
        raise UserError(f"{path}: its header does not describe a {what} this version knows") from None


def _fill(path: Path, model: "nn.Module") -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{path} does not fit its own header: {str(error).splitlines()[-1].strip()}") from None
