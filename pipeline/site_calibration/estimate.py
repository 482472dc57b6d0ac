"""Calibration of cameras from people, from sightings to checked cameras."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.calibration import Calibration, World
from data.errors import UserError
from data.site import Group, Site
from pipeline.site_calibration.agreement import Disagreement, disagreements
from pipeline.site_calibration.alignment import Alignment, align
from pipeline.site_calibration.matching import Matches, match
from pipeline.site_calibration.people import places
from pipeline.site_calibration.pinhole import Pinhole
from pipeline.site_calibration.refinement import fused, refine
from pipeline.site_calibration.sightings import Instants, Sightings, at_instants
from pipeline.site_calibration.single_view import fit_view

DoubleArray = NDArray[np.float64]

STEP_S = 0.5
"""Seconds between instants: people seen at higher rates are the same evidence again."""

FOCALS = (0.55, 0.75, 1.0, 1.4)
LEAST_EVIDENCE = 8.0
_LEAST_PEOPLE = 40
_LEAST_MATCHES = 40
_GATES_M = (0.6, 0.5, 0.4, 0.35)
_COARSEST_M = 0.5
_MOST_MATCHES = 1500
_BLOCKS = 25
_HELD_OUT_EACH = 5
_LINE_M = 0.4
_SAME_PLACE_M, _SAME_WAY = 0.3, np.radians(4.0)
_CHECK_GATE_M = 1.0
_WORST_CHECK_M = 0.5


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was found.

    Attributes:
        cameras: names of the calibrated cameras.
        pinholes: of each, in one ground plane: metres, as far as the assumed mean height holds; the origin under the
            first camera, y along its view.
        left_out: reason per camera that could not be calibrated.
        people: matches the cameras were fitted to.
        held_out: how far cameras disagree on people who took no part in the fit.
        matches: of the people of the fit.
        instants: what was fitted to.
    """

    cameras: tuple[str, ...]
    pinholes: tuple[Pinhole, ...]
    left_out: Mapping[str, str]
    people: int
    held_out: tuple[Disagreement, ...]
    matches: Matches
    instants: Instants

    @property
    def error_m(self) -> float:
        """Median distance between two cameras' places of one held-out person, metres."""
        return float(np.median(np.concatenate([pair.distances_m for pair in self.held_out])))


def estimate(sightings: Mapping[str, Sightings], mean_height_m: float) -> Estimate:
    """Calibrate cameras that see some of the same people.

    Args:
        sightings: per camera, on a common clock.
        mean_height_m: assumed mean height of the people: it sets the scale.

    Raises:
        UserError: for fewer than two cameras, and where the evidence does not bear a calibration.
    """
    if len(sightings) < 2:
        raise UserError("calibration from people needs at least two cameras that see some of the same ground")
    left_out = {
        camera: f"only {len(seen)} whole, upright people (at least {_LEAST_PEOPLE} are needed)"
        for camera, seen in sightings.items()
        if len(seen) < _LEAST_PEOPLE
    }
    usable = {camera: seen for camera, seen in sightings.items() if camera not in left_out}
    if len(usable) < 2:
        raise UserError(f"too few people to calibrate from: {_listed(left_out)}; give a longer recording")
    instants = at_instants(usable, STEP_S)
    block = np.arange(len(instants.times_s)) * _BLOCKS // len(instants.times_s)
    held = block % _HELD_OUT_EACH == _HELD_OUT_EACH // 2
    fitted = instants.select(~held)
    focal, start, weak = _start(fitted, mean_height_m)
    left_out |= weak
    if len(start) < 2:
        raise UserError(f"no two cameras see the same people walk at the same time: {_listed(left_out)}")
    order = sorted(start)
    fitted, checked = fitted.of(order), instants.select(held).of(order)
    pinholes = _at_origin([start[camera] for camera in order])
    for gate in _GATES_M:
        matches = match(fitted, [one.model for one in pinholes], gate, _COARSEST_M).thinned(_MOST_MATCHES)
        if len(matches) < _LEAST_MATCHES:
            raise UserError(
                f"only {len(matches)} people seen by several cameras at once ({_LEAST_MATCHES} are needed); give a "
                "longer recording"
            )
        _check_spread(fitted, matches, pinholes)
        pinholes = refine(fitted, matches, pinholes, mean_height_m, focal)
    _check_views(fitted.cameras, pinholes)
    found = disagreements(checked, [one.model for one in pinholes], _CHECK_GATE_M)
    result = Estimate(fitted.cameras, tuple(pinholes), left_out, len(matches), tuple(found), matches, fitted)
    if not found or result.error_m > _WORST_CHECK_M:
        said = (
            "no held-out person was seen by two cameras" if not found else f"{result.error_m:.2f} m apart in the middle"
        )
        raise UserError(
            f"the check on held-out people failed ({said}; at most {_WORST_CHECK_M} m is let pass); give a longer "
            "recording, with people walking all over the ground that several cameras see"
        )
    return result


