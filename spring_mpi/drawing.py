"""The way from values to their pictures, which are loaded when the first figure is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .model.pattern import Pattern
    from .model.result import Result


def figure_of(value: Pattern | Result) -> Figure:
    """The figure of a pattern or of a result; see `spring_mpi.view`."""
    # The only import upwards: pictures know the classes that they draw, so these know them late.
    from .view import plot

    return plot(value)
