"""What all command lines share: error handling and logging set-up."""

import gc
import logging
import sys
from collections.abc import Callable, Sequence

from data.errors import UserError, is_of_the_place
from data.redaction import RedactingFormatter, redact

# Objects that a run has made when its first frame is tracked: 200,000, nearly all of them there to stay.
_LOADED = 250_000


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Run a command line; a ``UserError`` becomes one line on stderr and exit code 2.

    Args:
        main: parses its arguments and does the job.
        argv: arguments; None takes the process's own.

    Returns:
        The exit code: 0 only when the whole job is done.
    """
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    _collect_once_loaded()
    try:
        code = main(argv)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 141
    except OSError as error:
        if not is_of_the_place(error):
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}; make room, or write elsewhere", file=sys.stderr)
        return 2


def _collect_once_loaded() -> None:
    """Have the first search for garbage wait until all is loaded: before, 120 searches of 55 ms together find none."""
    usual = gc.get_threshold()
    if not 0 < usual[0] < _LOADED:
        return

    def first(phase: str, _: dict[str, int]) -> None:
        if phase == "stop":
            gc.callbacks.remove(first)
            gc.set_threshold(*usual)

    gc.callbacks.append(first)
    gc.set_threshold(_LOADED, *usual[1:])
