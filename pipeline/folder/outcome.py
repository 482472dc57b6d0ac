"""What the files of a complete run are written from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from data.records import GlobalTrack, Link, Tracklet
from data.site import Site
from pipeline.folder.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who was where, and who is who.

    Attributes:
        folder: the run.
        site: clocks and groups of its cameras.
        cameras: of the run, in the order given by the user.
        tracklets: of all cameras.
        global_ids: of each tracklet, by (camera, local_id).
        global_tracks: identities.
        links: evidence.
        max_gap_s: gaps up to this long inside a tracklet are filled, seconds; 0 fills none.
        smooth_s: boxes are averaged over this, standard deviation in seconds; 0 leaves them as detected.
    """

    folder: RunFolder
    site: Site
    cameras: tuple[str, ...]
    tracklets: tuple[Tracklet, ...]
    global_ids: Mapping[tuple[str, int], int]
    global_tracks: tuple[GlobalTrack, ...]
    links: tuple[Link, ...]
    max_gap_s: float
    smooth_s: float


OutputFormat = Callable[[Outcome], None]
"""Writes one kind of file; a ``UserError`` or an ``OSError`` says why it cannot be written."""
