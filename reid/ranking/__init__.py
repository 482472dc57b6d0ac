"""Distances, re-ranking and retrieval metrics."""
