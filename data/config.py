"""The base of every configuration section, and the sections that describe input."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A typed, frozen part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourcesConfig(Section):
    """How videos are read and put on a common time line."""

    max_fps: float | None = Field(None, gt=0, description="frames per second to process; None keeps every frame")
    start_s: float = Field(0.0, ge=0, description="seconds to skip at the start of every source")
    decoder: Literal["auto", "pyav", "opencv"] = Field("auto", description="auto: PyAV, then OpenCV")
    queue_frames: int = Field(16, ge=1, description="decoded frames that may wait per camera")
