"""Whole runs: statistics of their frames, faults of their files, values that look like marks."""
