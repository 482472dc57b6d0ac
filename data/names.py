"""Names that come from files and end up in paths."""

_FORBIDDEN = set('/\\:*?"<>|')
_LONGEST_BYTES = 200


def is_plain_name(name: object) -> bool:
    """Whether a text can be one part of a path on every system and leads nowhere else.

    No separators, no control characters, not hidden, no "..", and short enough that an ending still fits.
    """
    return (
        isinstance(name, str)
        and 0 < len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_BYTES
        and not name.startswith(".")
        and name == name.strip()
        and name.isprintable()
        and not _FORBIDDEN.intersection(name)
    )
