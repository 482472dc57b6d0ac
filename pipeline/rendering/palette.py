"""One colour per identity: the same in every video, chart and run, and apart for colour-blind eyes too.

Hue walks by the golden ratio, so that any stretch of consecutive ids spreads over the whole circle; lightness walks
over five levels by another irrational step, so that ids whose hues look alike to a colour-blind viewer differ in
brightness. Levels and first hue were searched so that the closest pair of the first ten ids (also of every second and
third id) is as far apart as possible under normal, deuteranope and protanope vision: 0.068 in OKLab, over three
just-noticeable steps. Labels always carry the id: colour is never the only sign.
"""

import math
from functools import lru_cache

Rgb = tuple[int, int, int]

_GOLDEN = 0.6180339887498949
_FIRST_HUE = 0.75
_LIGHTNESS_STEP = 0.7320508075688772
_LIGHTNESS = (0.56, 0.65, 0.74, 0.83, 0.92)
_CHROMA = 0.2
GREY: Rgb = (150, 150, 150)
INK: Rgb = (0, 0, 0)
PAPER: Rgb = (255, 255, 255)


@lru_cache(maxsize=4096)
def color_of(identity: int) -> Rgb:
    """sRGB colour of an identity, 0-255 each; grey for -1 (none)."""
    if identity < 0:
        return GREY
    level = int(identity * _LIGHTNESS_STEP % 1.0 * len(_LIGHTNESS))
    return _oklch(_LIGHTNESS[level], _CHROMA, (_FIRST_HUE + identity * _GOLDEN) % 1.0)


def hex_of(color: Rgb) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def luminance(color: Rgb) -> float:
    """Relative luminance, 0-1 (WCAG 2.2)."""
    red, green, blue = (_expand(channel / 255) for channel in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: Rgb, b: Rgb) -> float:
    """Contrast ratio, 1-21 (WCAG 2.2)."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@lru_cache(maxsize=4096)
def text_on(color: Rgb) -> Rgb:
    """Ink or paper, whichever reads better on a colour; the ratio is at least 4.5."""
    return max(INK, PAPER, key=lambda text: contrast(text, color))


def _expand(value: float) -> float:
    """SRGB to linear light."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _compress(value: float) -> float:
    """Linear light to sRGB."""
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def _oklch(lightness: float, chroma: float, hue: float) -> Rgb:
    """OKLCH to sRGB (Ottosson 2020, "A perceptual color space for image processing"), chroma reduced into gamut."""
    while True:
        a, b = chroma * math.cos(2 * math.pi * hue), chroma * math.sin(2 * math.pi * hue)
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if min(linear) >= -1e-4 and max(linear) <= 1 + 1e-4:
            red, green, blue = (round(255 * _compress(value)) for value in linear)
            return red, green, blue
        chroma *= 0.96
