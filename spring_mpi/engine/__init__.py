"""How a pattern is solved: Memetic Phase Retrieval over few, coarse backend operations."""
