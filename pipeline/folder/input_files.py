"""Which files a run began with, so that it goes on with, and draws on, the same ones.

Hashing whole recordings would keep a user waiting before the first frame: 0.7 s of a core for every GB, and the disk.
Of a large file pieces are hashed that are spread evenly over it, its first and last bytes among them.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from data.listing import listed
from data.weight_records import file_sha256

WHOLE, SAMPLED = "sha256", "sampled_sha256"
PIECES = 64

_LARGE = 256 << 20
_PIECE = 1 << 20


def describe_file(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file, of a large one that of its size and of pieces; empty for anything else."""
    if not path.is_file():
        return {}
    size = path.stat().st_size
    return {"bytes": size} | ({WHOLE: file_sha256(path)} if size <= _LARGE else {SAMPLED: _sampled(path, size)})


def describe_input(path: Path) -> dict[str, Any]:
    """The same of a video; of a folder of pictures the size of all files and the SHA-256 of their names and sizes.

    Empty for what is no file or folder (a stream).
    """
    if not path.is_dir():
        return describe_file(path)
    files = [(one.name, one.stat().st_size) for one in listed(path, "*") if one.is_file()]
    digest = sha256("".join(f"{name}\0{size}\n" for name, size in files).encode("utf-8", "surrogateescape"))
    return {"bytes": sum(size for _, size in files), WHOLE: digest.hexdigest()}


def is_hashed(described: Mapping[str, Any]) -> bool:
    """Whether a description tells one file from others."""
    return bool(described.get(WHOLE) or described.get(SAMPLED))


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions are of one content: sizes, and the hashes that both have, are equal.

    Earlier versions hashed large files whole, so of one file there may be two hashes that cannot be compared.
    """
    both = [key for key in (WHOLE, SAMPLED) if key in one and key in other]
    return (
        is_hashed(one) == is_hashed(other)
        and one.get("bytes") == other.get("bytes")
        and all(one[key] == other[key] for key in both)
    )


def _sampled(path: Path, size: int) -> str:
    digest = sha256(f"{size}\n".encode())
    with path.open("rb") as file:
        for piece in range(PIECES):
            file.seek((size - _PIECE) * piece // (PIECES - 1))
            digest.update(file.read(_PIECE))
    return digest.hexdigest()
