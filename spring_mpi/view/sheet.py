"""The contact sheet: many reconstructions at a glance, a cell for each job."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..model.outcome import Outcome, State
from ..model.verdict import Verdict
from .look import (
    DENSITY,
    DPI,
    FAINT,
    INTENSITY,
    LEVEL,
    MASKED,
    MISSING,
    VERDICTS,
    Image,
    Picture,
    intensity_norm,
    look,
    zoom,
)

if TYPE_CHECKING:
    from ..model.orientation import Oriented

Thumbnail = NDArray[np.uint8]

# A thumbnail has the side 1; a cell is two of them side by side, with name, caption, notes below.
_CAPTION_LINES = 1
_NAME_TOP, _CAPTION_TOP = 1.04, 1.16
_NOTES_TOP = 1.135 + 0.125 * _CAPTION_LINES
_NOTE = 0.095
"""Height of a line of the notes."""
_WIDTH, _MARGIN = 2.16, 0.1
_INCHES = 0.95
_HEADER = 0.45
_LEAST_COLUMNS, _MOST_COLUMNS = 3, 10
_MOST_PIXELS = 128
_NAME_CHARACTERS, _REASON_CHARACTERS, _REASON_LINES = 36, 34, 6
_NOTE_CHARACTERS, _NOTE_LINES = 52, 3


@dataclass(frozen=True)
class _Cell:
    """What is kept of a result."""

    name: str
    caption: str
    """``_CAPTION_LINES`` lines."""
    verdict: Verdict | None
    notes: str
    """The first reason of the verdict, and the remark, on lines of their own."""
    density: Thumbnail
    """(side, side, 4)."""
    pattern: Thumbnail
    """(side, side, 4)."""
    field: int
    """Side of the density's window, pixels."""


def contact_sheet(entries: Iterable[Oriented | Outcome], title: str = "") -> Figure:
    """A grid with a cell for every entry, in the order given.

    A cell shows the reconstruction, zoomed to its support, with a scale bar; its pattern; and
    below them name, verdict, error and resolution, and, where there are some, the first reason of
    the verdict and a remark. The cell of a job without a result is grey and says why it has none.
    Entries may come from a generator: one result is held at a time.
    """
    cells = [entry if isinstance(entry, Outcome) else _cell(entry) for entry in entries]
    columns = min(max(math.ceil(math.sqrt(len(cells))), _LEAST_COLUMNS), _MOST_COLUMNS)
    rows = max(math.ceil(len(cells) / columns), 1)
    height = _height(cells)
    with look():
        figure, axes = _grid(columns, rows * height)
        for number, cell in enumerate(cells):
            row, column = divmod(number, columns)
            _draw_cell(axes, cell, column * _WIDTH, row * height)
        # Images reset the limits.
        axes.set(xlim=(-0.08, columns * _WIDTH), ylim=(rows * height, 0))
        height = figure.get_figheight()
        figure.suptitle(title, y=1 - 0.12 / height, va="top", fontsize=11, parse_math=False)
    return figure


def _height(cells: Iterable[_Cell | Outcome]) -> float:
    """Of every cell: that of the one with the most lines."""
    notes = (cell.notes.splitlines() for cell in cells if isinstance(cell, _Cell))
    return _NOTES_TOP + _NOTE * max(map(len, notes), default=0) + _MARGIN


def _grid(columns: int, side: float) -> tuple[Figure, Axes]:
    """A figure, and its axes in units of a thumbnail's side, rows downwards to ``side``."""
    width = (columns * _WIDTH + 0.08) * _INCHES
    height = side * _INCHES + _HEADER
    figure = Picture(figsize=(width, height), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1 - _HEADER / height))
    axes.set_axis_off()
    return figure, axes


def _cell(entry: Oriented) -> _Cell:
    result = entry.result
    told = Outcome.of(result)
    window = zoom(result.support)
    modulus = np.abs(result.data[window])
    return _Cell(
        name=result.name,
        caption=told.caption,
        verdict=told.verdict,
        notes="\n".join(
            _wrapped(note, _NOTE_CHARACTERS, _NOTE_LINES)
            for note in (told.first_reason, entry.remark)
            if note
        ),
        density=_density_thumbnail(modulus),
        pattern=_pattern_thumbnail(result.intensity, result.mask == 0),
        field=len(modulus),
    )


