"""The body as textured tubes: rings of vertices around bone chains.

Every tube is a stack of rings of ``SEGMENTS`` + 1 vertices (the first and last lie on the texture's seam), so the whole
person is one (rings, segments + 1) grid and posing is a handful of array operations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic.gait import INDEX, JOINTS
from data.synthetic.identities import Identity
from data.synthetic.texture import RECTANGLES

FloatArray = NDArray[np.float32]

SEGMENTS = 16
# Metres from pelvis to neck over metres from pelvis to knee.
_NECK_OVER_KNEE = 0.335 / 0.245
_LEFT = {
    "pelvis": ("left_hip", "right_hip"),
    "chest": ("left_shoulder", "right_shoulder"),
    "head": ("left_ear", "right_ear"),
}
# Trunk from below: height share between pelvis and neck, half width and half depth (shares of height), man and woman.
_TRUNK = (
    (-0.16, 0.020, 0.020, 0.020), (-0.13, 0.062, 0.062, 0.050), (-0.05, 0.090, 0.093, 0.064),
    (0.03, 0.092, 0.099, 0.068), (0.16, 0.086, 0.086, 0.062), (0.30, 0.080, 0.070, 0.056), (0.46, 0.086, 0.076, 0.061),
    (0.62, 0.096, 0.087, 0.067), (0.76, 0.102, 0.094, 0.064), (0.87, 0.097, 0.088, 0.054),
    (0.94, 0.066, 0.060, 0.045), (1.00, 0.036, 0.032, 0.036),
)  # fmt: skip
# Head from below: height from the joint, half width, half depth, shift forward.
_SKULL = (
    (-0.062, 0.012, 0.016, 0.020), (-0.056, 0.026, 0.034, 0.014), (-0.040, 0.036, 0.048, 0.006),
    (-0.020, 0.041, 0.054, 0.002),
    (0.000, 0.043, 0.057, 0.0), (0.022, 0.0445, 0.058, -0.002), (0.042, 0.041, 0.053, -0.004),
    (0.056, 0.031, 0.040, -0.006),
    (0.064, 0.014, 0.018, -0.007), (0.066, 0.0, 0.0, -0.007),
)  # fmt: skip


@dataclass(frozen=True)
class Body:
    """One person's mesh, ready to be posed.

    Attributes:
        weights: (R, J) float32, ring centres as mixtures of joints.
        offsets: (R, 3) float32 metres along left, forward and up of the ring's frame, added to its centre.
        frame: (R,) int64, which left axis the ring follows: 0 pelvis, 1 chest, 2 head.
        half: (R, 2) float32 metres, half width and half depth.
        power: (R,) float32, superellipse exponent: 1 is an ellipse, lower is boxier.
        bump: (R, S + 1) float32 metres, pushed along the depth axis.
        spread: (R,) float32, how much of the knees' distance is added to the half depth (skirts).
        before, after: (R,) int64, neighbours along the tube.
        faces: (F, 3) int64 vertices, clockwise on a screen (y down) when seen from outside.
        uv: (R * (S + 1), 2) float32 texels.
    """

    weights: FloatArray
    offsets: FloatArray
    frame: NDArray[np.int64]
    half: FloatArray
    power: FloatArray
    bump: FloatArray
    spread: FloatArray
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    faces: NDArray[np.int64]
    uv: FloatArray

    def vertices(self, joints: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pose the mesh.

        Args:
            joints: (J, 3) metres.

        Returns:
            (V, 3) float32 world metres and (V, 3) float32 unit normals that point outward.
        """
        joints = joints.astype(np.float32)
        lefts = np.stack([joints[INDEX[a]] - joints[INDEX[b]] for a, b in _LEFT.values()])
        lefts /= np.linalg.norm(lefts, axis=1, keepdims=True)
        left = lefts[self.frame]
        up = np.array([0, 0, 1], np.float32)
        ahead = np.cross(left, up)
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        centre = self.weights @ joints
        centre = centre + left * self.offsets[:, :1] + ahead * self.offsets[:, 1:2] + up * self.offsets[:, 2:]
        along = centre[self.after] - centre[self.before]
        along /= np.linalg.norm(along, axis=1, keepdims=True) + np.float32(1e-9)
        x = left - along * (left * along).sum(axis=1, keepdims=True)
        x /= np.linalg.norm(x, axis=1, keepdims=True) + np.float32(1e-9)
        y = np.cross(x, along)
        knees = joints[INDEX["left_knee"]] - joints[INDEX["right_knee"]]
        stride = np.abs((knees * ahead).sum(axis=1))
        depth = self.half[:, 1] + self.spread * stride
        circle_x = np.sign(_SINE) * np.abs(_SINE)[None] ** self.power[:, None]
        circle_y = np.sign(_COSINE) * np.abs(_COSINE)[None] ** self.power[:, None]
        across = (self.half[:, :1] * circle_x)[..., None] * x[:, None]
        deep = (depth[:, None] * circle_y + self.bump)[..., None] * y[:, None]
        grid = centre[:, None] + across + deep
        around = np.roll(grid[:, :-1], -1, axis=1) - np.roll(grid[:, :-1], 1, axis=1)
        around = np.concatenate([around, around[:, :1]], axis=1)
        normal = np.cross(around, grid[self.after] - grid[self.before])
        normal /= np.linalg.norm(normal, axis=2, keepdims=True) + np.float32(1e-12)
        return grid.reshape(-1, 3).astype(np.float32), normal.reshape(-1, 3).astype(np.float32)


