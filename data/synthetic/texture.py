"""The texture atlas: 256x256, the same rectangles for everybody, so that two people compare texel by texel."""

import numpy as np
from numpy.typing import NDArray

from data.synthetic.identities import Colour, Identity

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]

SIZE = 256
# Name: left, top, width, height. Across is once around the tube (the middle is the front), up is along the tube.
RECTANGLES = {
    "torso": (0, 0, 128, 96), "head": (128, 0, 64, 64), "hair": (192, 0, 64, 32), "bag": (192, 32, 64, 32),
    "arm_left": (0, 96, 64, 64), "arm_right": (64, 96, 64, 64), "leg_left": (128, 64, 64, 96),
    "leg_right": (192, 64, 64, 96), "skirt": (0, 160, 128, 64), "neck": (128, 160, 64, 16),
    "hand_left": (128, 176, 32, 32), "hand_right": (160, 176, 32, 32), "shoe_left": (192, 160, 32, 32),
    "shoe_right": (224, 160, 32, 32),
}  # fmt: skip
PARTS = (
    "background", "hair", "face", "torso", "arm_left", "arm_right", "hand_left", "hand_right", "leg_left", "leg_right",
    "shoe_left", "shoe_right", "neck", "bag", "skirt",
)  # fmt: skip
_LABELS = {name: number for number, name in enumerate(PARTS)}
_HEM = 0.20


