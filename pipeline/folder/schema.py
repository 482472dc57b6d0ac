"""What the JSON files of a run folder must look like to be believed: a folder may come from someone else."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AllowInfNan, BaseModel, ConfigDict, Field, Strict, ValidationError

from data.config import explain
from data.errors import UserError
from data.names import is_plain_name
from pipeline.folder.stages import Status, WarningKind


def _camera(name: str) -> str:
    if not is_plain_name(name):
        raise ValueError(f"{name!r} cannot name a camera, as it cannot stand in file names")
    return name


Camera = Annotated[str, Strict(), AfterValidator(_camera)]
Whole = Annotated[int, Strict(), Field(ge=-(1 << 62), lt=1 << 62)]
Number = Annotated[float, AllowInfNan(False)]
Probability = Annotated[float, Field(ge=0, le=1), AllowInfNan(False)]


class _Model(BaseModel):
    # Built when the first file is read: a new run reads none before its first frame.
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class VisitModel(_Model):
    """A visit in ``global_tracks.json``."""

    camera: Camera
    local_id: Whole
    start_s: Number
    end_s: Number


class PersonModel(_Model):
    """An identity in ``global_tracks.json``."""

    global_id: Whole
    confidence: Probability
    visits: tuple[VisitModel, ...]


class IdentitiesModel(_Model):
    """``global_tracks.json``."""

    version: Literal[1]
    global_tracks: tuple[PersonModel, ...]


class LinkModel(_Model):
    """A line of ``links.jsonl``."""

    a: tuple[Camera, Whole]
    b: tuple[Camera, Whole]
    llr: dict[str, Number]
    part_distances: dict[str, Number]
    part_visibility: dict[str, Number]
    lag_s: Number | None
    probability: Probability
    decision: Literal["same", "different", "uncertain"]
    margin: Number | None
    constraint: str


class SplitModel(_Model):
    """A line of ``splits.jsonl``."""

    camera: Camera
    local_id: Whole
    new_id: Whole
    row: Whole
    time_s: Number
    llr: Number
    probability: Probability
    taken_from: Whole


class WarningModel(_Model):
    """A warning in the manifest."""

    kind: WarningKind
    text: str
    camera: Camera | Literal[""]


class WeightModel(_Model):
    """A network in the manifest."""

    name: str
    sha256: str


class RuntimeModel(_Model):
    """What computes a network."""

    runtime: Literal["onnxruntime", "openvino"]
    precision: Literal["fp32", "bf16"]
    cpu_ms: dict[str, Number]
    refused: dict[str, str]


class StageModel(_Model):
    """What a stage cost."""

    seconds: Number
    items: Whole


class TimingsModel(_Model):
    """What a run cost."""

    wall_s: Number
    stages: dict[str, StageModel]


class InputsModel(_Model):
    """What ``manifest.json`` says of the cameras."""

    inputs: dict[Camera, dict[str, Any]] = {}


class ManifestModel(InputsModel):
    """What of ``manifest.json`` a run goes on with; the rest is for the reader."""

    version: Whole
    status: Status
    weights: dict[str, list[WeightModel]]
    runtimes: dict[str, RuntimeModel] = {}
    counts: dict[str, Any]
    warnings: list[WarningModel]
    timings: TimingsModel


class ProgressModel(_Model):
    """``progress.json``."""

    complete: bool
    last_frame: dict[Camera, Whole]


Model = TypeVar("Model", bound=BaseModel)


def parse(text: str, model: type[Model], what: str, cure: str) -> Model:
    """Read and check a JSON text.

    Args:
        text: of the file, or of one line.
        model: what it must be.
        what: the file, and the line, for the error.
        cure: how to mend it, the end of the line.

    Raises:
        UserError: when it is no JSON, or not what it must be.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise UserError(f"{explain(error, model, what)}; {cure}") from None
