"""One frame of one camera: picture, masks and the truth about everybody in it, in a single pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.synthetic.background import Materials, StaticView
from data.synthetic.body import Body, make_body
from data.synthetic.cameras import NEAR_M, Camera, Electronics
from data.synthetic.gait import COCO_JOINTS
from data.synthetic.identities import Identity
from data.synthetic.raster import Rasteriser, Tile, barycentric, rasterise
from data.synthetic.shading import darken, light, shadows
from data.synthetic.site import Geometry
from data.synthetic.texture import paint

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
IntArray = NDArray[np.int64]

_SAMPLES = 2
_SMALLEST_PIXELS = 24
# How far a visible joint may lie behind the surface: the head's points lie on it, the others inside a limb.
_OWN_DEPTH_M = np.array([0.06] * 5 + [0.16] * 12, np.float32)
_REACH_M = 1.3


@dataclass(frozen=True)
class Truth:
    """Everybody of whom something is seen in a frame, in the order they were given.

    Attributes:
        ids: (N,) int64 global ids.
        boxes: (N, 4) float32 x1 y1 x2 y2 of the whole body, hidden parts included, cut at the frame's border.
        in_frame: (N,) float32, share of the whole box's area that lies in the frame.
        visibility: (N,) float32, visible pixels / pixels it would have in the frame if nothing stood before it.
        keypoints: (N, 17, 3) float32 x px, y px, 1 = visible, 0.5 = hidden, 0 = outside the frame (x = y = 0).
    """

    ids: IntArray
    boxes: FloatArray
    in_frame: FloatArray
    visibility: FloatArray
    keypoints: FloatArray


@dataclass(frozen=True)
class Rendered:
    """A frame.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        owners: (H, W) uint16, global id of the person seen, 0 = nobody.
        parts: (H, W) uint8, index into ``texture.PARTS``.
        truth: see ``Truth``.
    """

    image: ByteArray
    owners: NDArray[np.uint16]
    parts: ByteArray
    truth: Truth


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One person on the screen, before it is known what others hide."""

    person: int
    tile: Tile
    points: FloatArray
    inverse: FloatArray
    world: FloatArray
    normals: FloatArray
    box: FloatArray


