"""Fetch network weights into the cache, or list what the manifest knows.

python -m tools.fetch_weights --list
python -m tools.fetch_weights yolo11m-pose person-reidentification-retail-0277
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.errors import UserError
from data.published_weights import published_weights
from pipeline.cli import run
from pipeline.weights.store import SHIPPED, WeightStore


def main(argv: Sequence[str] | None = None) -> int:
    """List or fetch; 0 when every named file is here and verified."""
    parser = argparse.ArgumentParser(prog="python -m tools.fetch_weights", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="manifest names to fetch")
    parser.add_argument(
        "--list",
        action="store_true",
        help="show every entry, its licence, whether it is here; then what others publish",
    )
    parser.add_argument("--cache", type=Path, help="folder for the files (default: $MTMCT_CACHE or the user cache)")
    arguments = parser.parse_args(argv)
    if not arguments.names and not arguments.list:
        raise UserError("name what to fetch, or give --list to see what there is")
    store = WeightStore(arguments.cache)
    if arguments.list:
        _list(store)
        _list_published()
    for name in arguments.names:
        path = store.fetch(name, _show_progress if sys.stderr.isatty() else None)
        print(f"{name}: {path} ({store.records[name].licence})")
    return 0


def _list(store: WeightStore) -> None:
    for name, record in store.records.items():
        state = "here" if store.path_of(name).exists() else "to fetch" if record.url else "yours to bring"
        state = SHIPPED if record.url == SHIPPED else state
        size = f"{record.size_bytes / 1e6:.1f} MB" if record.size_bytes else "?"
        print(f"{name:32} {'+'.join(record.kinds):14} {size:>9}  {state:15} {record.licence}")


def _list_published() -> None:
    print("\nYours to bring, from where their makers put them:")
    for name, weights in published_weights().items():
        figures = ", ".join(f"{what} {value:g}" for what, value in weights.figures.items())
        print(f"{name:32} {weights.use:9} {weights.network:9} {weights.file}")
        print(f"{'':6}{weights.page}")
        terms = f"; {weights.terms}" if weights.terms else ""
        print(f"{'':6}{weights.licence}{terms}. {weights.trained_on}{f': {figures}' if figures else ''}")


def _show_progress(received: int, total: int | None) -> None:
    share = f" of {total / 1e6:.1f}" if total else ""
    print(f"\r{received / 1e6:.1f}{share} MB", end="\n" if received == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
