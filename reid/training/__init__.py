"""Training of part-based ReID networks."""
