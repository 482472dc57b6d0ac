"""Overlay videos: a second decode pass over a run folder."""
