"""Results of a command line as JSON."""

import math
import sys
from pathlib import Path
from typing import Any

from data.errors import UserError


def write_result(path: Path, tree: Any) -> None:
    """Write a result.

    Args:
        path: what ``--json`` or ``--out`` names; ``-`` is standard output. A pipe or a device is written to as it is, a
            file appears whole.
        tree: plain values; null stands for numbers that are not finite, which JSON does not know.

    Raises:
        UserError: when it cannot be written.
    """
    import json

    from data.atomic import write_text

    text = json.dumps(_finite(tree), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            write_text(path, text)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; give another file") from None


def _finite(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _finite(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
