"""The base of every configuration section, and the sections that describe input."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from data.errors import UserError

AnyModel = TypeVar("AnyModel", bound=BaseModel)


class Section(BaseModel):
    """A typed, frozen part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourcesConfig(Section):
    """How videos are read and put on a common time line."""

    max_fps: float | None = Field(None, gt=0, description="frames per second to process; null keeps every frame")
    start_s: float = Field(0.0, ge=0, description="seconds to skip at the start of every source")
    decoder: Literal["auto", "pyav", "opencv"] = Field("auto", description="auto (PyAV, then OpenCV), pyav or opencv")
    queue_frames: int = Field(16, ge=1, description="decoded frames that may wait per camera")
    image_fps: float = Field(
        25.0,
        gt=0,
        description="frames per second of an image folder without seqinfo.ini, and of a video without a rate",
    )
    timeout_s: float = Field(10.0, gt=0, description="seconds a stream may stay silent before it counts as lost")
    reconnects: int = Field(
        5, ge=0, description="times in a row a lost stream is opened again before it counts as ended"
    )
    reconnect_wait_s: float = Field(
        1.0, ge=0, description="seconds before the first of these attempts; doubles with each, up to 30"
    )


def validated(model: type[AnyModel], tree: object, what: str) -> AnyModel:
    """A model of some input, checked.

    Args:
        model: the class.
        tree: plain values.
        what: the input, see ``explain``.

    Raises:
        UserError: one line for the first thing that is wrong.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UserError(explain(error, model, what)) from None


def explain(error: ValidationError, model: type[BaseModel], what: str) -> str:
    """One line for the first thing that is wrong with some input; an unknown key names the nearest real one.

    Args:
        error: what pydantic found.
        model: the class that was validated.
        what: the input, for the start of the line ("the site file x.yaml").
    """
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        near = get_close_matches(location[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
        return f"{what}: unknown key '{key}'; {hint}"
    message = first["msg"].removeprefix("Value error, ")
    value = repr(first["input"])
    given = f", not {value}" if len(value) <= 60 and first["type"] not in ("missing", "value_error") else ""
    return f"{what}: {f'{key}: ' if key else ''}{message}{given}"


def _keys_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """Keys of the model that ``path`` leads to, through fields, mappings and sequences."""
    kind: Any = model
    for name in path:
        kind = _bare(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found = next((one for key, one in kind.model_fields.items() if name == (one.alias or key)), None)
            kind = None if found is None else found.annotation
        else:
            # tuple[Section, ...] ends with an ellipsis.
            held = [one for one in get_args(kind) if one is not Ellipsis]
            kind = held[-1] if held else None
    kind = _bare(kind)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    return [found.alias or name for name, found in kind.model_fields.items()]


def _bare(kind: Any) -> Any:
    """A type without ``Annotated`` and ``| None``."""
    if hasattr(kind, "__metadata__"):
        return _bare(kind.__origin__)
    others = [one for one in get_args(kind) if one is not type(None)]
    return _bare(others[0]) if type(None) in get_args(kind) and others else kind
