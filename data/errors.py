"""Errors that are the user's to mend."""


class UserError(Exception):
    """Something in the input, the configuration or the environment is wrong and the user can mend it.

    The message is one line: what is wrong, where, and how to mend it. Command lines print it without a traceback and
    leave with exit code 2.
    """
