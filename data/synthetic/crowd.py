"""Where everybody is at every moment: itineraries over places, and a social force between people and walls.

The force is that of Helbing and Molnar, "Social force model for pedestrian dynamics" (1995), with people and walls as
isotropic repulsion. Random numbers are drawn before the simulation or person by person, so the result depends on the
generator alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic.gait import stride_m
from data.synthetic.identities import Identity
from data.synthetic.scenario import Preset
from data.synthetic.site import CELL_M, Geometry, Routes

DoubleArray = NDArray[np.float64]

STEP_S = 0.05
_RELAX_S = 0.45
_PUSH, _RANGE_M, _CONTACT_M = 2.2, 0.32, 0.62
_WALL_PUSH, _WALL_RANGE_M = 1.6, 0.14
_ARRIVED_M = 0.35
_TURN_RATE = 2.8
_STUCK_S = 2.0
_COHESION = 0.7
_DOOR_SHARE = 0.25


@dataclass(frozen=True)
class Motion:
    """Everybody's way through the site.

    Attributes:
        times: (T,) float64, common seconds, ``STEP_S`` apart, from 0.
        places: (T, N, 2) float64 metres.
        yaw: (T, N) float64 radians, not wrapped.
        phase: (T, N) float64 gait cycles.
        speed: (T, N) float64 metres per second.
        present: (T, N) bool; absent people are outside the site.
    """

    times: DoubleArray
    places: DoubleArray
    yaw: DoubleArray
    phase: DoubleArray
    speed: DoubleArray
    present: NDArray[np.bool_]

    def at(self, times: DoubleArray) -> "Motion":
        """The same at other times (clipped to the simulated span), interpolated; absent where either step is."""
        position = np.clip(times / STEP_S, 0, len(self.times) - 1)
        low = np.minimum(position.astype(np.int64), len(self.times) - 2)
        share = position - low
        both = self.present[low] & self.present[low + 1]

        def mixed(values: DoubleArray) -> DoubleArray:
            weight = share.reshape(-1, *([1] * (values.ndim - 1)))
            result: DoubleArray = values[low] * (1 - weight) + values[low + 1] * weight
            return result

        return Motion(times, mixed(self.places), mixed(self.yaw), mixed(self.phase), mixed(self.speed), both)


@dataclass(frozen=True, slots=True)
class _Leg:
    """One step of an itinerary: walk to a place, then stand, or be away and come back at another door."""

    place: str
    pause_s: float = 0.0
    away_s: float = 0.0
    back_at: str = ""


@dataclass(slots=True)
class _Walker:
    """The plan of one person while the simulation runs."""

    legs: list[_Leg]
    start_s: float
    start: str
    path: DoubleArray
    leg: int = 0
    corner: int = 0
    wait_until: float = -1.0
    returns_at: float = -1.0
    slow_since: float = 0.0
    done: bool = False


def simulate(preset: Preset, geometry: Geometry, identities: list[Identity], rng: np.random.Generator) -> Motion:
    """Walk everybody through the site.

    Args:
        preset: places, shares and the length of the videos.
        geometry: of the same preset.
        identities: one per person.
        rng: advanced by the call.

    Raises:
        UserError: when a place cannot be reached.
    """
    places = {name: np.array(place.at, np.float64) for name, place in preset.places.items()}
    routes = Routes(geometry, places)
    length = preset.duration_s + max(camera.offset_s for camera in preset.cameras)
    steps = int(np.ceil(length / STEP_S)) + 2
    walkers, groups, speeds = _plans(preset, routes, identities, rng, length)
    count = len(walkers)
    motion = Motion(
        times=np.arange(steps, dtype=np.float64) * STEP_S,
        places=np.zeros((steps, count, 2)),
        yaw=np.zeros((steps, count)),
        phase=np.zeros((steps, count)),
        speed=np.zeros((steps, count)),
        present=np.zeros((steps, count), bool),
    )
    side = rng.normal(0, 0.25, (count, 2))
    spot = np.array([places[walker.start] for walker in walkers]) + side
    for row in range(count):
        if not geometry.clear_way(places[walkers[row].start], spot[row : row + 1])[0]:
            spot[row] = places[walkers[row].start]
    yaw = rng.uniform(-np.pi, np.pi, count)
    phase = np.array([identity.gait.phase for identity in identities])
    velocity = np.zeros((count, 2))
    present = np.zeros(count, bool)
    wall = _wall_field(geometry)
    for step in range(steps):
        now = step * STEP_S
        goal = np.zeros((count, 2))
        for row, walker in enumerate(walkers):
            came = _advance(walker, now, spot, row, present, routes, places)
            if came or (step == 0 and present[row]):
                yaw[row] = _facing(walker, spot[row], yaw[row])
            if present[row] and walker.wait_until < now:
                goal[row] = _direction(walker, spot[row], now, velocity[row], geometry, routes)
        force = (goal * speeds[:, None] - velocity) / _RELAX_S
        force += _repulsion(spot, present, groups) + _cohesion(spot, present, groups, goal)
        force += _wall_force(geometry, wall, spot)
        standing = np.linalg.norm(goal, axis=1) < 0.1
        force[standing] *= np.where(np.linalg.norm(force[standing], axis=1, keepdims=True) < 0.8, 0.25, 1.0)
        velocity += force * STEP_S
        pace = np.linalg.norm(velocity, axis=1)
        velocity *= np.minimum(1, 1.25 * speeds / np.maximum(pace, 1e-9))[:, None]
        velocity[~present] = 0
        _move(geometry, spot, velocity, present)
        pace = np.linalg.norm(velocity, axis=1)
        want = np.arctan2(velocity[:, 1], velocity[:, 0])
        change = (want - yaw + np.pi) % (2 * np.pi) - np.pi
        change *= np.clip((pace - 0.12) / 0.3, 0, 1)
        yaw += np.clip(change * 6.0 * STEP_S, -_TURN_RATE * STEP_S, _TURN_RATE * STEP_S)
        for row, identity in enumerate(identities):
            phase[row] += pace[row] * STEP_S / stride_m(identity, pace[row : row + 1])[0]
        motion.places[step], motion.yaw[step], motion.phase[step] = spot, yaw, phase
        motion.speed[step], motion.present[step] = pace, present
    return motion


def _plans(
    preset: Preset, routes: Routes, identities: list[Identity], rng: np.random.Generator, length: float
) -> tuple[list[_Walker], NDArray[np.int64], DoubleArray]:
    """Itineraries, the group of each person, and preferred speeds."""
    doors = [name for name, place in preset.places.items() if place.kind == "door"]
    stops = [name for name, place in preset.places.items() if place.kind == "stop"]
    groups = _draw_groups(len(identities), preset.grouped_share, rng)
    speeds = np.array([identity.gait.speed for identity in identities])
    walkers: list[_Walker] = []
    plan: tuple[list[_Leg], float, str] = ([], 0.0, "")
    for row in range(len(identities)):
        if row == 0 or groups[row] != groups[row - 1]:
            members = groups == groups[row]
            speeds[members] = speeds[members].min()
            plan = _plan(preset, routes, rng, length, float(speeds[row]), doors, stops, int(groups[row]))
        legs, start_s, start = plan
        walkers.append(_Walker(legs, start_s, start, np.zeros((0, 2))))
    return walkers, groups, speeds


def _draw_groups(count: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) group numbers; members follow one another in order."""
    groups = np.zeros(count, np.int64)
    row, group, together = 0, 0, round(count * share)
    while row < count:
        size = min(int(rng.integers(2, 4)), count - row) if row < together else 1
        groups[row : row + size] = group
        row, group = row + size, group + 1
    return groups