class Wardrobe:
    """Meshes and textures of people, made when first needed; at most ``limit`` are kept."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._kept: dict[int, tuple[Body, ByteArray, ByteArray]] = {}

    def get(self, person: Identity) -> tuple[Body, ByteArray, ByteArray]:
        """Mesh, atlas colours and atlas labels."""
        if person.person_id not in self._kept:
            if len(self._kept) >= self._limit:
                self._kept.pop(next(iter(self._kept)))
            self._kept[person.person_id] = (make_body(person), *paint(person))
        return self._kept[person.person_id]


class Renderer:
    """Draws people into the empty scene of one camera."""

    def __init__(
        self,
        camera: Camera,
        view: StaticView,
        geometry: Geometry,
        materials: Materials,
        electronics: Electronics,
        draw: Rasteriser = rasterise,
    ) -> None:
        self._geometry, self._rasterise = geometry, draw
        self._camera, self._view, self._materials, self._electronics = camera, view, materials, electronics
        self._wardrobe = Wardrobe()
        self._scene = view.image.astype(np.float32)
        self._depth = np.repeat(np.repeat(view.inverse, _SAMPLES, axis=0), _SAMPLES, axis=1)

    def render(self, people: list[Identity], joints: FloatArray, frame: int) -> Rendered:
        """Draw a frame.

        Args:
            people: who is there, in the order of their ids, at most 255.
            joints: (N, J, 3) metres.
            frame: number of the frame, the seed of its noise.
        """
        image = self._scene.copy()
        depth = self._depth.copy()
        owner = np.zeros(depth.shape, np.uint8)
        near = [row for row in range(len(people)) if self._in_view(joints[row])]
        for left, top, mask in shadows(self._camera, [joints[row] for row in near], self._materials):
            window = (slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1]))
            darken(image[window], np.minimum(mask, self._view.floor[window]))
        empty = image.copy()
        drawn: list[_Drawn] = []
        for row in near:
            one = self._draw(people[row], joints[row], row)
            if one is None:
                continue
            window = _window(one.tile)
            wins = one.tile.inverse > depth[window]
            depth[window][wins] = one.tile.inverse[wins]
            owner[window][wins] = len(drawn) + 1
            drawn.append(one)
        parts = np.zeros((self._camera.size[1], self._camera.size[0]), np.uint8)
        visible = np.zeros(len(drawn), np.int64)
        for number, one in enumerate(drawn):
            seen = owner[_window(one.tile)] == number + 1
            visible[number] = np.count_nonzero(seen)
            if visible[number]:
                self._paint(people[one.person], one, seen, image, empty, parts)
        ids = np.array([0, *(people[one.person].person_id for one in drawn)], np.int64)
        truth = self._truth(people, joints, drawn, visible, owner, depth)
        shown = np.clip(image, 0, 255).astype(np.uint8)
        owners = ids[owner[::_SAMPLES, ::_SAMPLES]].astype(np.uint16)
        return Rendered(self._electronics.apply(shown, frame), owners, parts, truth)

    def _in_view(self, joints: FloatArray) -> bool:
        """Whether a sphere around the person touches the field of view, and no wall hides all joints."""
        centre = (self._camera.rotation @ joints[0] + self._camera.shift).astype(np.float64)
        focal = self._camera.intrinsics[0, 0]
        if centre[2] < -_REACH_M:
            return False
        for axis in (0, 1):
            half = self._camera.size[axis] / 2 / focal
            if abs(centre[axis]) > half * centre[2] + _REACH_M * np.hypot(1, half):
                return False
        # Behind a wall nothing of a person is seen when none of the joints is.
        return not self._geometry.blocked(self._camera.position, joints.astype(np.float64)).all()

    def _draw(self, person: Identity, joints: FloatArray, row: int) -> _Drawn | None:
        body, _, _ = self._wardrobe.get(person)
        world, normals = body.vertices(joints)
        pixels, depth = self._camera.project(world)
        inverse = np.where(depth > NEAR_M, 1 / np.maximum(depth, np.float32(1e-3)), 0).astype(np.float32)
        points = (pixels * _SAMPLES).astype(np.float32)
        width, height = self._camera.size
        tile = self._rasterise(points, inverse, body.faces, (width * _SAMPLES, height * _SAMPLES), _SAMPLES)
        if tile is None:
            return None
        ahead = pixels[inverse > 0]
        box = np.concatenate([ahead.min(axis=0), ahead.max(axis=0)]).astype(np.float32)
        return _Drawn(row, tile, points, inverse, world, normals, box)

    def _paint(
        self,
        person: Identity,
        one: _Drawn,
        seen: NDArray[np.bool_],
        image: FloatArray,
        empty: FloatArray,
        parts: ByteArray,
    ) -> None:
        """Shade the samples that are seen, and blend them into the picture by coverage."""
        body, atlas, labels = self._wardrobe.get(person)
        y, x = np.nonzero(seen)
        corners = body.faces[one.tile.face[y, x]]
        weights = barycentric(
            one.points,
            one.inverse,
            corners,
            (x + (one.tile.left + 0.5)).astype(np.float32),
            (y + (one.tile.top + 0.5)).astype(np.float32),
        )
        texel = np.einsum("nk,nkc->nc", weights, body.uv[corners]).astype(np.int64)
        normals = np.einsum("nk,nkc->nc", weights, one.normals[corners])
        heights = np.einsum("nk,nk->n", weights, one.world[:, 2][corners])
        colours = light(atlas[texel[:, 1], texel[:, 0]], normals, heights, self._materials)
        full = np.zeros((*seen.shape, 3), np.float32)
        full[y, x] = colours
        share = np.float32(1 / _SAMPLES**2)
        total, cover = _pooled(full) * share, _pooled(seen.astype(np.float32)) * share
        top, left = one.tile.top // _SAMPLES, one.tile.left // _SAMPLES
        window = (slice(top, top + len(cover)), slice(left, left + cover.shape[1]))
        image[window] += total - empty[window] * cover[..., None]
        label = np.zeros(seen.shape, np.uint8)
        label[y, x] = labels[texel[:, 1], texel[:, 0]]
        chosen = label[::_SAMPLES, ::_SAMPLES]
        parts[window][chosen > 0] = chosen[chosen > 0]

    def _truth(
        self,
        people: list[Identity],
        joints: FloatArray,
        drawn: list[_Drawn],
        visible: IntArray,
        owner: ByteArray,
        depth: FloatArray,
    ) -> Truth:
        width, height = self._camera.size
        kept = []
        for number, one in enumerate(drawn):
            alone = int(np.count_nonzero(one.tile.face >= 0))
            if alone < _SMALLEST_PIXELS * _SAMPLES**2 or not visible[number]:
                continue
            whole = one.box
            box = np.clip(whole, 0, np.array([width, height] * 2, np.float32))
            area = float((whole[2] - whole[0]) * (whole[3] - whole[1]))
            inside = float((box[2] - box[0]) * (box[3] - box[1])) / max(area, 1e-6)
            points = self._keypoints(joints[one.person], number, owner, depth)
            kept.append((people[one.person].person_id, box, inside, visible[number] / alone, points))
        return Truth(
            ids=np.array([row[0] for row in kept], np.int64),
            boxes=np.array([row[1] for row in kept], np.float32).reshape(-1, 4),
            in_frame=np.array([row[2] for row in kept], np.float32),
            visibility=np.array([row[3] for row in kept], np.float32),
            keypoints=np.array([row[4] for row in kept], np.float32).reshape(-1, 17, 3),
        )

    def _keypoints(self, joints: FloatArray, number: int, owner: ByteArray, depth: FloatArray) -> FloatArray:
        """(17, 3): a joint is visible where its own person is seen no more than a limb's thickness in front of it."""
        width, height = self._camera.size
        pixels, far = self._camera.project(joints[list(COCO_JOINTS)].astype(np.float32))
        inside = (far > NEAR_M) & (pixels >= 0).all(axis=1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
        result = np.zeros((17, 3), np.float32)
        result[inside, :2] = pixels[inside]
        result[inside, 2] = 0.5
        rows, columns = owner.shape
        reach = np.arange(-_SAMPLES, _SAMPLES + 1)
        x = np.clip((pixels[inside, 0] * _SAMPLES).astype(np.int64)[:, None] + reach, 0, columns - 1)
        y = np.clip((pixels[inside, 1] * _SAMPLES).astype(np.int64)[:, None] + reach, 0, rows - 1)
        own = owner[y[:, :, None], x[:, None, :]] == number + 1
        surface = 1 / np.maximum(depth[y[:, :, None], x[:, None, :]], 1e-6)
        close = own & (surface > (far - _OWN_DEPTH_M)[inside][:, None, None])
        result[np.flatnonzero(inside)[close.any(axis=(1, 2))], 2] = 1.0
        return result


def _window(tile: Tile) -> tuple[slice, slice]:
    high, wide = tile.inverse.shape
    return slice(tile.top, tile.top + high), slice(tile.left, tile.left + wide)


def _pooled(samples: FloatArray) -> FloatArray:
    """Sums over blocks of samples: (h, w, ...) to (h / 2, w / 2, ...). Strided sums beat a reshape many times over."""
    total = np.zeros_like(samples[::_SAMPLES, ::_SAMPLES])
    for down in range(_SAMPLES):
        for right in range(_SAMPLES):
            total += samples[down::_SAMPLES, right::_SAMPLES]
    return total
