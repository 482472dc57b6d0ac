"""Who the people are: body, clothes, hair, bag and gait, drawn from a seed; lookalikes on purpose."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

Colour = tuple[int, int, int]
Pattern = Literal["solid", "hstripe", "vstripe", "check", "dots", "block", "logo", "jacket"]
Bottom = Literal["trousers", "shorts", "skirt", "coat"]
Bag = Literal["none", "backpack", "shoulder"]

_SKIN: tuple[Colour, ...] = ((241, 205, 180), (224, 178, 146), (190, 139, 105), (138, 93, 66), (88, 58, 44))
_HAIR: tuple[Colour, ...] = ((25, 21, 20), (62, 40, 28), (112, 74, 44), (190, 152, 92), (140, 138, 136))
_TOPS: tuple[Colour, ...] = (
    (30, 32, 38), (72, 76, 84), (150, 152, 156), (226, 226, 222), (172, 38, 44), (40, 70, 140), (96, 140, 190),
    (44, 96, 64), (206, 168, 60), (116, 58, 120), (214, 128, 60), (222, 158, 172), (120, 86, 60), (66, 122, 124),
)  # fmt: skip
_BOTTOMS: tuple[Colour, ...] = (
    (28, 29, 34), (42, 54, 92), (80, 98, 132), (120, 116, 108), (178, 160, 128), (74, 58, 46), (208, 206, 200),
    (62, 74, 56),
)  # fmt: skip
_SHOES: tuple[Colour, ...] = ((24, 24, 26), (232, 232, 230), (96, 66, 44), (150, 36, 40), (50, 60, 96))
_FEW_TOPS = (0, 2, 4, 5, 7, 3)
_FEW_BOTTOMS = (0, 1, 3, 4)
_COAT_TOPS = (0, 1, 2, 5, 7, 12)
_PATTERNS: tuple[Pattern, ...] = ("solid", "hstripe", "vstripe", "check", "dots", "block", "logo", "jacket")
_PATTERN_SHARES = (0.36, 0.11, 0.06, 0.08, 0.04, 0.1, 0.11, 0.14)
GAIT_TERMS = 4
GAIT_HARMONICS = 3


@dataclass(frozen=True, slots=True)
class Gait:
    """How someone walks; angles in radians, lengths as shares of body height.

    Attributes:
        stride: length of a full cycle at preferred speed.
        speed: preferred speed, metres per second.
        duty: share of the cycle in which a foot is on the ground.
        lift: height of the swinging foot.
        width: lateral distance of the feet from the middle.
        toe_out, lean, twist, arm, elbow, abduction: angles.
        sway: lateral movement of the trunk.
        phase: place in the cycle at the start.
        terms: cosine and sine perturbations of (arm, elbow, twist, lean), (4, 3, 2), radians.
    """

    stride: float
    speed: float
    duty: float
    lift: float
    width: float
    toe_out: float
    lean: float
    twist: float
    arm: float
    elbow: float
    abduction: float
    sway: float
    phase: float
    terms: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """One person.

    Attributes:
        person_id: global id, from 1.
        height: metres.
        bulk: girth, 1 = average.
        fem: shape of the trunk, 0-1.
        hair_style: how it lies.
        lookalike_of: id of the person this one is dressed like, 0 = nobody.
        texture_seed: seed of the fine texture (folds, dots).
    """

    person_id: int
    height: float
    bulk: float
    fem: float
    skin: Colour
    hair: Colour
    hair_style: Literal["short", "long", "bald", "hat"]
    hat: Colour
    top: Colour
    accent: Colour
    pattern: Pattern
    sleeve: Literal["long", "short"]
    bottom: Bottom
    bottom_colour: Colour
    shoes: Colour
    bag: Bag
    bag_colour: Colour
    gait: Gait
    texture_seed: int
    lookalike_of: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For identities.json; floats keep 6 decimals."""
        return {key: _rounded(value) for key, value in asdict(self).items()}


def make_identities(rng: np.random.Generator, count: int, lookalikes: int, confusable: bool) -> list[Identity]:
    """People with ids 1..count, the last ``lookalikes`` of whom are dressed like someone among the first.

    Args:
        rng: advanced by the call.
        count: number of people, at least 1.
        lookalikes: below ``count``.
        confusable: draw from 6 top and 4 bottom colours only, mostly without pattern.
    """
    originals = count - lookalikes
    people = [_draw(rng, index + 1, confusable) for index in range(originals)]
    for index in range(lookalikes):
        people.append(_lookalike(rng, people[index % originals], originals + index + 1))
    return people


