"""Interlaced pictures: two fields of every second line, taken one after the other and stored as one frame.

Whatever moves has a comb in such a frame. One field alone is a picture of one instant, at half the height.
"""

from typing import Any

import numpy as np


def upper_field(frame: Any) -> Any:
    """The upper of two fields of a decoded PyAV frame, as a frame of half its height.

    It is the earlier field in most files and half a frame later in the others, which does not matter here. Lines of
    chroma belong to the fields in turn as those of luma do, so every plane is halved alike. A frame that cannot be
    halved (a palette, stored upside down, a line high) is given back as it is.
    """
    import av

    if frame.height < 2 or frame.format.has_palette or any(plane.line_size <= 0 for plane in frame.planes):
        return frame
    field: Any = av.VideoFrame(frame.width, frame.height // 2, frame.format.name)
    for whole, half in zip(frame.planes, field.planes, strict=True):
        lines = np.frombuffer(whole, np.uint8).reshape(-1, whole.line_size)[::2]
        own = np.frombuffer(half, np.uint8).reshape(-1, half.line_size)
        rows, width = min(len(own), len(lines)), min(whole.line_size, half.line_size)
        own[:rows, :width] = lines[:rows, :width]
    field.colorspace, field.color_range = frame.colorspace, frame.color_range
    return field
