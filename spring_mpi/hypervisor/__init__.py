"""Who does the work: rank 0 with its queue, the worker ranks, and their children."""