def _plan(
    preset: Preset,
    routes: Routes,
    rng: np.random.Generator,
    length: float,
    speed: float,
    doors: list[str],
    stops: list[str],
    number: int,
) -> tuple[list[_Leg], float, str]:
    """Legs, start time and start place of one group."""
    if preset.routes:
        names = preset.routes[number % len(preset.routes)]
        legs = [_Leg(name, pause_s=float(rng.uniform(0.5, 2.5))) for name in names[1:]]
        start_s = 0.0 if preset.places[names[0]].kind == "stop" else float(rng.uniform(0, 0.35 * length))
        return legs, start_s, names[0]
    inside = bool(rng.uniform() < preset.start_inside_share) or not doors
    here = str(rng.choice((stops or doors) if inside else doors))
    start_s = 0.0 if inside else float(rng.uniform(0, 0.45 * length))
    first, clock, legs = here, start_s, []
    while clock < length:
        pool = doors if doors and (not stops or rng.uniform() < _DOOR_SHARE) else stops
        others = [name for name in pool if name != here] or [name for name in stops + doors if name != here]
        # Far places are favoured, since people who cross the site are what cross-camera association is about; but one
        # leaves by a door that is near.
        far = np.array([routes.distance(here, name) + 2.0 for name in others])
        weights = 1 / far if pool is doors else np.sqrt(far)
        goal = str(rng.choice(others, p=weights / weights.sum()))
        clock += routes.distance(here, goal) / speed
        if goal in doors:
            back = str(rng.choice(doors))
            away = float(rng.uniform(2.0, 6.0)) + (routes.distance(goal, back) / speed if back != goal else 0.0)
            legs.append(_Leg(goal, away_s=away, back_at=back))
            here, clock = back, clock + away
        else:
            pause = float(rng.uniform(0.5, 4.0)) if rng.uniform() < 0.6 else 0.0
            legs.append(_Leg(goal, pause_s=pause))
            here, clock = goal, clock + pause
    return legs, start_s, first


