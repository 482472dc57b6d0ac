"""Training losses of ReID networks."""
