"""Whole runs on synthetic sites, compared."""
