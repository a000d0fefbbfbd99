"""What all pictures share: colours, fonts, cuts, and how they reach a file or a notebook."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..errors import SpringError
from ..model.verdict import Verdict
from ..system.files import replace_file

Image = NDArray[Any]
Flags = NDArray[np.bool_]
Window = tuple[slice, slice]

INTENSITY, DENSITY, PHASE, SHARE = "inferno", "viridis", "twilight", "cividis"
SIGNED = "RdBu_r"
MASKED, SATURATED, MISSING = "#9aa0a6", "#19d3f3", "#e3e5e8"
LINE, SECOND_LINE, LEVEL, FAINT = "#1f4e79", "#c2571a", "#3c4043", "#5f6368"
VERDICTS: Mapping[Verdict | None, str] = {
    Verdict.GOOD: "#2e7d4f", Verdict.DOUBTFUL: "#a8700f", Verdict.BAD: "#a03a3f", None: FAINT,
}  # fmt: skip
"""Colours that stand beside the word, which says it alone."""
DPI = 150
_FAINTEST = 0.3
"""Photons; a pixel below has read noise alone."""


class Picture(Figure):
    """A figure that a notebook shows even where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        # IPython knows how to show a plain Figure only once pyplot has registered that.
        buffer = BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def look() -> AbstractContextManager[None]:
    """The same fonts and background for all pictures, whatever the user's own style."""
    return rc_context({
        "font.size": 9, "font.family": ["sans-serif"], "axes.titlesize": 10, "axes.labelsize": 9,
        "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "text.usetex": False,
        "figure.facecolor": "white", "axes.facecolor": "white", "axes.grid": False,
        "legend.frameon": False, "image.origin": "upper", "image.interpolation": "antialiased",
    })  # fmt: skip


def picture_file(path: str | os.PathLike[str]) -> Path:
    """The file of a picture: a name without an ending gets ``.png``.

    Raises
    ------
    SpringError
        If it is a folder.
    """
    name, ending = os.path.splitext(path)
    file = Path(path if ending.strip(".") else f"{name}.png")
    for taken in (Path(path), file):
        if os.path.isdir(taken):
            raise SpringError(f"cannot write {taken}: it is a folder; name a file")
    return file


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure into its `picture_file`, which is returned; the ending is the format.

    Raises
    ------
    SpringError
        If the file cannot be written, or the ending names no format of pictures.
    """
    file = picture_file(path)
    picture = BytesIO()
    try:
        figure.savefig(picture, format=file.suffix[1:], dpi=DPI)
        replace_file(file, picture.getbuffer())
    except OSError as fault:
        raise SpringError(f"cannot write {file}: {fault.strerror or fault}") from fault
    except ValueError as fault:
        raise SpringError(
            f"cannot write {file}: {file.suffix!r} is no format of pictures; use .png, .pdf or .svg"
        ) from fault
    return file


def intensity_norm(intensity: Image, measured: Flags) -> LogNorm:
    """Logarithmic colours from the noise to the strongest pixel, photons."""
    positive = intensity[measured & (intensity > 0)]
    low, high = np.percentile(positive, [5, 100]) if positive.size else (1.0, 1.0)
    # Colours for noise would hide the fringes; of a weak pattern two decades are shown.
    low = max(low, min(_FAINTEST, high / 100))
    return LogNorm(float(low), float(max(high, 10 * low)), clip=True)


def zoom(support: Image) -> Window:
    """The square window about the support with a margin; the whole image where it is empty."""
    size = len(support)
    rows, columns = np.nonzero(support)
    if rows.size == 0:
        return slice(0, size), slice(0, size)
    side = min(size, int(1.25 * max(np.ptp(rows), np.ptp(columns))) + 6)
    starts = [(int(axis.min() + axis.max()) + 1 - side) // 2 for axis in (rows, columns)]
    row, column = (min(max(start, 0), size - side) for start in starts)
    return slice(row, row + side), slice(column, column + side)
