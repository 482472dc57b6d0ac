"""Light on people and their shadows on the floor."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.synthetic.background import Materials
from data.synthetic.cameras import NEAR_M, Camera
from data.synthetic.gait import INDEX

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]

# Capsules that cast the shadow: two joints and a radius in metres.
_LIMBS = tuple(
    (INDEX[a], INDEX[b], radius)
    for a, b, radius in (
        ("pelvis", "neck", 0.15), ("head", "head_top", 0.09), ("left_shoulder", "left_elbow", 0.05),
        ("right_shoulder", "right_elbow", 0.05), ("left_elbow", "left_hand", 0.04), ("right_elbow", "right_hand", 0.04),
        ("left_hip", "left_knee", 0.075), ("right_hip", "right_knee", 0.075), ("left_knee", "left_ankle", 0.055),
        ("right_knee", "right_ankle", 0.055), ("left_heel", "left_toe", 0.045), ("right_heel", "right_toe", 0.045),
    )
)  # fmt: skip
_RIM = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
_DARKEST = 0.5
_SOFT_M = 0.035


def light(colours: ByteArray, normals: FloatArray, heights: FloatArray, materials: Materials) -> FloatArray:
    """Lambert plus a hemisphere of ambient light.

    Args:
        colours: (N, 3) uint8 RGB of the texture.
        normals: (N, 3) float32, not necessarily of unit length.
        heights: (N,) float32 metres above the floor: close to it less light arrives.
        materials: direction of the light and its ambient share.

    Returns:
        (N, 3) float32 RGB.
    """
    size = np.sqrt(np.square(normals).sum(axis=1)) + np.float32(1e-6)
    direct = np.maximum(normals @ materials.light.astype(np.float32), 0) / size
    sky = np.float32(0.78) + np.float32(0.22) * normals[:, 2] / size
    ambient = np.float32(materials.ambient * 1.05)
    level = ambient * sky + np.float32(1.12 - materials.ambient) * direct
    level *= np.clip(np.float32(0.78) + heights * np.float32(0.9), 0, 1)
    result: FloatArray = colours * level[:, None]
    return result


def shadows(camera: Camera, joints: Sequence[FloatArray], materials: Materials) -> list[tuple[int, int, ByteArray]]:
    """Shadows of people on the floor.

    Args:
        camera: from where they are seen.
        joints: (J, 3) metres per person.
        materials: direction of the light.

    Returns:
        For every person whose shadow is in the picture: left, top and a (h, w) uint8 mask, 255 = full shadow.
    """
    import cv2

    found = []
    width, height = camera.size
    slant = materials.light[:2] / materials.light[2]
    for person in joints:
        outline = np.empty((len(_LIMBS), 2, len(_RIM), 3))
        for row, (a, b, radius) in enumerate(_LIMBS):
            for end, joint in enumerate((a, b)):
                outline[row, end, :, :2] = person[joint, :2] - slant * person[joint, 2] + radius * _RIM
        outline[..., 2] = 0.0
        pixels, depth = camera.project(outline.reshape(-1, 3))
        if depth.min() < NEAR_M:
            continue
        sigma = float(np.clip(_SOFT_M * camera.intrinsics[0, 0] / depth.mean(), 0.6, 8.0))
        pad = int(3 * sigma) + 1
        left, top = (int(np.floor(v)) - pad for v in pixels.min(axis=0))
        right, bottom = (int(np.ceil(v)) + pad for v in pixels.max(axis=0))
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if right - left < 2 or bottom - top < 2:
            continue
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corners = np.round((pixels - (left, top)) * 16).astype(np.int32).reshape(len(_LIMBS), -1, 2)
        for hull in corners:
            cv2.fillConvexPoly(mask, cv2.convexHull(hull), 255, cv2.LINE_8, 4)
        found.append((left, top, np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.uint8)))
    return found


def darken(image: FloatArray, mask: ByteArray) -> None:
    """Multiply (h, w, 3) float32 colours by the shadow in place."""
    image *= (1 - mask.astype(np.float32) * np.float32(_DARKEST / 255))[..., None]
