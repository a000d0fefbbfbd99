"""The files of a run directory, each with one writer and one reader."""
