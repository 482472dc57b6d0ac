"""Market-1501 (Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015).

Six cameras; 12,936 training pictures of 751 identities, 3,368 queries, a gallery of 19,732 with distractors (identity
0) and junk (-1). Frames are put on one time line by the lengths of the sequences before.
"""

from pathlib import Path

from data.datasets.reid_folders import ReidFolders, read_folders

FOLDERS = ("Market-1501-v15.09.15", "Market-1501")


def read_market1501(root: Path) -> ReidFolders:
    """Read the splits of ``Market-1501-v15.09.15``, given that folder or the one above it.

    Raises:
        UserError: when a split is absent, or a name is not of the data set.
    """
    return read_folders(root, "market", "Market-1501", FOLDERS)
