"""The tracker's configuration section."""

from pydantic import Field

from data.config import Section


class TrackerConfig(Section):
    """Single-scope tracking."""

    name: str = Field("hungarian", description="key of the tracker registry")
