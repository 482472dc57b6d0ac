"""Scores: HOTA, CLEAR, identity, within and across cameras."""