_ANGLES = 2 * np.pi * (np.arange(SEGMENTS + 1) / SEGMENTS - 0.5)
_SINE, _COSINE = np.round(np.sin(_ANGLES), 7).astype(np.float32), np.round(np.cos(_ANGLES), 7).astype(np.float32)
_FRONT = np.maximum(_COSINE, 0) ** 2
_BACK = np.maximum(-_COSINE, 0) ** 2


class _Builder:
    """Collects rings tube by tube."""

    def __init__(self) -> None:
        self.weights: list[np.ndarray] = []
        self.offsets: list[tuple[float, float, float]] = []
        self.rest: list[tuple[float, ...]] = []
        self.bumps: list[np.ndarray] = []
        self.tubes: list[tuple[int, int, str]] = []

    def tube(
        self,
        part: str,
        chain: tuple[str, ...],
        rings: list[tuple[float, float, float]],
        frame: int,
        power: float = 1.0,
        offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
        offsets: list[tuple[float, float, float]] | None = None,
        spreads: list[float] | None = None,
        bumps: list[np.ndarray] | None = None,
    ) -> None:
        """Add one tube.

        Args:
            part: rectangle of the atlas.
            chain: joints of the axis; position p of a ring lies between joints floor(p) and floor(p) + 1.
            rings: (position, half width, half depth), metres.
            frame: left axis: 0 pelvis, 1 chest, 2 head.
            power: superellipse exponent.
            offset: of all rings, metres along left, forward, up.
            offsets: of each ring, added to ``offset``.
            spreads, bumps: see ``Body``.
        """
        first = len(self.weights)
        weights = np.zeros((len(rings), len(JOINTS)))
        for row, (position, _, _) in enumerate(rings):
            low = int(np.clip(np.floor(position), 0, len(chain) - 2))
            weights[row, INDEX[chain[low]]] += 1 - (position - low)
            weights[row, INDEX[chain[low + 1]]] += position - low
        if len(chain) > 2:
            weights[1:-1] = 0.25 * weights[:-2] + 0.5 * weights[1:-1] + 0.25 * weights[2:]
        self.weights.extend(weights)
        for row, (_, width, depth) in enumerate(rings):
            extra = offsets[row] if offsets else (0.0, 0.0, 0.0)
            self.offsets.append((offset[0] + extra[0], offset[1] + extra[1], offset[2] + extra[2]))
            self.rest.append((frame, width, depth, power, spreads[row] if spreads else 0.0))
            self.bumps.append(bumps[row] if bumps else np.zeros(SEGMENTS + 1))
        self.tubes.append((first, len(self.weights), part))

    def body(self) -> Body:
        """Everything that was added, as arrays."""
        count, columns = len(self.weights), SEGMENTS + 1
        before, after = np.maximum(np.arange(count) - 1, 0), np.minimum(np.arange(count) + 1, count - 1)
        faces, uv = [], np.zeros((count, columns, 2), np.float32)
        for first, last, part in self.tubes:
            before[first], after[last - 1] = first, last - 1
            left, top, width, height = RECTANGLES[part]
            share = np.linspace(0, 1, last - first)
            # Half a texel inside, so that rounding never reads a neighbour's rectangle.
            uv[first:last, :, 0] = left + 0.5 + np.linspace(0, 1, columns)[None] * (width - 1.01)
            uv[first:last, :, 1] = top + 0.5 + (1 - share[:, None]) * (height - 1.01)
            row, column = np.meshgrid(np.arange(first, last - 1), np.arange(SEGMENTS), indexing="ij")
            a = (row * columns + column).ravel()
            b, c, d = a + 1, a + columns, a + columns + 1
            faces += [np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)]
        rest = np.array(self.rest)
        return Body(
            weights=np.array(self.weights, np.float32),
            offsets=np.array(self.offsets, np.float32),
            frame=rest[:, 0].astype(np.int64),
            half=rest[:, 1:3].astype(np.float32),
            power=rest[:, 3].astype(np.float32),
            bump=np.array(self.bumps, np.float32),
            spread=rest[:, 4].astype(np.float32),
            before=before,
            after=after,
            faces=np.concatenate(faces),
            uv=uv.reshape(-1, 2),
        )


