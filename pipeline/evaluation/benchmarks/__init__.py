"""Public benchmarks: data sets are scored by what their records say, and by rules of their own."""
