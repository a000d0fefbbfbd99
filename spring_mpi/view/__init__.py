"""Pictures of patterns and results; the only package that imports matplotlib.

They need no display, use no state of pyplot, and show themselves in a notebook.
"""

from .figures import plot, plot_pattern, plot_result
from .look import picture_file, save
from .sheet import contact_sheet

__all__ = ["contact_sheet", "picture_file", "plot", "plot_pattern", "plot_result", "save"]