def make_body(person: Identity) -> Body:
    """The mesh of one identity; about 1900 vertices and 3300 triangles."""
    builder = _Builder()
    tall, girth, fem = person.height, person.bulk, person.fem
    limb = 0.5 + 0.5 * girth
    cloth = 0.004 if person.sleeve == "long" else 0.002

    rings, bumps = [], []
    for share, man, woman, depth in _TRUNK:
        width = (man + (woman - man) * fem) * tall * girth
        rings.append((share, width, depth * tall * (0.3 + 0.7 * girth)))
        chest = np.exp(-(((share - 0.66) / 0.10) ** 2)) * (0.004 + 0.020 * fem)
        belly = np.exp(-(((share - 0.24) / 0.16) ** 2)) * max(0.0, girth - 0.95) * 0.10
        seat = np.exp(-(((share - 0.0) / 0.10) ** 2)) * 0.014
        bumps.append((_FRONT * (chest + belly) - _BACK * seat) * tall)
    coat = 0.006 * tall if person.bottom == "coat" or person.pattern == "jacket" else 0.0
    rings = [(share, width + coat, depth + coat) for share, width, depth in rings]
    builder.tube("torso", ("pelvis", "neck"), rings, frame=1, power=0.88, bumps=bumps)
    # The hips turn with the pelvis, the shoulders with the chest; the trunk's lower rings follow the former.
    for row in range(5):
        builder.rest[row] = (0, *builder.rest[row][1:])
    neck = 0.029 * tall * (0.6 + 0.4 * girth)
    builder.tube(
        "neck", ("neck", "head"), [(-0.3, neck * 1.25, neck * 1.2), (0.0, neck, neck), (0.6, neck * 0.95, neck)], 2
    )
    _head(builder, person)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        chain = (f"{side}_wrist", f"{side}_elbow", f"{side}_shoulder")
        radii = (
            (0.0, 0.0165), (0.12, 0.0185 + cloth), (0.35, 0.0225 + cloth), (0.65, 0.0265 + cloth),
            (0.92, 0.0245 + cloth), (1.1, 0.0250 + cloth), (1.4, 0.0285 + cloth), (1.7, 0.0310 + cloth),
            (1.92, 0.0345 + cloth), (2.03, 0.031), (2.13, 0.020), (2.18, 0.0),
        )  # fmt: skip
        sized = [(p, r * tall * limb, r * tall * limb * 1.06) for p, r in radii]
        builder.tube(f"arm_{side}", chain, sized, 1, offset=(-0.008 * sign * tall, 0, 0))
        hand = ((1.0, 0.0, 0.0), (0.95, 0.007, 0.013), (0.6, 0.0105, 0.021), (0.3, 0.012, 0.022), (-0.05, 0.013, 0.015))
        builder.tube(
            f"hand_{side}", (f"{side}_wrist", f"{side}_hand"), [(p, a * tall, b * tall) for p, a, b in hand], 1,
            offset=(-0.008 * sign * tall, 0, 0),
        )  # fmt: skip
        _leg(builder, person, side, limb)
    if person.bottom in ("skirt", "coat"):
        _skirt(builder, person)
    _bag(builder, person)
    return builder.body()


