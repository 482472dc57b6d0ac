"""The space-time model's configuration section."""

from pydantic import Field

from data.config import Section


class SpaceTimeConfig(Section):
    """Transition times between cameras."""

    model: str | None = Field(None, description="file of a transition model; None runs without, or learns its own")
