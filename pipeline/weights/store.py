"""Finding the weights a run needs: a file that is named, else the cache, else a fetch by the manifest, else an error.

Weights trained on synthetic people are taken by name only.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from data.runtime.choice import Runtimes
from data.weight_records import (
    SHIPPED_FOLDER,
    ResolvedWeights,
    WeightKind,
    WeightRecord,
    as_weights,
    check_beside,
    file_sha256,
    known_weights,
)

if TYPE_CHECKING:
    from pipeline.weights.downloads import Progress

logger = logging.getLogger(__name__)

AUTO = "auto"
SHIPPED = "shipped"


def default_cache_dir() -> Path:
    """``$MTMCT_CACHE``, else the platform's user cache for mtmct."""
    if chosen := os.environ.get("MTMCT_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("mtmct")


class WeightStore:
    """Resolves ``<section>.weights`` to files, fetching what may be fetched.

    Attributes:
        used: what was resolved so far, by kind, in order; for the run's manifest.
        warnings: one line for each of them that was trained on synthetic people; each was also logged.
    """

    def __init__(
        self,
        cache_dir: Path | None = None,
        offline: bool = False,
        records: Mapping[str, WeightRecord] | None = None,
        runtimes: Runtimes | None = None,
    ) -> None:
        """Prepare a store; nothing is read yet.

        Args:
            cache_dir: where fetched files lie; None: ``default_cache_dir()``.
            offline: never fetch.
            records: name -> record; None: the project's manifest.
            runtimes: decide what computes the networks; None: as they are exported, nothing is measured.
        """
        self.runtimes = runtimes if runtimes is not None else Runtimes()
        self.cache_dir = cache_dir if cache_dir is not None else default_cache_dir()
        self.offline = offline
        self.records = records if records is not None else known_weights()
        self.used: dict[str, list[ResolvedWeights]] = {}
        self.warnings: list[str] = []

    def resolve(self, kind: WeightKind, value: str, default_name: str) -> ResolvedWeights:
        """The file behind a configured value.

        In order: a file (or OpenVINO folder) of that name; a name of the manifest; for "auto" the default's name. A
        named one is taken from ``data/weights`` or the cache, else fetched. A file the user brings is looked up by its
        hash, so that it gets its record whatever it is called.

        Args:
            kind: what it is for; also the configuration section in messages.
            value: "auto", a path, or a name of the manifest.
            default_name: the manifest's name that "auto" stands for.

        Raises:
            UserError: when there is no such file, or it is not here and may not be fetched, or it is damaged.
        """
        path = Path(value).expanduser()
        if value != AUTO and path.exists():
            found = as_weights(path, self.records)
        elif value == AUTO or value in self.records:
            found = self._from_name(kind, default_name if value == AUTO else value)
        else:
            names = sorted(name for name, record in self.records.items() if kind in record.kinds)
            raise UserError(
                f"{kind}.weights: there is no file {value}; give an existing file, auto, or one of: {', '.join(names)}"
            )
        if found.record is not None and kind not in found.record.kinds:
            raise UserError(
                f"{kind}.weights: {found.path} ({found.name}) is for {' and '.join(found.record.kinds)}, not {kind}"
            )
        found = replace(found, runtimes=self.runtimes)
        self.used.setdefault(kind, []).append(found)
        logger.info("%s weights: %s (%s)", kind, found.path, found.model_id)
        if found.trained_on == "synthetic":
            self.warnings.append(self._synthetic_warning(kind, found, default_name))
            logger.warning("%s", self.warnings[-1])
        return found

    def _synthetic_warning(self, kind: WeightKind, found: ResolvedWeights, default_name: str) -> str:
        line = f"{kind}.weights: {found.name} was trained on synthetic people and knows nothing of real ones"
        if instead := self._real_instead(kind, found.record, default_name):
            line += f"; for real footage there is {instead}: python -m tools.fetch_weights {instead}"
        if kind == "reid":
            line += "; published KPR weights come in with python -m tools.import_checkpoint FILE --install"
        return line

    def _real_instead(self, kind: WeightKind, record: WeightRecord | None, default_name: str) -> str | None:
        """A name of the manifest that can be fetched: the default, else one for the same back-end, else any."""
        names = [
            name
            for name, entry in self.records.items()
            if kind in entry.kinds and entry.trained_on == "real" and entry.url not in (None, SHIPPED)
        ]
        readers = set(record.backends) if record is not None else set()
        return min(
            names, key=lambda name: (name != default_name, not readers & set(self.records[name].backends)), default=None
        )

    def path_of(self, name: str) -> Path:
        """Where the file of a manifest entry lies, or will lie once fetched."""
        record = self.records[name]
        return (SHIPPED_FOLDER if record.url == SHIPPED else self.cache_dir) / record.file

    def fetch(self, name: str, progress: "Progress | None" = None) -> Path:
        """Make sure the file of a manifest entry is here and undamaged.

        Args:
            name: key of the manifest.
            progress: told the bytes received and the total.

        Raises:
            UserError: for an unknown name, a file nobody serves, or a failed transfer.
        """
        from pipeline.weights.downloads import download

        if name not in self.records:
            raise UserError(f"unknown weights '{name}'; there are: {', '.join(sorted(self.records))}")
        record, path = self.records[name], self.path_of(name)
        for part in record.beside:
            other = path.with_name(part.file)
            if not (other.exists() and file_sha256(other) == part.sha256):
                if part.url is None:
                    raise UserError(f"{name} cannot be fetched: {_origin(record)}; expected at {other}")
                download(part.url, other, part.sha256, progress=progress)
        if path.exists() and file_sha256(path) == record.sha256:
            return path
        if record.url in (None, SHIPPED):
            raise UserError(f"{name} cannot be fetched: {_origin(record)}; expected at {path}")
        download(str(record.url), path, record.sha256, record.member, progress, record.size_bytes)
        return path

    def _from_name(self, kind: str, name: str) -> ResolvedWeights:
        record, path = self.records[name], self.path_of(name)
        if not path.exists():
            if record.url in (None, SHIPPED):
                raise UserError(f"{kind}.weights: {name} is not here ({path}): {_origin(record)}")
            if self.offline:
                raise UserError(
                    f"{kind}.weights: {name} is not in {self.cache_dir} and fetching is off; run "
                    f"`python -m tools.fetch_weights {name}`, or name a file in {kind}.weights"
                )
            logger.info("fetching %s (%s) from %s", name, record.licence, record.url)
            try:
                self.fetch(name)
            except UserError as error:
                raise UserError(
                    f"{kind}.weights: {error}; run `python -m tools.fetch_weights {name}` where there is a network, or "
                    f"name a file in {kind}.weights"
                ) from error
        digest = file_sha256(path)
        if digest != record.sha256:
            raise UserError(
                f"{kind}.weights: {path} is damaged or another file (sha256 {digest}); delete it and run "
                f"`python -m tools.fetch_weights {name}`"
            )
        check_beside(path, record)
        return ResolvedWeights(path, digest, name, record, record.trained_on)


def _origin(record: WeightRecord) -> str:
    if record.url == SHIPPED:
        return "it belongs to the checkout (data/weights)"
    return f"no public address is known for it ({record.how}); name your copy of it"
