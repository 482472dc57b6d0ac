"""Where a training's numbers go beside its own ``log.jsonl``: TensorBoard files and Weights & Biases."""

import importlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from data.errors import UserError

logger = logging.getLogger(__name__)

WANDB_RUN = "wandb_run.txt"


class ScalarWriter(Protocol):
    """What of TensorBoard's ``SummaryWriter`` is used."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Record one number."""
        ...

    def close(self) -> None:
        """Finish writing."""
        ...


class Writers:
    """Several writers as one."""

    def __init__(self, writers: Sequence[ScalarWriter]) -> None:
        self._writers = tuple(writers)

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Tell every writer."""
        for writer in self._writers:
            writer.add_scalar(tag, scalar_value, global_step)

    def close(self) -> None:
        """Close every writer."""
        for writer in self._writers:
            writer.close()


class WandbWriter:
    """Sends numbers to a Weights & Biases project.

    The run starts with the first number, so a training that cannot begin leaves none behind; its id is kept in the
    folder, and a resumed training goes on in the same run.

    Args:
        project: name of the project.
        folder: of the training.
        config: what the run page shows.

    Raises:
        UserError: when the package is not installed.
    """

    def __init__(self, project: str, folder: Path, config: Mapping[str, Any]) -> None:
        try:
            self._package: Any = importlib.import_module("wandb")
        except ImportError:
            raise UserError("--wandb needs the package wandb (pip install wandb)") from None
        self._project, self._folder, self._config = project, folder, dict(config)
        self._run: Any = None

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Record one number; those of one step appear together."""
        if self._run is None:
            self._run = self._package.init(
                project=self._project,
                name=self._folder.name,
                id=self._run_id(),
                resume="allow",
                dir=str(self._folder),
                config=self._config,
            )
        self._run.log({tag: scalar_value}, step=global_step)

    def close(self) -> None:
        """Send what is left."""
        if self._run is not None:
            self._run.finish()

    def _run_id(self) -> str:
        path = self._folder / WANDB_RUN
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_text(uuid.uuid4().hex[:12] + "\n", encoding="utf-8")
        return path.read_text(encoding="utf-8").strip()


class TensorboardWriter:
    """TensorBoard files below a training's folder, made with the first number.

    What an earlier, interrupted training wrote at that step and later is marked to be left out: those steps are taken
    again.

    Args:
        folder: of the training.

    Raises:
        UserError: when the package is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._package: Any = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            raise UserError("TensorBoard files need the package tensorboard (pip install tensorboard)") from None
        self._place = folder / "tensorboard"
        self._writer: Any = None

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Record one number."""
        if self._writer is None:
            self._writer = self._package.SummaryWriter(str(self._place), purge_step=global_step)
        self._writer.add_scalar(tag, scalar_value, global_step)

    def close(self) -> None:
        """Finish writing."""
        if self._writer is not None:
            self._writer.close()


def tensorboard_writer(folder: Path) -> ScalarWriter | None:
    """See ``TensorboardWriter``; None, with a line in the log, where TensorBoard is not installed."""
    try:
        return TensorboardWriter(folder)
    except UserError as error:
        logger.info("%s; numbers go to log.jsonl only", error)
        return None
