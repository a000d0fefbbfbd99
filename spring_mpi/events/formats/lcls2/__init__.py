"""The reader of LCLS-II's xtc2 files."""
