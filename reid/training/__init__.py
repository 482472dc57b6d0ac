"""Training of ReID networks."""
