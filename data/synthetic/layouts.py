"""Sites drawn at random: rooms in a row, openings between them, doors to hidden porches, cameras in corners.

Training draws its sites here; the frozen presets in ``configs/synthetic`` were drawn here once and are files since.
"""

import numpy as np

from data.errors import UserError
from data.synthetic.scenario import Block, Place, Preset, ReidSpec, SyntheticCamera
from data.synthetic.world import World

_WALL = 0.25
_HIGH = 3.2
_PORCH_DEEP, _PORCH_LONG, _DOOR = 2.2, 3.6, 1.5
_TRIES = 60


def random_preset(
    name: str,
    seed: int,
    rooms: int = 3,
    watched: tuple[int, ...] = (2, 0, 1),
    people: int = 8,
    duration_s: float = 20.0,
    size: tuple[int, int] = (960, 540),
    reid: ReidSpec | None = None,
) -> Preset:
    """Draw a site that ``World.check`` accepts.

    Args:
        name: of the preset.
        seed: of the geometry.
        rooms: number of rooms in the row.
        watched: cameras per room, one number per room; a room with 0 is a blind area.
        people: number of people.
        duration_s: length of the videos.
        size: of the videos.
        reid: crops; None leaves the default.

    Raises:
        UserError: when no acceptable site was found (more than four cameras in a room, say).
    """
    if len(watched) != rooms or sum(watched) < 1 or min(watched) < 0 or max(watched) > 4:
        raise UserError(f"watched must give 0 to 4 cameras for each of the {rooms} rooms and at least one in all")
    rng = np.random.default_rng([seed, 77])
    problem = ""
    for _ in range(_TRIES):
        preset = _draw(rng, name, rooms, watched, people, duration_s, size, reid or ReidSpec())
        try:
            World(preset, seed).check()
        except UserError as error:
            problem = str(error)
            continue
        return preset
    raise UserError(f"no site with {rooms} rooms and {sum(watched)} cameras was found; the last try: {problem}")


def _draw(
    rng: np.random.Generator,
    name: str,
    rooms: int,
    watched: tuple[int, ...],
    people: int,
    duration_s: float,
    size: tuple[int, int],
    reid: ReidSpec,
) -> Preset:
    wide = [float(np.round(rng.uniform(7.0, 9.5) if count else rng.uniform(3.5, 5.0), 1)) for count in watched]
    edges = np.concatenate([[0.0], np.cumsum(wide)]).round(2)
    deep = float(np.round(rng.uniform(7.5, 9.5), 1))
    blocks: list[Block] = []
    places: dict[str, Place] = {}
    doors = _doors(rng, edges, deep, rooms)
    for side, base in (("south", 0.0), ("north", deep)):
        _outer_wall(blocks, places, side, base, [d for d in doors if d[0] == side], float(edges[-1]))
    blocks.append(_block((-_WALL, 0, 0), (0, deep, _HIGH)))
    blocks.append(_block((edges[-1], 0, 0), (edges[-1] + _WALL, deep, _HIGH)))
    ends = rng.permutation(2)
    for index in range(1, rooms):
        gap = 1.4 if ends[index % 2] else deep - 1.4
        x = float(edges[index])
        blocks.append(_block((x - _WALL / 2, 0, 0), (x + _WALL / 2, gap - 0.9, _HIGH)))
        blocks.append(_block((x - _WALL / 2, gap + 0.9, 0), (x + _WALL / 2, deep, _HIGH)))
    cameras: list[SyntheticCamera] = []
    for room, count in enumerate(watched):
        left, right = float(edges[room]), float(edges[room + 1])
        _furnish(rng, blocks, places, room, left, right, deep, bool(count))
        corners = rng.permutation(4)
        first = int(corners[0])
        order = [first, 3 - first, first ^ 1, (3 - first) ^ 1]
        for number in range(count):
            cameras.append(_camera(rng, f"c{len(cameras) + 1}", order[number], left, right, deep))
    reach = _PORCH_DEEP + 2 * _WALL
    return Preset(
        name=name,
        duration_s=duration_s,
        size=size,
        ground=(-0.5, -reach, float(edges[-1]) + 0.5, deep + reach),
        ceiling_m=_HIGH,
        blocks=blocks,
        places=places,
        cameras=cameras,
        people=people,
        reid=reid,
    )


def _block(low: tuple[float, float, float], high: tuple[float, float, float], look: str = "wall") -> Block:
    return Block.model_validate(
        {"low": [round(float(v), 2) for v in low], "high": [round(float(v), 2) for v in high], "look": look}
    )


