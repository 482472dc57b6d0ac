"""What a semantics-aligned network (SAN) is made of: enough to rebuild it and to prepare its input."""

from pydantic import Field

from data.config import Section

TEXTURE_SIZE = 256
"""Height and width of the textures that the decoder draws, px."""


class SanSpec(Section):
    """Encoder and decoder; the defaults are the published SA-Enc and SA-Dec."""

    height: int = Field(256, ge=64, multiple_of=16, description="input height, px")
    width: int = Field(128, ge=32, multiple_of=16, description="input width, px")
    blocks: tuple[int, int, int, int] = Field((3, 4, 6, 3), description="residual blocks of each stage (ResNet-50)")
    channels: int = Field(
        64, ge=8, multiple_of=8, description="inner channels of the first stage (ResNet-50: 64); the decoder follows"
    )
    dim: int | None = Field(
        512, ge=1, description="length of the embedding; null: the plain ResNet, whose last stage halves the map"
    )
    identities: int = Field(1, ge=1, description="training identities, rows of the classifier")
    decoder: bool = Field(True, description="the weights hold the decoder too; embeddings never need it")

    @property
    def features(self) -> int:
        """Channels of the encoder's last map."""
        return 32 * self.channels
