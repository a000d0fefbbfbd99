"""Values that pass between the other packages: patterns, settings, results, outcomes, names."""
