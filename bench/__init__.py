"""Benchmarks: ours beside the bare measure that it should be near, in one run on one machine. `make bench` runs them all."""
