"""The formats that events are read from: see `reader` for what a reader is, `registry` for all."""
