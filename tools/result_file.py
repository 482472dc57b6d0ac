"""Results of a command line as JSON."""

import sys
from pathlib import Path
from typing import Any

from data.errors import UserError


def write_result(path: Path, tree: Any) -> None:
    """Write a result.

    Args:
        path: what ``--json`` or ``--out`` names; ``-`` is standard output. A pipe or a device is written to as it is, a
            file appears whole.
        tree: plain values.

    Raises:
        UserError: when it cannot be written.
    """
    import json

    from data.atomic import write_text

    text = json.dumps(tree, indent=1, ensure_ascii=False) + "\n"
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
