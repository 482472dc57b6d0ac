"""Appearance: models, prompts, extraction, ranking and ReID metrics."""
