"""How alike pictures are, by all parts that both of a pair show."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from data.errors import UserError
from data.kernels.checks import one_of
from data.records import FloatArray, PartEmbeddings, Rows

Mode = Literal["binary", "continuous"]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Appearance of N pictures in P parts.

    Attributes:
        vectors: (N, P, D) float32, unit length per part; zero where it is not visible.
        visibility: (N, P) bool (a part counts or does not), or float32 0-1 (a part counts by it).
    """

    vectors: FloatArray
    visibility: NDArray[np.bool_] | FloatArray

    def __len__(self) -> int:
        return len(self.vectors)

    @staticmethod
    def of(embeddings: PartEmbeddings, mode: Mode = "binary") -> "Looks":
        """Of embeddings.

        Args:
            embeddings: of N pictures.
            mode: binary: every part that shows at all counts alike; continuous: by its visibility.

        Raises:
            UserError: for an unknown mode.
        """
        one_of(mode, get_args(Mode), "the mode of visibilities")
        seen = embeddings.visibility > 0 if mode == "binary" else embeddings.visibility.astype(np.float32)
        return Looks(embeddings.vectors.astype(np.float32), seen)

    @property
    def whole(self) -> bool:
        """Whether there is one vector per picture, always visible: then nothing need be weighed."""
        return self.visibility.shape[1] == 1 and bool((self.visibility == 1).all())

    def select(self, rows: Rows) -> "Looks":
        """Keep some rows, given as indices or as a mask."""
        return Looks(self.vectors[rows], self.visibility[rows])

    def joined(self, others: "Looks") -> "Looks":
        """These pictures, then others.

        Raises:
            UserError: when the numbers of parts or dimensions differ.
        """
        self._check_like(others)
        return Looks(
            np.concatenate([self.vectors, others.vectors]), np.concatenate([self.visibility, others.visibility])
        )

    def similarity(self, others: "Looks") -> FloatArray:
        """Mean cosine similarity of the parts, weighed by joint visibility (BPBReID, WACV 2023, section 3.4).

        Args:
            others: M pictures, described by the same network.

        Returns:
            (N, M) float32, -1 to 1; NaN where no part is visible in both: no evidence.

        Raises:
            UserError: when the numbers of parts or dimensions differ.
        """
        self._check_like(others)
        if self.whole and others.whole:
            return self.vectors[:, 0] @ others.vectors[:, 0].T
        import torch

        from reid.ranking.distance import distance_matrix

        def given(array: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array))

        distance: FloatArray = distance_matrix(
            given(self.vectors), given(others.vectors), given(self.visibility), given(others.visibility), "cosine"
        ).numpy()
        return np.subtract(np.float32(1), distance, out=np.full_like(distance, np.nan), where=np.isfinite(distance))

    def _check_like(self, others: "Looks") -> None:
        if self.vectors.shape[1:] != others.vectors.shape[1:]:
            raise UserError(
                f"features of {self.vectors.shape[1]} parts of {self.vectors.shape[2]} numbers and of "
                f"{others.vectors.shape[1]} of {others.vectors.shape[2]} cannot be compared"
            )
