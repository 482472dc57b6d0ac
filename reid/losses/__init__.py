"""Training losses of part-based ReID."""
