"""Gait in the pipeline: skeletons of tracklets, lifted, and described."""
