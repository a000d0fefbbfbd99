"""The event index: which events there are and where; built, grown, kept in a file, searched."""
