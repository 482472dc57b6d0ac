"""DukeMTMC-reID (Ristani et al., ECCV workshops 2016; Zheng et al., ICCV 2017).

Eight cameras; 16,522 training pictures of 702 identities, 2,228 queries, a gallery of 17,661. The data set was
withdrawn by its authors: this reads copies that already exist.
"""

from pathlib import Path

from data.datasets.reid_folders import ReidFolders, read_folders

FOLDERS = ("DukeMTMC-reID",)


def read_dukemtmc_reid(root: Path, duke_offsets: bool = False) -> ReidFolders:
    """Read the splits of ``DukeMTMC-reID``.

    Args:
        root: the data set's folder, or the folder above it.
        duke_offsets: put frames on the devkit's common clock; published space-time results use the raw frames.

    Raises:
        UserError: when a split is absent, or a name is not of the data set.
    """
    return read_folders(root, "duke", "DukeMTMC-reID", FOLDERS, duke_offsets)