def _advance(
    walker: _Walker,
    now: float,
    spot: DoubleArray,
    row: int,
    present: NDArray[np.bool_],
    routes: Routes,
    places: dict[str, DoubleArray],
) -> bool:
    """Start, arrive, pause, leave and come back; True when the person has just appeared."""
    if walker.done:
        return False
    if not present[row]:
        due = walker.start_s if walker.returns_at < 0 else walker.returns_at
        if now < due:
            return False
        if walker.returns_at >= 0:
            # Two who come back at once must not stand in one point, where no force could part them.
            spot[row] = places[walker.legs[walker.leg - 1].back_at]
            spot[row] += 0.12 * np.array([np.cos(2.4 * row), np.sin(2.4 * row)])
            walker.returns_at = -1.0
        present[row] = True
        _set_out(walker, spot[row], routes, now)
        return True
    if walker.wait_until >= now or walker.leg >= len(walker.legs):
        return False
    if walker.corner < len(walker.path):
        return False
    leg = walker.legs[walker.leg]
    walker.leg += 1
    if leg.back_at:
        present[row] = False
        walker.returns_at = now + leg.away_s
        return False
    walker.wait_until = now + leg.pause_s
    _set_out(walker, spot[row], routes, now)
    return False


def _set_out(walker: _Walker, spot: DoubleArray, routes: Routes, now: float) -> None:
    walker.corner, walker.slow_since = 0, max(now, walker.wait_until)
    if walker.leg < len(walker.legs):
        walker.path = routes.path(spot, walker.legs[walker.leg].place)
    else:
        walker.path, walker.wait_until = np.zeros((0, 2)), np.inf


def _facing(walker: _Walker, spot: DoubleArray, yaw: float) -> float:
    if not len(walker.path):
        return yaw
    way = walker.path[0] - spot
    return float(np.arctan2(way[1], way[0]))


