"""Readers of HDF5 files: any, CXI, NeXus, and those of facilities with channels.

::

    readers              plain, cxi, nexus (with blocks), flash, swissfel
    channels             channels, joined: what flash and swissfel share
    beside the frames    masks, nxdetector, limits
    a file               opening, file, contents, scanning, sizes, faults
    where frames are     axes, places, linked, virtual, stored
    rows of a dataset    frames, rows, plain_rows, coded_rows, chunks

A new reader begins as a copy of ``plain``; one of a facility whose channels have keys of their own,
such as train ids, as a subclass of `ChannelReader`, as ``flash`` is.
"""
