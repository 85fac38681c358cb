"""Benchmarks: what the project does, as a ratio to what the machine could do in the same run."""
