"""Tracking inside one scope: motion, costs, gated assignment, track life cycle, tracklets."""
