"""The application: perception, tracking, association and everything written to the run folder."""

from importlib.util import find_spec
from pathlib import Path

_SIBLINGS = ("configs", "data", "reid", "st_model", "tools", "trackers")


def _check_siblings() -> None:
    """Refuse to run when another distribution's package shadows one of ours.

    Top-level names such as ``trackers`` are generic: a clash would silently mix two programs.

    Raises:
        ImportError: naming both paths and the cure.
    """
    home = Path(__file__).resolve().parent.parent
    for name in _SIBLINGS:
        spec = find_spec(name)
        found = None if spec is None or spec.origin is None else Path(spec.origin).resolve().parent
        if found != home / name:
            raise ImportError(
                f"package '{name}' resolves to {found}, not to {home / name}: another installed distribution has the "
                f"same name. Run from the checkout ({home}) or install this project into a virtual environment of its "
                f"own (pip install -e {home})."
            )


_check_siblings()
