"""Panels of curves: errors over the generations, agreement and transfer over the radius."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ..model.result import Result
from ..model.verdict import resolution_text
from .look import LEVEL, LINE, SECOND_LINE, Image

_HALF = 0.5
"""Level of both curves over the radius."""


def draw_errors(axes: Axes, result: Result) -> None:
    """Spread of the population's errors, generation by generation."""
    history = result.error_history
    axes.set(title="Errors of the population", xlabel="generation", ylabel="error", box_aspect=1)
    if not np.isfinite(history).any():
        return
    known = np.where(np.isfinite(history), history, np.nan)
    generations = np.flatnonzero(np.isfinite(known).any(axis=1))
    low, median, high = np.nanpercentile(known[generations], [0, 50, 100], axis=1)
    axes.fill_between(generations + 1, low, high, color=LINE, alpha=0.12, lw=0)
    for label, values, style in (("max", high, ":"), ("median", median, "--"), ("min", low, "-")):
        axes.plot(generations + 1, values, color=LINE, lw=1.5, ls=style, label=label)
    # Within a decade, ticks of a logarithmic axis are unreadable.
    wide = high.max() > 10 * low.min() > 0
    axes.set(yscale="log" if wide else "linear")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def draw_agreement(axes: Axes, result: Result) -> None:
    """C(q), from which the resolution is read where it falls below one half."""
    _draw_profile(axes, result.agreement, LINE, "C(q)")
    if result.resolution_px is not None:
        radius = 2 * (len(result.data) // 2) / result.resolution_px
        label = resolution_text(result.resolution_px)
        axes.axvline(radius, color=LEVEL, lw=0.8, ls=":", label=label)
    _finish(axes, "Agreement of independent runs", "C(q)", len(result.agreement))


def draw_transfer(axes: Axes, result: Result) -> None:
    """PRTF, and the correlation between two islands where there is one: within one population."""
    _draw_profile(axes, result.prtf, LINE, "PRTF")
    _draw_profile(axes, result.ring_correlation, SECOND_LINE, "ring correlation")
    _finish(axes, "Phase retrieval transfer function", "PRTF", len(result.prtf))


def _draw_profile(axes: Axes, profile: Image, colour: str, label: str) -> None:
    known = np.flatnonzero(np.isfinite(profile))
    if known.size:
        axes.plot(known, profile[known], color=colour, lw=1.5, label=label)


def _finish(axes: Axes, title: str, label: str, radii: int) -> None:
    axes.axhline(_HALF, color=LEVEL, lw=0.8, ls="--", label=f"{_HALF}")
    axes.set(title=title, xlabel="radius (Fourier pixels)", ylabel=label, ylim=(0, 1.05),
             box_aspect=1)  # fmt: skip
    axes.set_xlim(0, max(radii, 1))
    axes.legend()
