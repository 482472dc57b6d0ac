"""Random erasing of normalised pictures."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def erase_rectangles(
    images: "Tensor",
    probability: float,
    generator: "torch.Generator",
    fill: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> "Tensor":
    """Random erasing (Zhong et al., AAAI 2020): 2 to 40 % of the area, aspect 0.3 to 1/0.3.

    Draws that do not fit into the picture are repeated, up to 100 times.

    Args:
        images: (N, 3, H, W), normalised; changed in place.
        probability: of erasing in a picture.
        generator: on the CPU.
        fill: value of each channel in the rectangle.
    """
    import torch

    height, width = images.shape[2:]
    colour = images.new_tensor(fill)[:, None, None]
    for row in range(len(images)):
        if float(torch.rand((), generator=generator)) >= probability:
            continue
        for _ in range(100):
            share, aspect, top, left = torch.rand(4, generator=generator).tolist()
            area = (0.02 + 0.38 * share) * height * width
            ratio = 0.3 + (1 / 0.3 - 0.3) * aspect
            tall, wide = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            if tall < height and wide < width:
                y, x = int(top * (height - tall + 1)), int(left * (width - wide + 1))
                images[row, :, y : y + tall, x : x + wide] = colour
                break
    return images
