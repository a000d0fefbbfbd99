"""What is to be done: the config file, and the jobs that follow from it."""
