"""Errors that are the user's to mend."""

import errno

_ROOM = ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "EACCES", "EPERM", "ENAMETOOLONG")
_PLACE_FAULTS = frozenset(getattr(errno, name) for name in _ROOM if hasattr(errno, name))


def is_of_the_place(error: OSError) -> bool:
    """Whether a disk that is full, broken or protected is at fault, and no mistake of the program."""
    return error.errno in _PLACE_FAULTS


def first_line(error: BaseException) -> str:
    """What an exception of a library says, in one line; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class UserError(Exception):
    """Something in the input, the configuration or the environment is wrong and the user can mend it.

    The message is one line: what is wrong, where, and how to mend it. Command lines print it without a traceback and
    leave with exit code 2.
    """