def _head(builder: _Builder, person: Identity) -> None:
    tall = person.height
    rings, offsets, bumps = [], [], []
    full = {"short": 1.05, "long": 1.08, "bald": 1.0, "hat": 1.10}[person.hair_style]
    for up, width, depth, shift in _SKULL:
        crown = float(np.clip((up - 0.012) / 0.02, 0, 1))
        swell = 1 + (full - 1) * crown
        rings.append((0.0, width * tall * swell, depth * tall * swell))
        offsets.append((0.0, shift * tall, up * tall * (1 + 0.5 * (full - 1) * crown)))
        bump = np.zeros(SEGMENTS + 1)
        bump[SEGMENTS // 2] = 0.013 * tall * np.exp(-(((up + 0.016) / 0.011) ** 2))
        back = 0.008 * tall * (person.hair_style == "long") * np.exp(-((up / 0.05) ** 2))
        bumps.append(bump - _BACK * back)
    builder.tube("head", ("head", "head_top"), rings, 2, offsets=offsets, bumps=bumps)
    if person.hair_style == "hat":
        brim = [(0.0, 0.0, 0.0), (0.0, 0.036, 0.040), (0.0, 0.036, 0.040), (0.0, 0.0, 0.0)]
        lift = [(0.0, 0.045, 0.020), (0.0, 0.045, 0.020), (0.0, 0.042, 0.026), (0.0, 0.040, 0.028)]
        builder.tube(
            "hair", ("head", "head_top"), [(p, a * tall, b * tall) for p, a, b in brim], 2,
            offsets=[(x * tall, y * tall, z * tall) for x, y, z in lift],
        )  # fmt: skip
    if person.hair_style == "long":
        hang = ((-0.150, 0.0, 0.0), (-0.145, 0.036, 0.016), (-0.10, 0.043, 0.023), (-0.05, 0.045, 0.030),
                (0.0, 0.045, 0.033), (0.03, 0.036, 0.025), (0.05, 0.0, 0.0))  # fmt: skip
        builder.tube(
            "hair", ("head", "head_top"), [(0.0, a * tall, b * tall) for _, a, b in hang], 2, power=0.85,
            offsets=[(0.0, (-0.030 - 0.10 * max(0.0, -up - 0.05)) * tall, up * tall) for up, _, _ in hang],
        )  # fmt: skip


def _leg(builder: _Builder, person: Identity, side: str, limb: float) -> None:
    tall, sign = person.height, 1.0 if side == "left" else -1.0
    loose = 0.006 if person.bottom == "trousers" else 0.0
    radii = (
        (-0.06, 0.0), (-0.02, 0.021 + loose), (0.12, 0.0215 + loose), (0.4, 0.026 + 0.8 * loose),
        (0.7, 0.0325 + 0.4 * loose), (0.95, 0.031 + 0.4 * loose), (1.15, 0.034 + 0.3 * loose), (1.4, 0.041),
        (1.7, 0.048), (1.95, 0.0505), (2.1, 0.046), (2.2, 0.0),
    )  # fmt: skip
    chain = (f"{side}_ankle", f"{side}_knee", f"{side}_hip")
    calf = [(0.0, -0.006 * tall * np.exp(-(((p - 0.65) / 0.3) ** 2)), 0.0) for p, _ in radii]
    builder.tube(
        f"leg_{side}", chain, [(p, r * tall * limb, 1.06 * r * tall * limb) for p, r in radii], 0, offsets=calf,
        offset=(-0.003 * sign * tall, 0, 0),
    )  # fmt: skip
    shoe = ((0.0, 0.010, 0.012), (0.03, 0.021, 0.024), (0.28, 0.0235, 0.028), (0.55, 0.0245, 0.020),
            (0.82, 0.026, 0.0155), (0.96, 0.020, 0.011), (1.02, 0.0, 0.0))  # fmt: skip
    builder.tube(
        f"shoe_{side}", (f"{side}_heel", f"{side}_toe"), [(p, a * tall, b * tall) for p, a, b in shoe], 0, power=0.75,
        offsets=[(0.0, 0.0, b * tall) for _, _, b in shoe],
    )  # fmt: skip


def _skirt(builder: _Builder, person: Identity) -> None:
    tall, girth = person.height, person.bulk
    coat = person.bottom == "coat"
    hem = -0.84 if coat else -0.66
    top = 0.34 if coat else 0.22
    rings, spreads = [], []
    for share in np.linspace(0, 1, 7):
        down = hem + (top - hem) * share
        flare = 1 - share
        rings.append((down, (0.096 + 0.016 * flare) * tall * girth, (0.066 + 0.022 * flare) * tall * girth + 0.01))
        spreads.append(0.56 * float(flare))
    rings.append((top + 0.02, 0.05 * tall, 0.04 * tall))
    # Position 1 is the neck, 0 the pelvis; what hangs below goes with the knees.
    first = len(builder.weights)
    builder.tube("skirt", ("pelvis", "neck"), rings, 0, power=0.9, spreads=[*spreads, 0.0])
    for row, (position, _, _) in enumerate(rings):
        if position < 0:
            share = -position * _NECK_OVER_KNEE
            weights = np.zeros(len(JOINTS))
            weights[INDEX["pelvis"]] = 1 - share
            weights[[INDEX["left_knee"], INDEX["right_knee"]]] = share / 2
            builder.weights[first + row] = weights


def _bag(builder: _Builder, person: Identity) -> None:
    tall = person.height
    if person.bag == "backpack":
        pack = ((0.38, 0.0, 0.0), (0.39, 0.066, 0.030), (0.52, 0.080, 0.042), (0.75, 0.080, 0.040),
                (0.92, 0.062, 0.028), (0.95, 0.0, 0.0))  # fmt: skip
        builder.tube(
            "bag", ("pelvis", "neck"), [(p, a * tall, b * tall) for p, a, b in pack], 1, power=0.5,
            offset=(0.0, -(0.062 * person.bulk + 0.036) * tall, 0.0),
        )  # fmt: skip
    elif person.bag == "shoulder":
        side = 1.0 if person.texture_seed % 2 else -1.0
        profile = (
            (-0.30, 0.0, 0.0),
            (-0.29, 0.020, 0.070),
            (-0.15, 0.026, 0.076),
            (0.06, 0.022, 0.070),
            (0.08, 0.0, 0.0),
        )
        builder.tube(
            "bag", ("pelvis", "neck"), [(p, a * tall, b * tall) for p, a, b in profile], 0, power=0.55,
            offset=(side * (0.105 * person.bulk + 0.03) * tall, -0.01 * tall, 0.0),
        )  # fmt: skip
