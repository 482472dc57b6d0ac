"""The folder of one training: configuration, log, the state to resume from, the chosen and the last weights.

| file | content |
|---|---|
| config.yaml | the configuration, defaults included |
| log.jsonl | one object per step, epoch or scoring |
| log.txt | what was said, with the time |
| curves.png | the numbers of log.jsonl as a picture |
| state.pt | everything a resumed training needs; replaced at every save |
| best.safetensors | weights of the best scoring on what was held out for that |
| best_on_test.safetensors | weights of the best scoring on the test set, where that was asked for |
| last.safetensors | weights at the end |

Only the process that leads a training writes; others of it read.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml
from pydantic import ValidationError

from data.atomic import replacing, to_disk, write_text
from data.config import Section, explain
from data.errors import UserError, first_line
from data.folder_lock import locked_folder
from data.redaction import RedactingFormatter

logger = logging.getLogger(__name__)

CONFIG, LOG, TOLD, STATE, CURVES = "config.yaml", "log.jsonl", "log.txt", "state.pt", "curves.png"
BEST, BEST_ON_TEST, LAST = "best.safetensors", "best_on_test.safetensors", "last.safetensors"

_NAMED = 3


class InterruptedTraining(KeyboardInterrupt):
    """The user stopped a training; its state is saved."""


class TrainingFolder:
    """Where a training writes, and what it goes on from.

    Args:
        root: the folder; it is made by ``writing``.
        config: the training.
        counted: what the state and every line of the log count, "step" or "epoch".
        resume: go on from the state in the folder.
        overwrite: a training in the folder may be replaced by a new one.
        may_change: keys of the configuration that may differ between a training and its resumption, as "key.sub" with
            all that is below, or with * for any part of it.
        data: what else must be the same, by name (a digest of the pictures, the network's make-up).
        leads: this process writes; False: nothing is written.

    Attributes:
        best: path of the weights chosen on what was held out.
        best_on_test: path of the weights chosen on the test set.
        last: path of the last ones.
        changed: dotted keys of the configuration that differ from the training gone on with; told by ``resuming``.

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
        leads: bool = True,
    ) -> None:
        self.root, self.best, self.best_on_test, self.last = root, root / BEST, root / BEST_ON_TEST, root / LAST
        self._config, self._counted, self._resume, self._overwrite = config, counted, resume, overwrite
        self._may_change, self._data, self._leads = tuple(may_change), dict(data or {}), leads
        self._state, self._log = root / STATE, root / LOG
        self._resumed_at = 0
        self.changed: tuple[str, ...] = ()
        if resume and not self._state.exists():
            raise UserError(f"{root} holds no training to resume: there is no {STATE}")
        self._check_free()

    def _check_free(self) -> None:
        if not self._resume and not self._overwrite and self._state.exists():
            raise UserError(f"{self.root} holds a training already; go on with --resume, or choose another folder")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for the length of the block, in which the training runs.

        The configuration is written, and what is said goes to ``log.txt`` too. A new training starts with an empty log
        and without a state; a resumed one drops the lines of the log after its state: those steps are taken again.

        Raises:
            UserError: when the folder cannot be written, another process writes there, or holds a training by now.
        """
        if not self._leads:
            yield
            return
        with locked_folder(self.root, "folder"):
            self._check_free()
            try:
                self._begin()
                lines = logging.FileHandler(self.root / TOLD, encoding="utf-8")
            except OSError as error:
                raise UserError(f"cannot write to {self.root}: {error.strerror}; choose another folder") from None
            lines.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
            logging.getLogger().addHandler(lines)
            try:
                yield
            finally:
                logging.getLogger().removeHandler(lines)
                lines.close()

    def _begin(self) -> None:
        if self._resume:
            self._cut_log(self._resumed_at)
        else:
            for path in (self._state, self.best, self.best_on_test, self.last, self.root / CURVES, self.root / TOLD):
                path.unlink(missing_ok=True)
            write_text(self._log, "")
        write_text(self.root / CONFIG, yaml.safe_dump(self._config.model_dump(mode="json"), sort_keys=False))

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add a line to the log; it holds the number that is counted.

        Raises:
            UserError: when there is no room.
        """
        if not self._leads:
            return
        with self.storing(), self._log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the saved state, after all lines of the log are on the disk.

        Args:
            state: plain values and tensors by name, the number that is counted among them.

        Raises:
            UserError: when there is no room.
        """
        import torch

        if not self._leads:
            return
        told = {"config": self._config.model_dump_json(), "data": self._data}
        try:
            with self.storing(), replacing(self._state) as temporary:
                to_disk(self._log)
                torch.save({**state, **told}, temporary)
        except RuntimeError as error:
            # What torch makes of a disk that is full names a line of its own code.
            raise self._no_room(f"the disk is full or fails: {first_line(error)}") from None

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Weights are written to the folder in the block.

        Raises:
            UserError: when there is no room.
        """
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, SafetensorError) as error:
            raise self._no_room(first_line(error)) from None

    def interrupted(self, done: str) -> InterruptedTraining:
        """What is raised after a signal, once the state is saved; ``done`` is how far the training came ("step 7")."""
        return InterruptedTraining(f"stopped after {done}, saved in {self.root}; go on with --resume")

    def _no_room(self, reason: str) -> UserError:
        then = "go on with --resume" if self._state.exists() else "start again"
        return UserError(f"cannot save to {self.root} ({reason}); make room and {then}")

    @contextmanager
    def resuming(self) -> Iterator[dict[str, Any]]:
        """The saved state, to be taken up in the block.

        Raises:
            UserError: when the state is damaged, cannot be taken up, or is of another training.
        """
        import torch

        try:
            self._check_archive()
            state = torch.load(self._state, map_location="cpu", weights_only=True)
            self._compare(state)
            yield state
            self._resumed_at = int(state[self._counted])
        except (UserError, torch.cuda.OutOfMemoryError):
            raise
        except Exception as error:
            # A damaged archive, or one of something else, can fail in any way.
            reason = first_line(error)
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
        kind = type(self._config)
        try:
            # Keys that came later than the saved configuration have their defaults in it.
            before = kind.model_validate_json(state["config"])
        except ValidationError as error:
            told = explain(
                error, kind, f"{self.root} was trained by another version, whose configuration is none today"
            )
            raise UserError(told) from None
        wrong = []
        different = differences(before.model_dump(mode="json"), self._config.model_dump(mode="json"))
        self.changed = tuple(key for key, _, _ in different)
        for key, old, new in different:
            if not any(fnmatchcase(key, name) or fnmatchcase(key, f"{name}.*") for name in self._may_change):
                wrong.append((key, old, new))
            elif self._leads:
                logger.info("goes on with %s=%s, which was %s", key, new, old)
        if wrong:
            (key, old, new), *others = wrong
            more = f" (and other {', '.join(name for name, _, _ in others[:_NAMED])})" if others else ""
            raise UserError(
                f"{self.root} was trained with {key}={old}, not {new}{more}; give the same, or another folder"
            )
        known = state.get("data", {})
        for name, value in self._data.items():
            if known.get(name) != value:
                raise UserError(f"{self.root} was trained with other {name}; give the same, or another folder")

    def _cut_log(self, last: int) -> None:
        """Drop what comes after the saved state, and a line that broke off."""
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        write_text(self._log, "".join(line + "\n" for line in lines if _count(line, self._counted) <= last))


def differences(before: Any, after: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """Where two trees of plain values differ.

    Returns:
        Dotted key of each place, with both values; what one of them lacks is None.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        parts = [(name, before.get(name), after.get(name)) for name in {**before, **after}]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        parts = [(str(row), old, new) for row, (old, new) in enumerate(zip(before, after, strict=True))]
    else:
        return [] if before == after else [(key, before, after)]
    return [found for name, old, new in parts for found in differences(old, new, f"{key}.{name}".lstrip("."))]


def _count(line: str, counted: str) -> float:
    try:
        return float(json.loads(line)[counted])
    except (ValueError, KeyError, TypeError):
        return float("inf")
