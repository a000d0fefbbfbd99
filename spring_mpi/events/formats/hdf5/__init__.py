"""Readers of HDF5 files: any, CXI, NeXus, and those of facilities with channels."""
