"""Benchmarks: our code beside straightforward references, on the same input."""
