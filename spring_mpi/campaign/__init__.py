"""What is to be done: config, index and what happened before become jobs, and the jobs are run."""
