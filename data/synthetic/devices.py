"""Where triangles are drawn: with NumPy on the CPU, or with torch on a GPU. The tiles are the same."""

from data.synthetic.raster import Rasteriser, rasterise


def rasteriser(device: str) -> Rasteriser:
    """What draws meshes on a resolved device; torch is imported only for a GPU."""
    if device == "cpu":
        return rasterise
    from data.synthetic.raster_torch import TorchRasteriser

    return TorchRasteriser(device)
