"""What all command lines share: error handling and logging set-up."""

import logging
import sys
from collections.abc import Callable, Sequence

from data.errors import UserError


def run(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Run a command line; a ``UserError`` becomes one line on stderr and exit code 2.

    Args:
        main: parses its arguments and does the job.
        argv: arguments; None takes the process's own.

    Returns:
        The exit code: 0 only when the whole job is done.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        return main(argv)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 141
