"""Measurements of the bars; see `benchmarks.run`."""
