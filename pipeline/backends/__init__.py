"""Detectors, poses and ReID networks behind common protocols, imported when chosen."""
