"""The cues there are, in the order in which the report prints them: a new one is a line here."""

from pipeline.association.appearance_cue import appearance_source
from pipeline.association.cue import DerivedCue, SourceBuilder
from pipeline.association.gait_cue import gait_source
from pipeline.association.motion import motion_source
from pipeline.association.neighbourhood import shared_neighbours
from pipeline.association.space_time import space_time_source
from pipeline.association.walk import walk_source

SOURCES: tuple[SourceBuilder, ...] = (
    appearance_source,
    motion_source,
    space_time_source,
    walk_source,
    gait_source,
)

DERIVED: tuple[DerivedCue, ...] = (shared_neighbours,)
