"""The training of our own detector: what it learns from, what its best weights are chosen on, and its settings."""