def _start(instants: Instants, mean_height_m: float) -> tuple[float, dict[int, Pinhole], dict[str, str]]:
    """The focal length that brings most people together, cameras by it in one plane, and who found no company."""
    best: tuple[tuple[int, float], float, dict[int, Pinhole], dict[str, str]] | None = None
    for focal in FOCALS:
        views = [fit_view(seen, focal, mean_height_m)[0] for seen in instants.sightings]
        ground = [
            places(view.model, seen.feet, seen.heights_px, _COARSEST_M) for view, seen in zip(views, instants.sightings)
        ]
        count = len(views)
        edges = {
            (a, b): found
            for a in range(count)
            for b in range(a + 1, count)
            if (found := align(instants, (a, b), (ground[a], ground[b]))) is not None
        }
        total, joined, weak = _join(instants.cameras, views, edges)
        if best is None or (len(joined), total) > best[0]:
            best = (len(joined), total), focal, joined, weak
    assert best is not None
    return best[1:]


def _join(
    cameras: Sequence[str], views: Sequence[Pinhole], edges: Mapping[tuple[int, int], Alignment]
) -> tuple[float, dict[int, Pinhole], dict[str, str]]:
    """Cameras along the tree of strongest alignments (Prim), from the strongest on."""
    if not edges:
        return 0.0, {}, dict.fromkeys(cameras, "sees no one while another camera does")
    ranked = sorted(edges, key=lambda pair: (-edges[pair].evidence, pair))
    total, joined = 0.0, {ranked[0][0]: views[ranked[0][0]]}
    while True:
        pair = next((one for one in ranked if (one[0] in joined) != (one[1] in joined)), None)
        if pair is None or edges[pair].evidence < LEAST_EVIDENCE:
            break
        total += edges[pair].evidence
        known, new = pair if pair[0] in joined else pair[::-1]
        step = edges[pair] if known == pair[0] else edges[pair].inverse()
        base = joined[known]
        local = views[new].moved(step.turn, step.shift)
        joined[new] = local.moved(base.yaw - np.pi / 2, np.array([base.x_m, base.y_m]))
    weak = {}
    for number, camera in enumerate(cameras):
        if number not in joined or len(joined) < 2:
            most = max((edges[pair].evidence for pair in edges if number in pair), default=0.0)
            weak[camera] = (
                f"shares too few people with the others: evidence {most:.1f} standard deviations over chance, "
                f"{LEAST_EVIDENCE:g} are needed"
            )
    return total, joined if len(joined) > 1 else {}, weak


def _at_origin(pinholes: Sequence[Pinhole]) -> list[Pinhole]:
    """All cameras moved so that the first stands over the origin and looks along y."""
    first = pinholes[0]
    turn = np.pi / 2 - first.yaw
    cos, sin = np.cos(turn), np.sin(turn)
    shift = -np.array([cos * first.x_m - sin * first.y_m, sin * first.x_m + cos * first.y_m])
    return [one.moved(turn, shift) for one in pinholes]


def _check_views(cameras: Sequence[str], pinholes: Sequence[Pinhole]) -> None:
    for a, one in enumerate(pinholes):
        for b in range(a + 1, len(pinholes)):
            other = pinholes[b]
            turned = abs((one.yaw - other.yaw + np.pi) % (2 * np.pi) - np.pi)
            if np.hypot(one.x_m - other.x_m, one.y_m - other.y_m) < _SAME_PLACE_M and turned < _SAME_WAY:
                raise UserError(
                    f"cameras '{cameras[a]}' and '{cameras[b]}' show the same view: one of them tells nothing new; "
                    "leave it out"
                )


def _check_spread(instants: Instants, matches: Matches, pinholes: Sequence[Pinhole]) -> None:
    _, _, place = fused(instants, matches, [one.model for one in pinholes])
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(place.T)))
    if spread[0] < _LINE_M:
        raise UserError(
            f"people seen by several cameras keep to one line (they spread {spread[0]:.2f} m across it, {_LINE_M} m is "
            "needed): that leaves the cameras' angles open; record people who walk all over the ground"
        )


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"camera '{camera}': {reason}" for camera, reason in reasons.items())


def site_with(result: Estimate, site: Site, mean_height_m: float, group: str) -> Site:
    """A site with the calibrations that were found, and its cameras as one group.

    Args:
        result: what was found.
        site: everything else.
        mean_height_m: that the scale rests on; it is written beside each calibration.
        group: name of the group; groups that share cameras with it are replaced.
    """
    origin = f"estimated from people of {mean_height_m:g} m mean height by tools.calibrate_site"
    cameras = dict(site.cameras)
    for camera, pinhole in zip(result.cameras, result.pinholes):
        calibration = Calibration(
            K=pinhole.intrinsics.tolist(),
            R=pinhole.rotation.tolist(),
            t=pinhole.shift.tolist(),
            world=World() if site.world != World() else None,
            origin=origin,
        )
        cameras[camera] = cameras[camera].model_copy(update={"calibration": calibration, "size": pinhole.size})
    groups = [one for one in site.groups if not set(one.cameras) & set(result.cameras) and one.name != group]
    groups.append(Group(name=group, cameras=list(result.cameras)))
    return Site(
        cameras=cameras, world=site.world, default_overlap=site.default_overlap, overlap=site.pairs, groups=groups
    )
