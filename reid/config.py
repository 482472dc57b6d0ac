"""The appearance model's configuration section."""

from pydantic import Field

from data.config import Section


class ReidConfig(Section):
    """Which appearance model describes people, and how it is run."""

    name: str = Field("auto", description="key of the ReID registry; 'auto' and 'none' included")
    weights: str = Field("auto", description="file, or auto (DESIGN 8)")
