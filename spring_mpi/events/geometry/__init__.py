"""Geometry of detectors: from the files that describe it to images of their stacks."""

from __future__ import annotations

import os
from dataclasses import replace

from ...errors import SourceError
from ...system.files import read_text
from ..formats.reader import READ_FAULTS
from ..formats.wording import reason_of
from ..specs import GeometrySpec
from .layout import FileMask, Geometry, lay_out

__all__ = ["FileMask", "Geometry", "GeometrySpec", "lay_out", "read_geometry"]

_LARGEST_TEXT = 2**26
"""Bytes; the text of a detector of hundreds of panels has less than a megabyte."""


def read_geometry(spec: GeometrySpec) -> Geometry:
    """The geometry in a file of psana, CrystFEL or the European XFEL, known by its content.

    Raises
    ------
    SourceError
        If the file cannot be read, or what it says cannot be; with the line where there are lines.
    """
    try:
        return replace(_read(spec), first_module=spec.first_module)
    except READ_FAULTS as fault:
        reason = getattr(fault, "strerror", None) or reason_of(fault)
        reason = reason.removeprefix(f"{spec.file}: ")
        raise SourceError(f"{spec.file} cannot be read as a geometry: {reason}") from fault


def _read(spec: GeometrySpec) -> Geometry:
    from ..formats.hdf5.opening import is_hdf5

    if is_hdf5(spec.file):
        from .euxfel import read as read_hdf5

        return read_hdf5(spec.file, spec.quadrants)
    if spec.quadrants is not None:
        raise ValueError("quadrants are for HDF5 files of the European XFEL")
    return _read_text(spec.file)


def _read_text(path: str) -> Geometry:
    if os.path.getsize(path) > _LARGEST_TEXT:
        raise ValueError("is too large for a text")
    text = read_text(path, errors="replace")
    lines = (line.strip() for line in text.splitlines())
    if any("=" in line and not line.startswith(("#", ";")) for line in lines):
        from .crystfel import read as read_panels

        return read_panels(text, os.path.dirname(os.path.abspath(path)))
    from .psana import read as read_objects

    return read_objects(text)
