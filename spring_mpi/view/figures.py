"""Figures of one pattern, and of one result with all that tells how far to trust it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgba
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from ..model.outcome import Outcome
from ..model.pattern import Pattern
from ..model.result import Result
from ..model.settings import Settings
from ..model.verdict import Verdict
from .look import (
    DENSITY,
    DPI,
    INTENSITY,
    MASKED,
    PHASE,
    SATURATED,
    SHARE,
    SIGNED,
    Flags,
    Image,
    Picture,
    Window,
    intensity_norm,
    look,
    zoom,
)
from .profiles import draw_agreement, draw_errors, draw_transfer

_PANEL = 4.0
"""Width of a panel of `plot_result`, inches."""
_MODES_PER_PANEL = 3
_MODES_HEIGHT = 1.5
"""Of the row of features that the data do not determine, inches."""
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
    """All that tells what was reconstructed and how far to believe it.

    Verdict and reasons stand below the name. Pattern, transform of the best individual,
    reconstruction (the modulus, zoomed to the support; where densities need not be positive the
    phase stands beside it), uncertainty of every pixel, support, errors, agreement of independent
    runs, PRTF; what the result does not have is left out. Below them stand the first features that
    the data do not determine.
    """
    panels = _panels(result)
    columns = -(-len(panels) // 2)
    modes = result.weak_modes[: _MODES_PER_PANEL * columns]
    with look():
        height = 2 * _PANEL + (_MODES_HEIGHT if len(modes) else 0)
        size = (_PANEL * columns, height)
        figure = Picture(figsize=size, layout="constrained", dpi=DPI)
        above: Figure | SubFigure = figure
        if len(modes):
            heights = [2 * _PANEL, _MODES_HEIGHT]
            above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
            _draw_modes(below, modes, zoom(result.support))
        for axes, draw in zip_longest(above.subplots(2, columns).flat, panels):
            if draw is None:
                axes.set_axis_off()
            else:
                draw(axes, result)
        _add_title(figure, result.name, _result_facts(result))
    return figure


def _panels(result: Result) -> list[Callable[[Axes, Result], None]]:
    """What there is to draw of a result, in reading order over two rows."""
    has_phase = not result.settings.object.is_positive
    chosen = {
        _draw_pattern: True,
        _draw_transform: True,
        _draw_density: True,
        _draw_phase: has_phase,
        _draw_sigma: result.sigma.size > 0,
        _draw_support: result.support_frequency.size > 0,
        _draw_spread: has_phase and result.std.size > 0,
        draw_errors: True,
        draw_agreement: result.agreement.size > 0,
        draw_transfer: True,
    }
    # Rather one panel more than a hole.
    chosen[_draw_spread] |= sum(chosen.values()) % 2 == 1 and result.std.size > 0
    return [draw for draw, is_there in chosen.items() if is_there]


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
    _colour_from_zero(image)
    _label(image, "Reconstruction", "sqrt(photons)")


def _draw_spread(axes: Axes, result: Result) -> None:
    image = _draw_zoomed(axes, result, result.std, DENSITY)
    _colour_from_zero(image)
    _label(image, "Standard deviation", "sqrt(photons)")


def _draw_sigma(axes: Axes, result: Result) -> None:
    image = _draw_zoomed(axes, result, result.sigma, DENSITY)
    _colour_from_zero(image)
    _label(image, "Uncertainty of every pixel", "sqrt(photons)")


def _draw_modes(figure: SubFigure, modes: Image, window: Window) -> None:
    """Small pictures of features, in colours about zero: how much of each there is, is open."""
    figure.suptitle("Not determined by the data, the least known first", fontsize=10)
    panels = figure.subplots(1, len(modes), squeeze=False)
    # Of complex ones the real part tells the shape as well as any other.
    for axes, mode in zip(panels.flat, np.real(modes), strict=True):
        axes.set_axis_off()
        most = max(float(np.abs(mode).max()), 1e-30)
        axes.imshow(mode[window], cmap=SIGNED, vmin=-most, vmax=most)


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


def _colour_from_zero(image: AxesImage) -> None:
    """Colours up to the largest value; where all are zero, up to one."""
    largest = float(np.ma.asarray(image.get_array()).max())
    image.set_clim(0, largest if largest > 0 else 1)


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
    yield Outcome.of(result).caption
    yield from result.reasons
    if result.verdict in (Verdict.GOOD, None) and result.resolution_reason:
        yield f"no resolution: {result.resolution_reason}"
    yield ", ".join(_counts(result))
    changes = list(_changed(result.settings))
    if changes:
        yield f"settings: {', '.join(changes)}"
    yield from result.provenance.warnings


def _counts(result: Result) -> Iterator[str]:
    yield f"support {result.support_px} px"
    yield f"{result.members} member{'s' * (result.members != 1)} averaged"
    if len(result.generations_run) > 1:
        runs = " + ".join(map(str, result.generations_run))
        yield f"{len(result.generations_run)} independent runs of {runs} generations"


def _changed(settings: Settings) -> Iterator[str]:
    """``section.key value`` of the settings that are not the defaults."""
    defaults = Settings()
    for section, values in settings.to_dict().items():
        for key, value in values.items():
            if settings.get(section, key) != defaults.get(section, key):
                yield f"{section}.{key} {value}"
