"""Public benchmarks: each reads its published layout and scores by its own rules."""
