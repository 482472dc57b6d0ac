"""Thin command lines; each runs as ``python -m tools.<name>``."""
