"""Whose skeleton is whose, and how a network is told."""
