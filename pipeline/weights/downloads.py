"""Fetching one file: to a temporary place, verified, then renamed, so that a half-written file is never found."""

import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from data.atomic import put_in_place
from data.errors import UserError
from data.weight_records import file_sha256

Progress = Callable[[int, int | None], None]

_SCHEMES = ("http", "https", "file")
_BLOCK = 1 << 20
_TIMEOUT_S = 60.0
# A transfer slower than this on average, once it has had its patience, is given up.
_LEAST_BYTES_PER_S = 1 << 10
_PATIENCE_S = 60.0
# Of files whose size the manifest does not say.
_LARGEST_BYTES = 1 << 33


def download(
    url: str,
    target: Path,
    sha256: str,
    member: str | None = None,
    progress: Progress | None = None,
    size_bytes: int | None = None,
) -> None:
    """Fetch a file, verify it and put it in place.

    Args:
        url: http, https or file address.
        target: where the file goes; its folder is made.
        sha256: expected hash of the file that is kept.
        member: the address is a zip archive: the file inside whose path ends with this is kept.
        progress: told the bytes received and the total (None where the server does not say).
        size_bytes: of the file that is kept, where known: nothing larger is taken.

    Raises:
        UserError: for another scheme, an address that cannot be reached, a transfer that broke off, has no end or takes
            for ever, no room, a wrong hash, an archive without the member. Nothing is left behind then.
    """
    _check_scheme(url)
    most = _LARGEST_BYTES if size_bytes is None else size_bytes
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot fetch {url} into {target.parent}: {error.strerror or error}") from error
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        fetched = Path(folder) / "fetched"
        try:
            _transfer(url, fetched, _LARGEST_BYTES if member else most, progress)
            kept = _extract(url, fetched, member, most) if member else fetched
        except HTTPError as error:
            raise UserError(f"cannot fetch {url}: the server answers {error.code} {error.reason}") from error
        except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
            raise UserError(f"cannot fetch {url}: {getattr(error, 'reason', error)}; is there a network?") from error
        except OSError as error:
            raise UserError(f"cannot fetch {url} into {target.parent}: {error.strerror or error}") from error
        except ValueError as error:
            raise UserError(f"cannot fetch {url}: {error}") from error
        found = file_sha256(kept)
        if found != sha256:
            raise UserError(
                f"{url} is not the expected file: its sha256 is {found}, the manifest says {sha256}; nothing was kept"
            )
        put_in_place(kept, target)


def _transfer(url: str, target: Path, most: int, progress: Progress | None) -> None:
    request = Request(url, headers={"User-Agent": "mtmct"})
    with build_opener(_SafeRedirects).open(request, timeout=_TIMEOUT_S) as response:
        length = response.headers.get("Content-Length")
        total = int(length) if length and length.isdigit() else None
        free = shutil.disk_usage(target.parent).free
        if total is not None and total > free:
            raise UserError(f"no room in {target.parent}: {url} needs {_mb(total)}, {_mb(free)} are free")
        if total is not None and total > most:
            raise UserError(f"{url} announces {_mb(total)}, the file has {_mb(most)}; nothing was kept")
        with target.open("wb") as stream:
            received = _copy(response, stream, total, most, progress)
        if total is not None and received < total:
            raise UserError(f"the transfer of {url} broke off after {received} of {total} bytes; run it again")


def _copy(source: Any, target: IO[bytes], total: int | None, most: int, progress: Progress | None) -> int:
    """Copy at most so many bytes; a source that gives too few in too long a time is given up."""
    received, began_s = 0, time.monotonic()
    read = getattr(source, "read1", source.read)  # What has arrived, without waiting for a whole block.
    while block := read(_BLOCK):
        target.write(block)
        received += len(block)
        spent_s = time.monotonic() - began_s
        if received > most:
            raise UserError(f"more than the {_mb(most)} arrived that the file has; nothing was kept")
        if spent_s > _PATIENCE_S and received < _LEAST_BYTES_PER_S * spent_s:
            raise UserError(
                f"only {received} bytes arrived in {spent_s:.0f} s; run it again where the network is better"
            )
        if progress:
            progress(received, total)
    return received


def _extract(url: str, archive: Path, member: str, most: int) -> Path:
    kept = archive.with_name("kept")
    try:
        with zipfile.ZipFile(archive) as bundle:
            names = [name for name in bundle.namelist() if name == member or name.endswith(f"/{member}")]
            if len(names) != 1:
                raise UserError(f"{url} holds {len(names)} files named {member}, exactly one was expected")
            with bundle.open(names[0]) as source, kept.open("wb") as stream:
                _copy(source, stream, None, most, None)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{url} is not a readable zip archive: {error}") from error
    return kept


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise UserError(f"cannot fetch {url}: {error}") from None
    if scheme not in _SCHEMES:
        raise UserError(f"cannot fetch {url}: only {', '.join(_SCHEMES)} addresses are allowed")


class _SafeRedirects(HTTPRedirectHandler):
    """Follows a redirection only to another web address (never to file or ftp)."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise UserError(f"{req.full_url} redirects to {newurl}, which is no web address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
