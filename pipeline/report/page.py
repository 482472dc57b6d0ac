"""``report.html``: one self-contained page about a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from data.errors import UserError
from data.records import Link
from data.redaction import redact
from pipeline.folder.run_folder import RunFolder
from pipeline.rendering.palette import hex_of, text_on
from pipeline.report import facts as run_facts
from pipeline.report.config import ReportConfig
from pipeline.report.cuts import cut_rows
from pipeline.report.evidence import choose_links, link_rows
from pipeline.report.ground_map import ground_maps
from pipeline.report.lanes import (
    WIDTH,
    camera_chart,
    camera_letters,
    people_chart,
    time_span,
    time_text,
)
from pipeline.report.people import Person, Stay, in_several_cameras, read_people
from pipeline.report.pictures import Album, Picture

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_PICTURES_PER_CAMERA = 4


@dataclass(frozen=True, slots=True)
class Place:
    """What a person's card shows of one camera."""

    camera: str
    stays: list[Stay]
    pictures: list[Picture]


@dataclass(frozen=True, slots=True)
class Card:
    """A person and the cameras it was seen in."""

    person: Person
    places: list[Place]


def write_report(folder: RunFolder, config: ReportConfig) -> Path:
    """Write ``report.html`` from what the run folder holds; any of manifest, identities, links, scores may be absent.

    Args:
        folder: a run with tracklets.
        config: how much to show.

    Returns:
        The page.

    Raises:
        UserError: when it is no run folder, a file of it is damaged, or the page cannot be written.
    """
    import jinja2

    manifest = folder.read_json(folder.manifest) if folder.require().manifest.exists() else {}
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True)
    environment.globals.update(
        time_text=time_text, duration_text=run_facts.duration_text, hex_of=hex_of, text_on=text_on
    )
    page = environment.get_template("report.html.j2").render(_context(folder, config, manifest))
    try:
        folder.write_text(folder.report, page)
    except OSError as error:
        raise UserError(
            f"cannot write {folder.report}: {error.strerror}; check the folder's rights and space"
        ) from None
    return folder.report


def _context(folder: RunFolder, config: ReportConfig, manifest: Mapping[str, Any]) -> dict[str, Any]:
    given = list(manifest.get("inputs") or {})
    offsets = {camera.name: camera.offset_s for camera in run_facts.camera_facts(manifest, given, {})}
    everyone, identities = read_people(folder, offsets)
    seen = {stay.camera for person in everyone for stay in person.stays}
    names = [*given, *sorted(seen - set(given))]
    cameras = run_facts.camera_facts(manifest, names, _videos(folder, names))
    covers = {
        camera.name: (camera.offset_s, camera.offset_s + camera.duration_s)
        for camera in cameras
        if camera.duration_s is not None
    }
    people = everyone[: config.max_people]
    links = _read_links(folder)
    album = Album(folder, config)
    cards = _cards(people, album)
    labels = {
        (stay.camera, local_id): (person.label, person.anchor if number < len(people) else "")
        for number, person in enumerate(everyone)
        for stay in person.stays
        for local_id in stay.local_ids
    }
    rows = link_rows(choose_links(links, config.max_links), labels, album)
    cuts = cut_rows(folder.read_splits(), labels, album)
    span = time_span(everyone, covers)
    return {
        "name": folder.root.resolve().name,
        "status": manifest.get("status", ""),
        "anonymized": config.anonymize,
        "identities": identities,
        "tiles": _tiles(everyone, cameras, links, identities),
        "warnings": run_facts.warning_lines(manifest),
        "cameras": cameras,
        "counts": {name: _counts(everyone, name) for name in names},
        "letters": camera_letters(names),
        "common": run_facts.clocks_common(cameras),
        "span": span,
        "start_text": run_facts.date_text(span.start_s),
        "width": WIDTH,
        "camera_chart": camera_chart(people, names, covers, span),
        "people_chart": people_chart(people, camera_letters(names), span),
        "maps": ground_maps(folder, camera_letters(names), _anchors(people)) if identities else [],
        "people": people,
        "people_total": len(everyone),
        "cards": cards,
        "links": rows,
        "cuts": cuts,
        "links_total": len(links),
        "colors": {person.label: hex_of(person.color) for person in everyone},
        "inks": {person.label: hex_of(text_on(person.color)) for person in everyone},
        "pictures": album.pictures,
        "pictures_left_out": album.left_out,
        "scores": run_facts.score_table(folder.read_json(folder.metrics)) if folder.metrics.exists() else None,
        "stages": run_facts.stages(manifest),
        "wall_s": run_facts.wall_s(manifest),
        "facts": run_facts.other_facts(manifest),
        "config": redact(folder.read_text(folder.config)) if folder.config.exists() else "",
    }


def _anchors(people: Sequence[Person]) -> dict[int, str]:
    """By global id, the id of each identity's card."""
    return {int(person.label): person.anchor for person in people}


def _read_links(folder: RunFolder) -> list[Link]:
    return folder.read_links() if folder.links.exists() else []


def _tiles(
    people: Sequence[Person], cameras: Sequence[run_facts.CameraFacts], links: Sequence[Link], identities: bool
) -> list[tuple[str, str]]:
    uncertain = sum(link.decision == "uncertain" for link in links)
    durations = [camera.duration_s for camera in cameras if camera.duration_s is not None]
    tiles = [(str(len(people)), "people found" if identities else "tracks found")]
    if identities:
        tiles.append((str(in_several_cameras(people)), "seen in two cameras or more"))
    tiles.append((str(len(cameras)), "camera" if len(cameras) == 1 else "cameras"))
    if durations:
        tiles.append((run_facts.duration_text(sum(durations)), "of footage in all"))
    tiles.append((str(sum(person.tracklets for person in people)), "tracklets"))
    if identities:
        tiles.append((str(uncertain), "uncertain links"))
    return tiles


def _counts(people: Sequence[Person], camera: str) -> tuple[int, int]:
    """People and stays of a camera."""
    stays = [[stay for stay in person.stays if stay.camera == camera] for person in people]
    return sum(bool(found) for found in stays), sum(len(found) for found in stays)


def _cards(people: Sequence[Person], album: Album) -> list[Card]:
    """Cards of all people; the best picture of everyone in every camera is taken before anyone's second."""
    wanted: dict[tuple[int, str], list[tuple[str, int, int]]] = {}
    for number, person in enumerate(people):
        for camera in person.cameras:
            ids = [local_id for stay in person.stays if stay.camera == camera for local_id in stay.local_ids]
            crops = [(rank, local_id) for local_id in ids for rank in album.numbers(camera, local_id)]
            ranked = sorted(crops, key=lambda crop: crop[0])[:_PICTURES_PER_CAMERA]
            wanted[number, camera] = [(camera, local_id, rank) for rank, local_id in ranked]
    for turn in range(_PICTURES_PER_CAMERA):
        for crops_wanted in wanted.values():
            if turn < len(crops_wanted):
                album.get(*crops_wanted[turn])
    return [
        Card(
            person,
            [
                Place(
                    camera,
                    [stay for stay in person.stays if stay.camera == camera],
                    [picture for key in wanted[number, camera] if (picture := album.get(*key)) is not None],
                )
                for camera in person.cameras
            ],
        )
        for number, person in enumerate(people)
    ]


def _videos(folder: RunFolder, cameras: Sequence[str]) -> dict[str, str]:
    """Relative addresses of the overlay videos that are there."""
    return {
        camera: quote(str(folder.video(camera).relative_to(folder.root)))
        for camera in cameras
        if "/" not in camera and folder.video(camera).is_file()
    }