def _doors(rng: np.random.Generator, edges: np.ndarray, deep: float, rooms: int) -> list[tuple[str, float, float]]:
    """(wall, middle, side of the porch) of doors in the first, the last and, in long rows, a middle room."""
    found = []
    chosen = sorted({0, rooms - 1} | ({rooms // 2} if rooms > 3 else set()))
    for room in chosen:
        side = "south" if rng.uniform() < 0.5 else "north"
        left, right = float(edges[room]), float(edges[room + 1])
        middle = float(np.round(rng.uniform(left + 1.4, right - 1.4), 1))
        found.append((side, middle, 1.0 if rng.uniform() < 0.5 else -1.0))
    return found


def _outer_wall(
    blocks: list[Block],
    places: dict[str, Place],
    side: str,
    base: float,
    doors: list[tuple[str, float, float]],
    length: float,
) -> None:
    """A wall along x with doors, and behind each door a porch where people wait unseen."""
    sign = -1.0 if side == "south" else 1.0

    def wall(x0: float, x1: float, y0: float, y1: float) -> None:
        low, high = sorted((base + sign * y0, base + sign * y1))
        blocks.append(_block((x0, low, 0), (x1, high, _HIGH)))

    here = -_WALL
    for _, middle, turn in sorted(doors, key=lambda door: door[1]):
        wall(here, middle - _DOOR / 2, 0, _WALL)
        here = middle + _DOOR / 2
        near, far = middle - turn * (_DOOR / 2 + 0.1), middle + turn * (_DOOR / 2 + _PORCH_LONG)
        low, high = min(near, far), max(near, far)
        back = _WALL + _PORCH_DEEP
        wall(low - _WALL, high + _WALL, back, back + _WALL)
        wall(low - _WALL, low, _WALL, back)
        wall(high, high + _WALL, _WALL, back)
        spot = (round(middle + turn * (_DOOR / 2 + _PORCH_LONG - 0.6), 2), round(base + sign * (_WALL + 0.55), 2))
        places[f"door{sum(place.kind == 'door' for place in places.values()) + 1}"] = Place(at=spot, kind="door")
    wall(here, length + _WALL, 0, _WALL)


def _furnish(
    rng: np.random.Generator,
    blocks: list[Block],
    places: dict[str, Place],
    room: int,
    left: float,
    right: float,
    deep: float,
    watched: bool,
) -> None:
    """A pillar and a counter in watched rooms, and places to walk to around them."""
    taken: list[tuple[float, float, float, float]] = []
    if watched:
        x, y = float(rng.uniform(left + 2.6, right - 2.6)), float(rng.uniform(2.8, deep - 2.8))
        half = float(rng.uniform(0.14, 0.24))
        blocks.append(
            _block((x - half, y - half, 0), (x + half, y + half, _HIGH), "wood" if rng.uniform() < 0.5 else "metal")
        )
        taken.append((x - half, y - half, x + half, y + half))
        x, y = float(rng.uniform(left + 1.8, right - 3.2)), float(rng.uniform(2.6, deep - 3.0))
        high = float(rng.uniform(0.75, 1.1))
        box = (x, y, x + float(rng.uniform(1.2, 1.9)), y + 0.6)
        if not _close(box, taken[0], 1.0):
            blocks.append(
                _block((box[0], box[1], 0), (box[2], box[3], high), "wood" if rng.uniform() < 0.5 else "fabric")
            )
            taken.append(box)
    wanted = 5 if watched else 1
    for number in range(wanted):
        for _ in range(40):
            x, y = float(rng.uniform(left + 0.9, right - 0.9)), float(rng.uniform(0.9, deep - 0.9))
            if not any(_close((x, y, x, y), box, 0.6) for box in taken):
                places[f"r{room + 1}{'abcde'[number]}"] = Place(at=(round(x, 2), round(y, 2)))
                break


def _close(a: tuple[float, float, float, float], b: tuple[float, float, float, float], margin: float) -> bool:
    return a[0] < b[2] + margin and b[0] < a[2] + margin and a[1] < b[3] + margin and b[1] < a[3] + margin


def _camera(
    rng: np.random.Generator, name: str, corner: int, left: float, right: float, deep: float
) -> SyntheticCamera:
    """In a corner under the ceiling, looking across the room."""
    inset = 0.3
    x = left + inset if corner % 2 == 0 else right - inset
    y = inset if corner < 2 else deep - inset
    target = ((left + right) / 2 + rng.uniform(-0.7, 0.7), deep / 2 + rng.uniform(-0.7, 0.7), rng.uniform(0.5, 0.9))
    return SyntheticCamera(
        name=name,
        position=(round(x, 2), round(y, 2), round(float(rng.uniform(2.5, 2.95)), 2)),
        target=(round(float(target[0]), 2), round(float(target[1]), 2), round(float(target[2]), 2)),
        hfov_deg=round(float(rng.uniform(70, 86)), 1),
        fps=float(rng.choice([10.0, 10.0, 12.0, 12.5])),
        offset_s=round(float(rng.uniform(0, 1.5)), 2),
        crf=int(rng.integers(20, 28)),
    )