def paint(person: Identity) -> tuple[ByteArray, ByteArray]:
    """A person's atlas.

    Returns:
        (256, 256, 3) uint8 RGB, and (256, 256) uint8 part labels (indices of ``PARTS``).
    """
    rng = np.random.default_rng(person.texture_seed)
    colours = np.zeros((SIZE, SIZE, 3), np.float32)
    labels = np.zeros((SIZE, SIZE), np.uint8)
    for name, (left, top, width, height) in RECTANGLES.items():
        view = (slice(top, top + height), slice(left, left + width))
        around, up = np.meshgrid((np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height)
        label = np.full((height, width), _LABELS["face" if name == "head" else name], np.uint8)
        colours[view] = _PAINTERS[name.split("_")[0]](person, rng, around, up, label)
        labels[view] = label
    cloth = 1 + _folds(rng) * 0.07
    colours *= np.where((labels == _LABELS["face"]) | (labels == _LABELS["neck"]), 1, cloth)[..., None]
    return np.clip(colours, 0, 255).astype(np.uint8), labels


def _folds(rng: np.random.Generator) -> FloatArray:
    """(256, 256) smooth noise of unit spread, stretched along the tubes."""
    coarse = rng.normal(size=(24, 48)).astype(np.float32)
    rows, columns = np.linspace(0, 22.99, SIZE), np.linspace(0, 46.99, SIZE)
    r, c = rows.astype(int), columns.astype(int)
    fr, fc = (rows - r)[:, None], (columns - c)[None]
    mixed = (coarse[r][:, c] * (1 - fc) + coarse[r][:, c + 1] * fc) * (1 - fr)
    mixed += (coarse[r + 1][:, c] * (1 - fc) + coarse[r + 1][:, c + 1] * fc) * fr
    return (mixed + 0.25 * rng.normal(size=(SIZE, SIZE))).astype(np.float32)


def _plain(colour: Colour, like: np.ndarray) -> FloatArray:
    return np.broadcast_to(np.array(colour, np.float32), (*like.shape, 3)).copy()


def _shirt(person: Identity, around: np.ndarray, up: np.ndarray, turns: float, span: float) -> FloatArray:
    """The pattern of the top on a tube ``turns`` times as wide and ``span`` times as high as the trunk."""
    base, accent = _plain(person.top, up), np.array(person.accent, np.float32)
    across, along = around * turns, up * span
    if person.pattern == "hstripe":
        mask = (along * 9) % 1 < 0.45
    elif person.pattern == "vstripe":
        mask = (across * 16) % 1 < 0.4
    elif person.pattern == "check":
        mask = ((across * 14).astype(int) + (along * 11).astype(int)) % 2 == 0
    elif person.pattern == "dots":
        mask = np.square((across * 14) % 1 - 0.5) + np.square((along * 10) % 1 - 0.5) < 0.06
    elif person.pattern == "block":
        mask = along > 0.66 * span
    else:
        mask = np.zeros(up.shape, bool)
    base[mask] = accent
    return base


def _torso(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    colours = _shirt(person, around, up, 1.0, 1.0)
    front = np.abs(around - 0.5)
    if person.pattern == "logo":
        inside = np.square((around - 0.5) / 0.085) + np.square((up - 0.66) / 0.10) < 1
        colours[inside] = person.accent
    if person.pattern == "jacket":
        colours[front < 0.055 + 0.03 * (up - 0.3)] = person.accent
        colours[np.abs(front - 0.06 - 0.03 * (up - 0.3)) < 0.006] = np.array(person.top, np.float32) * 0.55
    collar = up > 0.955 - 0.05 * np.clip(1 - front / 0.12, 0, 1)
    colours[collar] = np.array(person.top, np.float32) * 0.75
    colours[up > 0.985 - 0.06 * np.clip(1 - front / 0.08, 0, 1)] = person.skin
    below = up < _HEM
    colours[below] = np.array(person.bottom_colour if person.bottom != "coat" else person.top, np.float32)
    colours[np.abs(up - _HEM) < 0.012] *= 0.6
    if person.bag == "backpack":
        strap = (np.abs(front - 0.145) < 0.018) & (up > 0.45)
        colours[strap] = np.array(person.bag_colour, np.float32) * 0.7
    elif person.bag == "shoulder":
        side = 1.0 if person.texture_seed % 2 else -1.0
        line = np.where(around < 0.5, (around - 0.25) * 2, (0.75 - around) * 2)
        target = 0.5 + side * np.where((around > 0.2) & (around < 0.8), around - 0.5, 0.5 - around) * 1.6
        colours[(np.abs(up - 0.62 + (target - 0.5) * 0.8) < 0.022) & (line > -1)] = np.array(person.bag_colour) * 0.8
    return colours


def _arm(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    colours = _shirt(person, around, up, 0.4, 0.62)
    if person.pattern == "block":
        colours[up > 0.78] = person.accent
    if person.sleeve == "short":
        colours[up < 0.62] = person.skin
        colours[np.abs(up - 0.62) < 0.015] *= 0.65
    else:
        colours[up < 0.06] *= 0.6
    return colours


def _leg(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    colours = _plain(person.bottom_colour, up)
    if person.bottom == "shorts":
        colours[up < 0.52] = person.skin
        colours[up < 0.13] = np.array((214, 214, 210)) * 0.9
    elif person.bottom == "skirt":
        tights = np.array(person.bottom_colour if sum(person.shoes) < 200 else person.skin, np.float32)
        colours[:] = tights * (0.45 if sum(person.shoes) < 200 else 1.0)
    else:
        colours[np.minimum(np.abs(around - 0.25), np.abs(around - 0.75)) < 0.012] *= 0.78
        colours[up < 0.05] *= 0.75
    return colours


def _head(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    skin = np.array(person.skin, np.float32)
    colours = _plain(person.skin, up)
    front = np.abs(around - 0.5)
    # Rows of the skull's rings are evenly spaced in the texture: eyes lie at 0.50, the mouth at 0.24.
    colours[np.square((front - 0.0) / 0.05) + np.square((up - 0.235) / 0.018) < 1] = (
        np.array((168, 84, 80)) * (skin / 255) + 20
    )
    colours[(front < 0.02) & (np.abs(up - 0.32) < 0.03)] *= 0.82
    colours[(front > 0.035) & (front < 0.11) & (np.abs(up - 0.545 + 0.3 * (front - 0.07) ** 2) < 0.018)] = (
        np.array(person.hair, np.float32) * 0.8
    )
    eye = np.square((front - 0.073) / 0.030) + np.square((up - 0.485) / 0.026) < 1
    colours[eye] = (226, 224, 220)
    colours[np.square((front - 0.073) / 0.014) + np.square((up - 0.485) / 0.024) < 1] = (38, 28, 24)
    colours[np.square((front - 0.23) / 0.022) + np.square((up - 0.44) / 0.07) < 1] = skin * 0.8
    if person.fem < 0.4 and person.texture_seed % 5 < 2:
        beard = (up < 0.30) & (front < 0.22) & ~((np.abs(up - 0.235) < 0.02) & (front < 0.05))
        colours[beard] = 0.55 * np.array(person.hair, np.float32) + 0.45 * skin
    line = 0.63 + 0.02 * np.cos(front * 40)
    line = np.where(front > 0.17, line - (front - 0.17) * (4.5 if person.hair_style == "long" else 2.2), line)
    line = np.maximum(line, {"short": 0.24, "long": 0.05, "hat": 0.30, "bald": 0.3}[person.hair_style])
    hairy = up > line
    if person.hair_style == "bald":
        hairy &= (front > 0.24) & (up < 0.62)
    streaks = 1 + 0.16 * rng.normal(size=(1, up.shape[1])) * np.ones(up.shape)
    colours[hairy] = (np.array(person.hair, np.float32) * streaks[..., None])[hairy]
    label[hairy] = _LABELS["hair"]
    if person.hair_style == "hat":
        hat = up > 0.60
        colours[hat] = person.hat
        label[hat] = _LABELS["hair"]
    return colours


def _hair(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    if person.hair_style == "hat":
        return _plain(person.hat, up) * 0.85
    streaks = 1 + 0.18 * rng.normal(size=(1, up.shape[1])) * np.ones(up.shape)
    return (_plain(person.hair, up) * streaks[..., None]).astype(np.float32)


def _skirt(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    colours = _plain(person.top if person.bottom == "coat" else person.bottom_colour, up)
    colours *= (1 + 0.06 * np.sin(around * 2 * np.pi * 11))[..., None]
    if person.bottom == "coat":
        colours[np.abs(around - 0.5) < 0.012] *= 0.5
        colours[np.abs(up - 0.93) < 0.03] *= 0.6
    return colours.astype(np.float32)


def _bag(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    colours = _plain(person.bag_colour, up)
    colours[np.abs(up - 0.45) < 0.03] *= 0.55
    colours[up > 0.86] *= 0.75
    return colours


def _shoe(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    colours = _plain(person.shoes, up)
    # The tube's front faces the floor: that is the sole.
    colours[np.abs(around - 0.5) < 0.2] *= 0.5
    return colours


def _skin(
    person: Identity, rng: np.random.Generator, around: np.ndarray, up: np.ndarray, label: ByteArray
) -> FloatArray:
    return _plain(person.skin, up) * 0.95


_PAINTERS = {
    "torso": _torso, "head": _head, "hair": _hair, "bag": _bag, "arm": _arm, "leg": _leg, "skirt": _skirt,
    "neck": _skin, "hand": _skin, "shoe": _shoe,
}  # fmt: skip