def _direction(
    walker: _Walker, spot: DoubleArray, now: float, velocity: DoubleArray, geometry: Geometry, routes: Routes
) -> DoubleArray:
    """(2,) unit vector to the next corner; zero on arrival. A walker that got stuck looks for another way."""
    while walker.corner < len(walker.path):
        way = walker.path[walker.corner] - spot
        far = float(np.hypot(way[0], way[1]))
        last = walker.corner == len(walker.path) - 1
        if far > (0.6 if last else _ARRIVED_M):
            break
        walker.corner += 1
    else:
        return np.zeros(2)
    if np.hypot(velocity[0], velocity[1]) > 0.25:
        walker.slow_since = now
    elif now - walker.slow_since > _STUCK_S:
        walker.slow_since = now
        walker.path, walker.corner = routes.path(spot, walker.legs[walker.leg].place), 0
        way = walker.path[0] - spot
        far = float(np.hypot(way[0], way[1]))
        if last and far < 1.5:
            walker.corner = len(walker.path)
            return np.zeros(2)
    result: DoubleArray = way / max(far, 1e-6)
    return result


def _repulsion(spot: DoubleArray, present: NDArray[np.bool_], groups: NDArray[np.int64]) -> DoubleArray:
    way = spot[:, None] - spot[None]
    gap = np.maximum(np.linalg.norm(way, axis=2), 0.05) + np.eye(len(spot)) * 1e3
    strength = _PUSH * np.exp(np.minimum((_CONTACT_M - gap) / _RANGE_M, 2.0))
    strength = np.where(groups[:, None] == groups[None], strength * 0.6, strength)
    strength = np.where(present[:, None] & present[None] & (gap < 3.0), strength, 0.0)
    # A push slightly to one side lets people who meet head-on pass each other.
    turned = np.stack([way[..., 0] - 0.35 * way[..., 1], way[..., 1] + 0.35 * way[..., 0]], axis=2)
    result: DoubleArray = (turned / gap[..., None] * strength[..., None]).sum(axis=1)
    return result


def _cohesion(
    spot: DoubleArray, present: NDArray[np.bool_], groups: NDArray[np.int64], goal: DoubleArray
) -> DoubleArray:
    """Members of a group who walk are drawn to its middle when they are further than a metre away."""
    same = (groups[:, None] == groups[None]) & present[:, None] & present[None]
    middle = same @ spot / np.maximum(same.sum(axis=1, keepdims=True), 1)
    way = middle - spot
    far = np.linalg.norm(way, axis=1, keepdims=True)
    pull = _COHESION * np.clip(far - 1.0, 0, 1.5) * way / np.maximum(far, 1e-6)
    result: DoubleArray = np.where((np.linalg.norm(goal, axis=1) > 0)[:, None], pull, 0.0)
    return result


def _wall_field(geometry: Geometry) -> DoubleArray:
    """(rows, columns, 3): metres to the nearest cell one cannot walk in, and the direction away from it (x, y)."""
    from scipy.ndimage import distance_transform_edt

    far = distance_transform_edt(geometry.walkable) * CELL_M
    down, right = np.gradient(far)
    size = np.hypot(down, right) + 1e-6
    return np.stack([far, right / size, down / size], axis=2)


def _wall_force(geometry: Geometry, field: DoubleArray, spot: DoubleArray) -> DoubleArray:
    here = field[geometry.cells(spot)]
    result: DoubleArray = _WALL_PUSH * np.exp(-here[:, :1] / _WALL_RANGE_M) * here[:, 1:]
    return result


def _move(geometry: Geometry, spot: DoubleArray, velocity: DoubleArray, present: NDArray[np.bool_]) -> None:
    """Step everybody who is present; a step into a block is dropped coordinate by coordinate."""
    inside = geometry.walkable[geometry.cells(spot)]
    for axis in (0, 1):
        tried = spot.copy()
        tried[:, axis] += velocity[:, axis] * STEP_S
        free = geometry.walkable[geometry.cells(tried)] | ~inside
        step = present & free
        spot[step] = tried[step]
        velocity[present & ~free, axis] = 0
