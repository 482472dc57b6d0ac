"""Colours are stable, readable, and apart for every kind of colour vision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rendering.palette import GREY, color_of, contrast, hex_of, text_on

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
_VISION = {
    "normal": np.eye(3),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
_TO_LMS = np.array([[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
                    [0.0883024619, 0.2817188376, 0.6299787005]])  # fmt: skip
_TO_LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                    [0.0259040371, 0.7827717662, -0.8086757660]])  # fmt: skip


def _closest(ids: list[int], vision: str) -> float:
    """Smallest OKLab distance of any two colours as seen with a kind of vision."""
    srgb = np.array([color_of(identity) for identity in ids]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ _VISION[vision].T, 0, 1)
    lab = np.cbrt(seen @ _TO_LMS.T) @ _TO_LAB.T
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return float(distance[~np.eye(len(ids), dtype=bool)].min())


@pytest.mark.parametrize("vision", list(_VISION))
@pytest.mark.parametrize("ids", [list(range(10)), list(range(1, 11)), list(range(0, 16, 2)), list(range(0, 24, 3))])
def test_the_first_identities_are_apart(ids: list[int], vision: str) -> None:
    assert _closest(ids, vision) > 0.06


@given(st.integers(min_value=0, max_value=10**12))
def test_text_on_any_colour_is_readable(identity: int) -> None:
    color = color_of(identity)
    assert color == color_of(identity)
    assert all(0 <= channel <= 255 for channel in color)
    assert contrast(color, text_on(color)) >= 4.5


def test_no_identity_is_grey() -> None:
    assert color_of(-1) == GREY
    assert hex_of((1, 171, 255)) == "#01abff"
