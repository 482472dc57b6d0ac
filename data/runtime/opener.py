"""A network, and opening it on a runtime that is named."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.atomic import write_bytes
from data.runtime.cores import Share, shared_cores
from data.runtime.network import Network
from data.runtime.onnx import OnnxNetwork, execution_providers
from data.runtime.openvino import IrGraph, OpenVinoNetwork
from data.runtime.seals import is_whole, seal
from data.runtime.unfolding import is_folded, unfolded

UNFOLDED = "unfolded"
# Part of the name of every graph that is kept: to be raised when other code makes another graph of the same file.
_EDITION = 2


@dataclass(frozen=True, slots=True)
class Model:
    """A network to be opened.

    Attributes:
        source: ONNX or OpenVINO IR file (.xml), or what makes a serialised graph.
        key: tells it from all other networks, as a name and a hash.
        label: what to call it in messages.
        makes_ir: what makes a graph makes an ``IrGraph``, else an ONNX graph.
    """

    source: Path | Callable[[], bytes | IrGraph]
    key: str
    label: str
    makes_ir: bool = False

    @property
    def is_ir(self) -> bool:
        """Only OpenVINO reads it."""
        return self.source.suffix == ".xml" if isinstance(self.source, Path) else self.makes_ir


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens one model on any runtime.

    Attributes:
        model: what to open.
        device: see ``data.runtime.onnx.execution_providers``.
        cores: CPU cores all networks together may use; 0: all.
        at_once: rows that are given together.
        folder: where graphs that were made of files, and compiled models, are kept; None keeps none.
    """

    model: Model
    device: str
    cores: int
    at_once: int
    folder: Path | None

    def __call__(self, name: str, threads: int = 1, rows: int = 1) -> Network:
        """Open it.

        Args:
            name: runtime and precision, and ``UNFOLDED`` where quantised convolutions are to be in floating point:
                "openvino bf16 unfolded".
            threads: of one run.
            rows: see ``Share``.

        Raises:
            UserError: when the runtime is absent or does not read the model.
        """
        runtime, precision, *form = name.split()
        source = self._unfolded() if form else self._stored()
        share = Share.of(self.cores, threads, self.at_once, rows)
        if runtime == "openvino":
            compiled = None if self.folder is None else self.folder / "openvino" / self._name("".join(form))
            return OpenVinoNetwork(source, share, self.model.label, precision, compiled)
        assert not isinstance(source, IrGraph)
        return OnnxNetwork(source, self.device, share, self.model.label)

    @property
    def count(self) -> int:
        """CPU cores there are."""
        return shared_cores(self.cores).count

    def on_gpu(self, runtime: str) -> bool:
        """Whether a runtime computes on a GPU; OpenVINO never does.

        Raises:
            UserError: see ``data.runtime.onnx.execution_providers``.
        """
        on_cpu = runtime != "onnxruntime" or self.device == "cpu"
        return not on_cpu and execution_providers(self.device) != ["CPUExecutionProvider"]

    @property
    def is_folded(self) -> bool:
        """Whether it can be opened in two forms, see ``data.runtime.unfolding``."""
        return not self.model.is_ir and is_folded(self._onnx())

    def _stored(self) -> Path | bytes | IrGraph:
        source = self.model.source
        return source if isinstance(source, Path) else self._kept("", source)

    def _unfolded(self) -> Path | bytes | IrGraph:
        return self._kept(UNFOLDED, lambda: unfolded(self._onnx(), self.model.label))

    def _onnx(self) -> Path | bytes:
        stored = self._stored()
        assert not isinstance(stored, IrGraph)
        return stored

    def _kept(self, form: str, make: Callable[[], bytes | IrGraph]) -> Path | bytes | IrGraph:
        """A graph from the cache: the library that takes graphs apart is slow to load. A damaged one is made anew."""
        if self.folder is None:
            return make()
        path = self.folder / "graphs" / f"{self._name(form)}{'.xml' if self.model.is_ir else '.onnx'}"
        files = [path, path.with_suffix(".bin")] if self.model.is_ir else [path]
        if not all(is_whole(file) for file in files):
            graph = make()
            contents = (graph.xml, graph.weights) if isinstance(graph, IrGraph) else (graph,)
            try:
                for file, content in zip(files, contents, strict=True):
                    write_bytes(file, content)
                    seal(file)
            except OSError:
                return graph
        return path

    def _name(self, form: str) -> str:
        """Of everything that is kept of one form of the model: other contents, other name."""
        return hashlib.sha256(f"{_EDITION} {self.model.key} {form}".encode()).hexdigest()[:16]
