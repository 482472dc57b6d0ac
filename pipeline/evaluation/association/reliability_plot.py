"""A picture of what link probabilities are worth."""

from pathlib import Path

import numpy as np

from data.errors import UserError
from pipeline.evaluation.association.scores import BINS, Reliability


def draw_reliability(found: Reliability, path: Path, title: str) -> None:
    """Draw claimed against true shares of each bin, and how many links lie in it, as PNG.

    Links on the diagonal are as often right as they say (Niculescu-Mizil & Caruana, ICML 2005).

    Args:
        found: bins of links.
        path: the picture.
        title: what was judged.

    Raises:
        UserError: when it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 6.2), layout="constrained")
    shares, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    shares.plot([0, 1], [0, 1], color="#b0b0b0", linewidth=1, linestyle="--")
    claimed, true = [item.claimed for item in found.bins], [item.true for item in found.bins]
    links = np.array([item.links for item in found.bins])
    # Two standard errors of a share, so that a bin of four links is not taken for more than it is.
    spread = [2 * np.sqrt(max(item.true * (1 - item.true), 0.25 / item.links) / item.links) for item in found.bins]
    shares.errorbar(claimed, true, yerr=spread, color="#1f4e79", marker="o", linewidth=1.4, capsize=2)
    shares.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is one person")
    shares.set_title(
        f"{title}\n{links.sum()} links, expected calibration error {found.expected_error:.3f}", fontsize=10
    )
    counts.bar([item.low + 0.5 / BINS for item in found.bins], links, 0.9 / BINS, color="#c9d8e8")
    counts.set(xlabel="claimed probability", ylabel="links")
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None})
    except OSError as error:
        raise UserError(f"cannot write the plot {path}: {error.strerror}") from None
