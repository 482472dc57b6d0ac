"""The folder of one training: configuration, log, the state to resume from, the best and the last weights.

| file | content |
|---|---|
| config.yaml | the configuration, defaults included |
| log.jsonl | one object per step, epoch or scoring |
| state.pt | everything a resumed training needs; replaced at every save |
| best.safetensors | weights of the best scoring, where there is a test set |
| last.safetensors | weights at the end |
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml
from pydantic import ValidationError

from data.atomic import replacing, to_disk, write_text
from data.config import Section
from data.errors import UserError

CONFIG, LOG, STATE = "config.yaml", "log.jsonl", "state.pt"
BEST, LAST = "best.safetensors", "last.safetensors"


class TrainingFolder:
    """Where a training writes, and what it goes on from.

    Args:
        root: the folder; it is made by ``begin``.
        config: the training.
        counted: what the state and every line of the log count, "step" or "epoch".
        resume: go on from the state in the folder.
        overwrite: a training in the folder may be replaced by a new one.
        may_change: keys of the configuration, as "key.sub", that may differ between a training and its resumption.
        data: what else must be the same, by name (a digest of the pictures, the network's make-up).

    Attributes:
        best: path of the best weights.
        last: path of the last ones.

    Raises:
        UserError: when there is no state to resume from, or a training that would be overwritten.
    """

    def __init__(
        self,
        root: Path,
        config: Section,
        *,
        counted: str,
        resume: bool = False,
        overwrite: bool = False,
        may_change: Sequence[str] = (),
        data: Mapping[str, str] | None = None,
    ) -> None:
        self.root, self.best, self.last = root, root / BEST, root / LAST
        self._config, self._counted, self._resume = config, counted, resume
        self._may_change, self._data = tuple(may_change), dict(data or {})
        self._state, self._log = root / STATE, root / LOG
        if resume and not self._state.exists():
            raise UserError(f"{root} holds no training to resume: there is no {STATE}")
        if not resume and not overwrite and self._state.exists():
            raise UserError(f"{root} holds a training already; go on with --resume, or choose another folder")

    def begin(self) -> None:
        """Make the folder, write the configuration and, in a new training, start an empty log without a state.

        Raises:
            UserError: when the folder cannot be written.
        """
        try:
            write_text(self.root / CONFIG, yaml.safe_dump(self._config.model_dump(mode="json"), sort_keys=False))
            if not self._resume:
                self._state.unlink(missing_ok=True)
                write_text(self._log, "")
        except OSError as error:
            raise UserError(f"cannot write to {self.root}: {error.strerror}; choose another folder") from None

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the log; it holds the number that is counted."""
        with self._log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the saved state, after all lines of the log are on the disk.

        Args:
            state: plain values and tensors by name, the number that is counted among them.

        Raises:
            UserError: when there is no room.
        """
        import torch

        told = {"config": self._config.model_dump_json(), "data": self._data}
        try:
            to_disk(self._log)
            with replacing(self._state) as temporary:
                torch.save({**state, **told}, temporary)
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"cannot save to {self.root} ({reason}); make room and go on with --resume") from None

    @contextmanager
    def resuming(self) -> Iterator[dict[str, Any]]:
        """The saved state, to be taken up in the block; lines of the log after it are dropped at the end.

        Raises:
            UserError: when the state is damaged, cannot be taken up, or is of another training.
        """
        import torch

        try:
            self._check_archive()
            state = torch.load(self._state, map_location="cpu", weights_only=True)
            self._compare(state)
            yield state
            self._cut_log(int(state[self._counted]))
        except (UserError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:
            # A damaged archive, or one of something else, can fail in any way.
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"{self._state} is damaged, or no state of this training ({reason}); start again in another folder"
            ) from None

    def _check_archive(self) -> None:
        """Torch writes zip archives, but reads them without comparing their checksums, and unpickles other files."""
        with ZipFile(self._state) as archive:
            wrong = archive.testzip()
        if wrong is not None:
            raise ValueError(f"{wrong} fails its checksum")

    def _compare(self, state: Mapping[str, Any]) -> None:
        if self._comparable(state["config"]) != self._comparable(self._config.model_dump_json()):
            raise UserError(f"{self.root} was trained with another configuration; give the same one, or another folder")
        known = state.get("data", {})
        for name, value in self._data.items():
            if known.get(name) != value:
                raise UserError(f"{self.root} was trained with other {name}; give the same, or another folder")

    def _comparable(self, config: str) -> dict[str, Any] | None:
        """A configuration without what may change; keys that came later than a saved one have their defaults in it."""
        try:
            tree = type(self._config).model_validate_json(config).model_dump(mode="json")
        except ValidationError:
            return None
        for key in self._may_change:
            *folders, name = key.split(".")
            node = tree
            for folder in folders:
                node = node[folder]
            del node[name]
        return tree

    def _cut_log(self, last: int) -> None:
        """Drop what comes after the saved state, and a line that broke off: those steps are taken again."""
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        write_text(self._log, "".join(line + "\n" for line in lines if _count(line, self._counted) <= last))


def _count(line: str, counted: str) -> float:
    try:
        return float(json.loads(line)[counted])
    except (ValueError, KeyError, TypeError):
        return float("inf")
