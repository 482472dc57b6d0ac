"""The run folder: its layout, tracklet store, manifest and track files."""
