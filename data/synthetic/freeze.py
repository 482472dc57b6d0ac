"""Frozen sites: recompute the hashes of their truth, write new ones, and draw new sites."""

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pydantic import ValidationError

from data.atomic import write_text
from data.config import explain
from data.errors import UserError
from data.runtime.threads import single_threads
from data.synthetic.layouts import random_preset
from data.synthetic.scenario import (
    FROZEN_FILE,
    PRESET_FOLDER,
    Preset,
    frozen_hashes,
    load_preset,
    preset_names,
    save_preset,
)
from data.synthetic.world import World


@dataclass(frozen=True, slots=True)
class Frozen:
    """A site that no training may see, and what became of it.

    Attributes:
        name: of its preset.
        seed: of people, walks, colours and cameras.
        stated: the hash in the file; None for a site that is not in it yet.
        truth: the hash that its preset gives now.
    """

    name: str
    seed: int
    stated: str | None
    truth: str

    @property
    def differs(self) -> bool:
        """Whether the file is wrong about it."""
        return self.stated != self.truth


@dataclass(frozen=True, slots=True)
class Drawing:
    """A site to draw.

    Attributes:
        name: of the preset.
        seed: of its geometry.
        rooms: number of rooms in the row.
        watched: cameras of each room; 0 is a blind area.
        people: number of people.
        duration_s: length of the videos.
    """

    name: str
    seed: int
    rooms: int
    watched: tuple[int, ...]
    people: int
    duration_s: float


def recompute(
    path: Path = FROZEN_FILE, added: dict[str, int] | None = None, workers: int | None = None
) -> list[Frozen]:
    """Compute the truth of every frozen site anew.

    Args:
        path: the list of frozen sites.
        added: seeds of further presets, by name; one that is in the list gets the new seed.
        workers: processes; None takes one per core.

    Returns:
        The sites in the order of the list, further ones last.

    Raises:
        UserError: when the list or a preset is missing or broken.
    """
    stated = frozen_hashes(path)
    seeds = {name: seed for name, (seed, _) in stated.items()} | (added or {})
    unknown = [name for name in seeds if name not in preset_names()]
    if unknown:
        raise UserError(f"{path}: there is no preset {unknown[0]}.yaml in {PRESET_FOLDER}; frozen sites lie there")
    presets = [load_preset(name) for name in seeds]
    count = max(1, min(workers or os.cpu_count() or 1, len(seeds)))
    try:
        with single_threads(), ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            hashes = list(pool.map(_truth, presets, seeds.values()))
    except BrokenProcessPool:
        raise UserError("a worker process was killed, most likely for want of memory; give --workers 1") from None
    before = {name: truth for name, (seed, truth) in stated.items() if seeds[name] == seed}
    return [Frozen(name, seeds[name], before.get(name), truth) for name, truth in zip(seeds, hashes)]


def write_frozen(sites: list[Frozen], path: Path = FROZEN_FILE) -> None:
    """Replace the list of frozen sites by these; the comment at its head stays.

    Raises:
        UserError: when the file cannot be written.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        head = lines[: next(row for row, line in enumerate(lines) if line.strip() and not line.startswith("#"))]
        body = [f"  {site.name}: {{seed: {site.seed}, truth: {site.truth}}}" for site in sites]
        write_text(path, "\n".join([*head, "sites:", *body]) + "\n")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def draw(drawing: Drawing, out: Path) -> Preset:
    """Draw a site that ``World.check`` accepts, and write its preset.

    Raises:
        UserError: when there is no such site, and when the file exists or cannot be written.
    """
    if out.suffix not in (".yaml", ".yml"):
        raise UserError(f"{out}: the name of a preset's file ends in .yaml")
    if out.exists():
        raise UserError(f"{out} exists; choose another --out")
    if drawing.seed < 0:
        raise UserError(f"seed {drawing.seed}: give a whole number from 0 up")
    try:
        preset = random_preset(
            drawing.name, drawing.seed, drawing.rooms, drawing.watched, drawing.people, drawing.duration_s
        )
    except ValidationError as error:
        raise UserError(explain(error, Preset, f"the site '{drawing.name}'")) from None
    try:
        save_preset(preset, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from None
    return preset


def _truth(preset: Preset, seed: int) -> str:
    return World(preset, seed).truth_hash()