def _draw(rng: np.random.Generator, person_id: int, confusable: bool) -> Identity:
    fem = float(rng.uniform())
    skin = _SKIN[rng.integers(len(_SKIN))]
    top_index = int(rng.choice(_FEW_TOPS)) if confusable else int(rng.integers(len(_TOPS)))
    bottom_index = int(rng.choice(_FEW_BOTTOMS)) if confusable else int(rng.integers(len(_BOTTOMS)))
    accent = _TOPS[(top_index + int(rng.integers(1, len(_TOPS)))) % len(_TOPS)]
    pattern = _PATTERNS[rng.choice(len(_PATTERNS), p=_PATTERN_SHARES)]
    if confusable and rng.uniform() < 0.65:
        pattern = "solid"
    bottoms: tuple[Bottom, ...] = ("trousers", "shorts", "skirt", "coat")
    shares = (0.62, 0.14, 0.12, 0.12) if fem > 0.5 else (0.72, 0.18, 0.0, 0.1)
    bottom = bottoms[rng.choice(4, p=shares)]
    if bottom == "coat":
        top_index = _COAT_TOPS[top_index % len(_COAT_TOPS)]
        pattern = pattern if pattern in ("block", "logo") else "solid"
    style = rng.choice(
        ["short", "long", "bald", "hat"], p=[0.25, 0.62, 0.01, 0.12] if fem > 0.5 else [0.7, 0.1, 0.06, 0.14]
    )
    bags: tuple[Bag, ...] = ("none", "backpack", "shoulder")
    return Identity(
        person_id=person_id,
        height=float(np.clip(rng.normal(1.76 - 0.11 * fem, 0.075), 1.48, 1.98)),
        bulk=float(np.clip(rng.normal(1.0, 0.11), 0.8, 1.35)),
        fem=fem,
        skin=_jitter(rng, skin, 6),
        hair=_jitter(rng, _HAIR[rng.integers(len(_HAIR))], 6),
        hair_style=str(style),  # type: ignore[arg-type]
        hat=_TOPS[rng.integers(len(_TOPS))],
        top=_jitter(rng, _TOPS[top_index], 4 if confusable else 14),
        accent=_jitter(rng, accent, 8),
        pattern=pattern,
        sleeve="short" if pattern != "jacket" and bottom != "coat" and rng.uniform() < 0.4 else "long",
        bottom=bottom,
        bottom_colour=_jitter(rng, _BOTTOMS[bottom_index], 6 if confusable else 12),
        shoes=_jitter(rng, _SHOES[rng.integers(len(_SHOES))], 6),
        bag=bags[rng.choice(3, p=(0.58, 0.24, 0.18))],
        bag_colour=_jitter(rng, _TOPS[rng.integers(len(_TOPS))], 10),
        gait=_gait(rng),
        texture_seed=int(rng.integers(2**31)),
    )


def _lookalike(rng: np.random.Generator, twin: Identity, person_id: int) -> Identity:
    """The same clothes on another body, with one small thing changed."""
    other = _draw(rng, person_id, False)
    kept = replace(
        twin,
        person_id=person_id,
        height=other.height,
        bulk=other.bulk,
        gait=other.gait,
        texture_seed=other.texture_seed,
        lookalike_of=twin.person_id,
    )
    change = int(rng.integers(4))
    if change == 0:
        return replace(kept, bag="none" if twin.bag != "none" else "backpack")
    if change == 1:
        return replace(kept, hair=other.hair, skin=other.skin)
    if change == 2:
        return replace(kept, shoes=_SHOES[rng.integers(len(_SHOES))])
    return replace(kept, accent=other.accent)


def _gait(rng: np.random.Generator) -> Gait:
    def normal(mean: float, spread: float) -> float:
        return float(mean + spread * np.clip(rng.normal(), -2.2, 2.2))

    terms = rng.normal(size=(GAIT_TERMS, GAIT_HARMONICS, 2)) * np.radians([2.2, 1.4, 0.8])[None, :, None]
    terms[2:] *= 0.4
    return Gait(
        stride=normal(0.80, 0.05),
        speed=normal(1.28, 0.13),
        duty=normal(0.615, 0.012),
        lift=normal(0.055, 0.012),
        width=normal(0.045, 0.010),
        toe_out=normal(0.10, 0.06),
        lean=normal(0.05, 0.03),
        twist=normal(0.09, 0.035),
        arm=normal(0.38, 0.11),
        elbow=normal(0.38, 0.14),
        abduction=normal(0.11, 0.035),
        sway=normal(0.012, 0.005),
        phase=float(rng.uniform()),
        terms=tuple(tuple((float(c), float(s)) for c, s in row) for row in terms),
    )


def _jitter(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    red, green, blue = (int(v) for v in np.clip(np.array(colour) + rng.normal(0, spread, 3), 6, 249).round())
    return red, green, blue


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    return value
