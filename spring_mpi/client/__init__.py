"""Who steers a campaign from a notebook; knows the run directory and values alone."""
