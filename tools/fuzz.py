"""Feed damaged files to every reader: each must be read, or refused in one line, in little time and memory."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run

if TYPE_CHECKING:
    from tools.fuzzing.reader import Reader

_EPILOG = """\
examples:
  python -m tools.fuzz --inputs 500
  python -m tools.fuzz --readers video --inputs 1000 --seed 3

exit code: 0 when every input was read or refused in one line, 1 otherwise
"""


class _HangError(BaseException):
    """An input took too long."""


@dataclass
class Tally:
    """What became of a reader's inputs.

    Attributes:
        read: read after all.
        refused: one line.
        faults: tracebacks and lines too many: what was raised, by how often.
        hangs: took longer than allowed.
        slowest_s: of all, CPU and waiting.
    """

    read: int = 0
    refused: int = 0
    hangs: int = 0
    slowest_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.fuzz",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--readers", nargs="+", default=[], metavar="NAME", help="only these (default: all)")
    parser.add_argument("--inputs", type=int, default=200, metavar="N", help="damaged files per reader (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default 0)")
    parser.add_argument("--limit-s", type=float, default=10.0, metavar="S", help="longest time of one (default 10)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the files that are at fault here")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Damage, read and count."""
    import logging

    from tools.fuzzing.readers import readers

    arguments = build_parser().parse_args(argv)
    known = readers()
    for name in arguments.readers:
        if name not in known:
            raise UserError(f"there is no reader '{name}'; there are: {', '.join(known)}")
    if arguments.inputs < 1 or arguments.limit_s <= 0:
        raise UserError("--inputs and --limit-s are above 0")
    logging.disable(logging.WARNING)
    try:
        sound = _report({name: known[name] for name in arguments.readers or known}, arguments)
    finally:
        logging.disable(logging.NOTSET)
    print(f"peak memory {_peak_mib():.0f} MiB")
    return 0 if sound else 1


def _report(chosen: "Mapping[str, Reader]", arguments: argparse.Namespace) -> bool:
    """Try readers one after the other and print a line of each; whether none is at fault."""
    import tempfile

    heads = ("inputs", "read", "refused", "at fault", "hangs", "slowest s")
    print(f"{'reader':38s} " + " ".join(f"{head:>9s}" for head in heads))
    sound = True
    for name, reader in chosen.items():
        with tempfile.TemporaryDirectory() as folder:
            tally = _fuzz(reader, name, Path(folder), arguments)
        faults = sum(tally.faults.values())
        counts = (arguments.inputs, tally.read, tally.refused, faults, tally.hangs)
        print(f"{name:38s} " + " ".join(f"{count:9d}" for count in counts) + f" {tally.slowest_s:9.2f}", flush=True)
        for what, count in sorted(tally.faults.items()):
            print(f"    {count} x {what}")
        sound &= not faults and not tally.hangs
    return sound


def _fuzz(reader: "Reader", name: str, folder: Path, arguments: argparse.Namespace) -> Tally:
    """Try one reader."""
    import shutil
    from zlib import crc32

    import numpy as np

    from tools.fuzzing.mutations import mutate

    home = folder / "sound"
    home.mkdir()
    reader.write(home)
    reader.read(home)
    content = (home / reader.file).read_bytes()
    draw: np.random.Generator = np.random.default_rng([arguments.seed, crc32(name.encode())])
    place, tally = folder / "damaged", Tally()
    for number in range(arguments.inputs):
        shutil.copytree(home, place)
        damaged = mutate(content, draw)
        (place / reader.file).write_bytes(damaged)
        before = sum(tally.faults.values()) + tally.hangs
        _try(reader, place, arguments.limit_s, tally)
        if arguments.keep is not None and sum(tally.faults.values()) + tally.hangs > before:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            kept = f"{name.replace('/', '-').replace(' ', '_')}-{number}{Path(reader.file).suffix}"
            (arguments.keep / kept).write_bytes(damaged)
        shutil.rmtree(place)
    return tally


def _try(reader: "Reader", place: Path, limit_s: float, tally: Tally) -> None:
    import signal
    import time
    import warnings

    def stop(*_: object) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    began_s = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(place)
        tally.read += 1
    except UserError as error:
        tally.refused += 1
        if "\n" in str(error):
            _count(tally, f"several lines: {str(error).splitlines()[0][:80]}")
    except _HangError:
        tally.hangs += 1
    except Exception as error:
        _count(tally, f"{type(error).__name__} in {_place(error)} ({str(error)[:60]!r})")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        tally.slowest_s = max(tally.slowest_s, time.monotonic() - began_s)


def _place(error: Exception) -> str:
    """Last line of our own that an error came through."""
    import traceback

    home = str(Path(__file__).parents[1])
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if step.filename.startswith(home) and "/lib/python" not in step.filename]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"


def _count(tally: Tally, what: str) -> None:
    tally.faults[what] = tally.faults.get(what, 0) + 1


def _peak_mib() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    sys.exit(run(main))
