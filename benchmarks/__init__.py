"""Benchmarks: speed and quality, measured by commands that anyone can run again."""
