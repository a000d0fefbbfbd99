"""Figures of one pattern, and of one result with all that tells how far to trust it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ..model.outcome import Outcome
from ..model.pattern import Pattern
from ..model.result import Result
from ..model.settings import Settings
from ..model.verdict import resolution_text
from .look import (
    DENSITY,
    DPI,
    INTENSITY,
    LEVEL,
    LINE,
    MASKED,
    PHASE,
    SATURATED,
    SECOND_LINE,
    SHARE,
    Flags,
    Image,
    Picture,
    Window,
    intensity_norm,
    look,
    zoom,
)

_PANEL = 4.0
"""Width of a panel of `plot_result`, inches."""
_CHARACTERS_PER_INCH = 12
_BAR = 0.8
"""Length of a colour bar, in heights of its image."""


def plot(value: Pattern | Result) -> Figure:
    """The figure of a pattern, or of a result."""
    return plot_pattern(value) if isinstance(value, Pattern) else plot_result(value)


def plot_pattern(pattern: Pattern) -> Figure:
    """The prepared intensities, logarithmic, axes in Fourier pixels from the zero frequency.

    Masked pixels are grey, saturated ones cyan; the title has the size of the object and the
    warnings.
    """
    with look():
        figure = Picture(figsize=(6.4, 6.4), layout="constrained", dpi=DPI)
        axes = figure.add_subplot()
        norm = intensity_norm(pattern.intensity, pattern.measured)
        image = _draw_intensity(axes, pattern.intensity, norm)
        figure.colorbar(image, ax=axes, label="photons", shrink=_BAR)
        masked, saturated = (pattern.masked, MASKED), (pattern.saturated, SATURATED)
        _draw_flags(axes, masked=masked, saturated=saturated)
        _add_title(figure, pattern.name, _pattern_facts(pattern))
    return figure


def plot_result(result: Result) -> Figure:
    """Pattern, transform of the best individual, reconstruction, support, errors, and PRTF.

    The reconstruction is the modulus, zoomed to the support; where densities need not be positive
    the phase stands beside it, and the standard deviation below.
    """
    above = [_draw_pattern, _draw_transform, _draw_density]
    below = [_draw_support, _draw_errors, _draw_transfer]
    if not result.settings.object.is_positive:
        above.append(_draw_phase)
        below.insert(1, _draw_spread)
    with look():
        size = (_PANEL * len(above), 2 * _PANEL)
        figure = Picture(figsize=size, layout="constrained", dpi=DPI)
        panels = figure.subplots(2, len(above))
        for axes, draw in zip(panels.flat, above + below, strict=True):
            draw(axes, result)
        _add_title(figure, result.name, _result_facts(result))
    return figure


# ---- intensities


def _draw_intensity(axes: Axes, intensity: Image, norm: LogNorm) -> AxesImage:
    # What is zero or negative has no logarithm, but was measured: it gets the darkest colour.
    shown = np.clip(intensity, norm.vmin, None)
    axes.set(xlabel="column (Fourier pixels)", ylabel="row (Fourier pixels)")
    return axes.imshow(shown, cmap=INTENSITY, norm=norm, extent=_extent(intensity))


def _draw_flags(axes: Axes, **flags: tuple[Flags, str]) -> None:
    """Colour the flagged pixels, and tell in a legend how many there are of each kind."""
    handles = []
    for label, (flagged, colour) in flags.items():
        if flagged.any():
            overlay = np.array(to_rgba(colour)) * flagged[..., None]
            axes.imshow(overlay, extent=_extent(flagged), interpolation="nearest")
            share = f"{label.replace('_', ' ')} {flagged.mean():.2%}"
            handles.append(Patch(color=colour, label=share))
    if handles:
        axes.legend(handles=handles, loc="lower left", frameon=True, edgecolor="none")


def _draw_pattern(axes: Axes, result: Result) -> None:
    excluded = result.mask != 0
    image = _draw_intensity(axes, result.intensity, intensity_norm(result.intensity, ~excluded))
    _draw_flags(axes, masked_or_saturated=(excluded, MASKED))
    _label(image, "Pattern", "photons")


def _draw_transform(axes: Axes, result: Result) -> None:
    """Intensities of the best individual, in the colours of the pattern."""
    norm = intensity_norm(result.intensity, result.mask == 0)
    modulus = np.abs(np.fft.fftshift(np.fft.fft2(result.best, norm="ortho")))
    image = _draw_intensity(axes, modulus**2, norm)
    _label(image, "Best individual, |F|²", "photons")


# ---- densities


def _draw_density(axes: Axes, result: Result) -> None:
    image = _draw_zoomed(axes, result, np.abs(result.data), DENSITY)
    image.set_clim(vmin=0)
    _label(image, "Reconstruction", "sqrt(photons)")


def _draw_spread(axes: Axes, result: Result) -> None:
    image = _draw_zoomed(axes, result, result.std, DENSITY)
    image.set_clim(vmin=0)
    _label(image, "Standard deviation", "sqrt(photons)")


def _draw_support(axes: Axes, result: Result) -> None:
    image = _draw_zoomed(axes, result, result.support_frequency, SHARE)
    image.set_clim(0, 1)
    _label(image, "Support frequency", "share of members")


def _draw_phase(axes: Axes, result: Result) -> None:
    """The phase in the support; outside it means nothing."""
    inside = np.where(result.support, np.angle(result.data), np.nan)
    image = _draw_zoomed(axes, result, inside, PHASE)
    image.set_clim(-np.pi, np.pi)
    _label(image, "Phase", "radians")


def _draw_zoomed(axes: Axes, result: Result, values: Image, colours: str) -> AxesImage:
    window = zoom(result.support)
    axes.set(xlabel="column (px)", ylabel="row (px)")
    return axes.imshow(values[window], cmap=colours, extent=_extent(values, window))


def _label(image: AxesImage, title: str, units: str) -> None:
    """Give an image its title and its colour bar."""
    image.axes.set_title(title)
    image.axes.figure.colorbar(image, ax=image.axes, label=units, shrink=_BAR)


def _extent(image: Image, window: Window | None = None) -> tuple[float, float, float, float]:
    """Left, right, bottom, top edge where pixel [size // 2, size // 2] has its centre at 0."""
    size = len(image)
    rows, columns = window or (slice(0, size), slice(0, size))
    middle = size // 2 + 0.5
    edges = columns.start, columns.stop, rows.stop, rows.start
    left, right, bottom, top = (edge - middle for edge in edges)
    return left, right, bottom, top


# ---- profiles


def _draw_errors(axes: Axes, result: Result) -> None:
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


def _draw_transfer(axes: Axes, result: Result) -> None:
    """PRTF, and ring correlation where there is one, over the radius."""
    _draw_profile(axes, result.prtf, LINE, "PRTF")
    _draw_profile(axes, result.ring_correlation, SECOND_LINE, "ring correlation")
    axes.axhline(1 / np.e, color=LEVEL, lw=0.8, ls="--", label="1/e")
    if result.resolution_px is not None:
        radius = 2 * len(result.prtf) / result.resolution_px
        label = resolution_text(result.resolution_px)
        axes.axvline(radius, color=LEVEL, lw=0.8, ls=":", label=label)
    axes.set(title="Phase retrieval transfer function", xlabel="radius (Fourier pixels)",
             ylabel="PRTF", ylim=(0, 1.05), box_aspect=1)  # fmt: skip
    axes.set_xlim(0, max(len(result.prtf), 1))
    axes.legend()


def _draw_profile(axes: Axes, profile: Image, colour: str, label: str) -> None:
    known = np.flatnonzero(np.isfinite(profile))
    if known.size:
        axes.plot(known, profile[known], color=colour, lw=1.5, label=label)


# ---- titles


def _add_title(figure: Figure, name: str, facts: Iterable[str]) -> None:
    """The name, and below it the facts, wrapped to the figure's width."""
    width = int(_CHARACTERS_PER_INCH * figure.get_figwidth())
    lines = [line for fact in facts for line in textwrap.wrap(fact, width)]
    # A name may hold dollar signs, which are no formula.
    figure.suptitle("\n".join([name, *lines]), fontsize=10, parse_math=False)


def _pattern_facts(pattern: Pattern) -> Iterator[str]:
    extent = pattern.object_size
    size = f"about {extent:.0f} px" if extent else "of unknown size"
    yield f"{pattern.size} x {pattern.size} px, {pattern.photons:.3g} photons, object {size}"
    yield from pattern.warnings


def _result_facts(result: Result) -> Iterator[str]:
    yield (
        f"{Outcome.of(result).caption}, "
        f"support {result.support_px} px, {result.members} members averaged"
    )
    changes = list(_changed(result.settings))
    if changes:
        yield f"settings: {', '.join(changes)}"
    yield from result.provenance.warnings


def _changed(settings: Settings) -> Iterator[str]:
    """``section.key value`` of the settings that are not the defaults."""
    defaults = Settings()
    for section, values in settings.to_dict().items():
        for key, value in values.items():
            if settings.get(section, key) != defaults.get(section, key):
                yield f"{section}.{key} {value}"