def _density_thumbnail(modulus: Image) -> Thumbnail:
    reduced = _reduced(modulus)
    return _coloured(DENSITY, Normalize(0, max(float(reduced.max()), 1e-30)), reduced)


def _pattern_thumbnail(intensity: Image, measured: NDArray[np.bool_]) -> Thumbnail:
    share = _reduced(measured.astype(np.float32))
    mean = _reduced(np.where(measured, intensity, 0)) / np.maximum(share, 1e-6)
    picture = _coloured(INTENSITY, intensity_norm(mean, share > 0), mean)
    picture[share == 0] = np.multiply(to_rgba(MASKED), 255).astype(np.uint8)
    return picture


def _coloured(colours: str, norm: Normalize, values: Image) -> Thumbnail:
    clipped = np.clip(values, norm.vmin, norm.vmax)
    return np.asarray(colormaps[colours](norm(clipped), bytes=True))


def _reduced(image: Image) -> Image:
    """Means over square blocks, so that no side exceeds ``_MOST_PIXELS``."""
    block = math.ceil(len(image) / _MOST_PIXELS)
    side = len(image) // block
    blocks = image[: side * block, : side * block].reshape(side, block, side, block)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _draw_cell(axes: Axes, cell: _Cell | Outcome, left: float, top: float) -> None:
    if isinstance(cell, Outcome):
        _draw_missing(axes, cell, left, top)
        return
    for picture, start in ((cell.density, left), (cell.pattern, left + 1.02)):
        axes.imshow(picture, extent=(start, start + 1, top + 1, top), interpolation="antialiased")
    _draw_scale(axes, cell.field, left, top)
    _draw_caption(axes, cell.name, cell.caption, left, top, VERDICTS[cell.verdict])
    axes.text(left, top + _NOTES_TOP, cell.notes, size=5, color=FAINT,
              va="top", parse_math=False)  # fmt: skip


def _draw_missing(axes: Axes, cell: Outcome, left: float, top: float) -> None:
    axes.add_patch(Rectangle((left, top), 2.02, 1, color=MISSING, lw=0))
    told = cell.reason if cell.state is State.DONE else f"{cell.state}: {cell.reason}"
    reason = _wrapped(told, _REASON_CHARACTERS, _REASON_LINES)
    axes.text(left + 1.01, top + 0.5, reason, size=6, color=FAINT,
              ha="center", va="center", parse_math=False)  # fmt: skip
    _draw_caption(axes, cell.name, "no result", left, top)


def _draw_caption(
    axes: Axes, name: str, caption: str, left: float, top: float, mark: str = ""
) -> None:
    """Name and caption, with a mark of that colour before the caption."""
    axes.text(left, top + _NAME_TOP, _shortened(name), size=6, weight="bold", color=LEVEL,
              va="top", parse_math=False)  # fmt: skip
    if mark:
        axes.add_patch(Rectangle((left, top + _CAPTION_TOP + 0.005), 0.05, 0.08, color=mark, lw=0))
    axes.text(left + (0.08 if mark else 0), top + _CAPTION_TOP, caption, size=6, color=LEVEL,
              va="top", parse_math=False)  # fmt: skip


def _draw_scale(axes: Axes, field: int, left: float, top: float) -> None:
    """A bar of a round number of pixels in the lower left corner of the density."""
    pixels = _round_length(0.4 * field)
    axes.add_patch(Rectangle((left + 0.05, top + 0.93), pixels / field, 0.02, color="white", lw=0))
    axes.text(left + 0.05, top + 0.91, f"{pixels} px", size=5, color="white")


def _round_length(most: float) -> int:
    """The largest of 1, 2, 5, 10, 20, ... that is not above ``most``; at least 1."""
    bound = max(int(most), 1)
    power = int(10 ** (len(str(bound)) - 1))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= bound)


def _wrapped(text: str, characters: int, lines: int) -> str:
    return "\n".join(textwrap.wrap(text, characters, max_lines=lines, placeholder=" …"))


def _shortened(name: str) -> str:
    """A name that fits under its cell: of a long one the end stays, where the tag is."""
    if len(name) <= _NAME_CHARACTERS:
        return name
    half = (_NAME_CHARACTERS - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
