"""The files of a complete run by name. Adding a format is one module and one line here."""

from data.registry import Registry
from pipeline.folder.outcome import Outcome, OutputFormat

OUTPUT_FORMATS: Registry[OutputFormat] = Registry(
    "output format",
    {
        "links": "pipeline.folder.output_formats:write_links",
        "global_tracks": "pipeline.folder.output_formats:write_global_tracks",
        "tracks": "pipeline.folder.track_files:write_track_files",
        "world": "pipeline.folder.world_files:write_world_files",
    },
)


def write_outputs(found: Outcome) -> None:
    """Write every format, in the order of the registry."""
    for name in OUTPUT_FORMATS:
        OUTPUT_FORMATS.load(name)(found)


def write_links(found: Outcome) -> None:
    """``links.jsonl``."""
    found.folder.write_links(found.links)


def write_global_tracks(found: Outcome) -> None:
    """``global_tracks.json``."""
    found.folder.write_global_tracks(found.global_tracks)
