"""Laws of the pictures: what they show and say, in one look, without a display or global state."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from helpers.physics import settings_of
from helpers.pictures import PNG, SIZE, made_pattern, made_result
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from spring_mpi.errors import SpringError
from spring_mpi.model.orientation import Oriented
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.result import Result
from spring_mpi.model.verdict import Verdict
from spring_mpi.view import contact_sheet, plot_pattern, plot_result, save
from spring_mpi.view.look import MASKED, SATURATED, intensity_norm, zoom


@pytest.fixture
def pattern() -> Pattern:
    """Sixteen pixels masked, one saturated."""
    return made_pattern()


@pytest.fixture
def result() -> Result:
    """A result with a ring correlation, and one setting that is not the default's."""
    return made_result()


def panel(figure: Figure, title: str) -> Axes:
    """The axes of that title."""
    return next(axes for axes in figure.axes if axes.get_title() == title)


def title(figure: Figure) -> list[str]:
    """The lines above all panels."""
    return figure.get_suptitle().splitlines()


def legend(axes: Axes) -> list[str]:
    """The entries of a legend."""
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_pattern_is_drawn_from_the_zero_frequency(pattern: Pattern) -> None:
    """Pixel [size // 2, size // 2] is at (0, 0), rows go down, colours are photons."""
    figure = plot_pattern(pattern)
    axes, bar = figure.axes
    assert axes.images[0].get_extent() == [-16.5, 15.5, 15.5, -16.5]
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "column (Fourier pixels)", "row (Fourier pixels)",
    )  # fmt: skip
    assert bar.get_ylabel() == "photons"


def test_pattern_marks_what_is_not_measured(pattern: Pattern) -> None:
    """Masked and saturated pixels have a colour each, and their share in the legend."""
    axes = plot_pattern(pattern).axes[0]
    masked, saturated = (image.get_array() for image in axes.images[1:])
    assert np.array_equal(masked[..., 3] == 1, pattern.masked)
    assert np.array_equal(saturated[..., 3] == 1, pattern.saturated)
    assert tuple(masked[10, 0]) == to_rgba(MASKED)
    assert tuple(saturated[16, 16]) == to_rgba(SATURATED)
    assert legend(axes) == ["masked 1.56%", "saturated 0.10%"]


def test_pattern_without_a_mark_has_no_legend() -> None:
    """Where every pixel is measured there is nothing to explain."""
    axes = plot_pattern(Pattern(np.ones((16, 16)))).axes[0]
    assert (axes.get_legend(), len(axes.images)) == (None, 1)


def test_title_of_a_pattern(pattern: Pattern) -> None:
    """Name, sizes, photons; every warning on lines of its own."""
    pattern.object_size, pattern.warnings = 17.6, ("first warning", "second warning")
    photons = f"{pattern.photons:.3g}"
    expected = f"32 x 32 px, {photons} photons, object about 18 px"
    assert title(plot_pattern(pattern)) == ["71-1-145", expected, "first warning", "second warning"]


def test_unknown_size_is_called_so(pattern: Pattern) -> None:
    """A size of 0 is not shown as one."""
    pattern.object_size = 0.0
    assert title(plot_pattern(pattern))[1].endswith("object of unknown size")


def test_faint_pixels_are_measured_pixels(pattern: Pattern) -> None:
    """Zero and negative intensities are drawn in the darkest colour, none is left out."""
    pattern.intensity[0] = -3
    image = plot_pattern(pattern).axes[0].images[0]
    assert not np.ma.is_masked(image.norm(image.get_array()))
    darkest: Any = image.norm(np.ma.asarray(image.get_array())[0])
    assert float(darkest.max()) == pytest.approx(0, abs=1e-6)


@given(st.floats(1e-6, 1e6), st.integers(0, 2**32 - 1))
def test_colours_span_at_least_a_decade(scale: float, seed: int) -> None:
    """Whatever the units, colours go up to the maximum and over a factor of ten or more."""
    intensity = scale * np.random.default_rng(seed).exponential(size=(8, 8))
    norm = intensity_norm(intensity, np.ones((8, 8), bool))
    assert norm.vmax >= intensity.max()
    assert norm.vmax >= 10 * norm.vmin * (1 - 1e-12) > 0


ABOVE = ["Pattern", "Best individual, |F|²", "Reconstruction"]
BELOW = ["Support frequency", "Errors of the population", "Phase retrieval transfer function"]
NONE: dict[str, Any] = {"sigma": np.empty((0, 0)), "agreement": np.empty(0)}


def titles(figure: Figure) -> list[str]:
    """Of the panels, in reading order."""
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_panels_of_a_positive_result(result: Result) -> None:
    """What the result has, in reading order; where a place is left, the standard deviation."""
    agreement, spread = "Agreement of independent runs", "Standard deviation"
    assert titles(plot_result(result)) == [
        *ABOVE, "Uncertainty of every pixel", *BELOW[:2], agreement, BELOW[2],
    ]  # fmt: skip
    assert titles(plot_result(replace(result, agreement=np.empty(0)))) == [
        *ABOVE, "Uncertainty of every pixel", BELOW[0], spread, *BELOW[1:],
    ]  # fmt: skip


def test_panels_of_an_earlier_version(result: Result) -> None:
    """A result without uncertainty, agreement and standard deviation is drawn without them."""
    assert titles(plot_result(replace(result, **NONE))) == [*ABOVE, *BELOW]
    lacking = NONE | {"std": np.empty((0, 0)), "support_frequency": np.empty((0, 0))}
    assert titles(plot_result(replace(result, **lacking))) == [*ABOVE, *BELOW[1:]]


def test_features_that_the_data_do_not_determine(result: Result) -> None:
    """A small picture of each, in colours about zero; without any there is no row for them."""
    modes = np.stack([np.roll(result.data, shift, 0) - 0.2 for shift in range(3)])
    figure = plot_result(replace(result, weak_modes=modes.astype(np.float32)))
    complex_modes: Any = (1j + 1) * modes
    assert plot_result(replace(result, weak_modes=complex_modes)).subfigs
    below = figure.subfigs[1]
    assert below.get_suptitle().startswith("Not determined by the data")
    limits = [axes.images[0].get_clim() for axes in below.axes]
    assert len(limits) == 3
    assert all(low == -high != 0 for low, high in limits)
    assert not plot_result(result).subfigs


def test_complex_result_has_modulus_and_phase(result: Result) -> None:
    """Modulus and phase are shown apart, the phase in the support alone."""
    phases = np.where(result.support, 0.5, 3.0)
    data = (result.data * np.exp(1j * phases)).astype(np.complex64)
    settings = settings_of(object__constraint="complex")
    figure = plot_result(replace(result, data=data, best=data, settings=settings))
    modulus, phase = (
        panel(figure, name).images[0].get_array() for name in ("Reconstruction", "Phase")
    )
    window = zoom(result.support)
    assert np.allclose(modulus, result.data[window], atol=1e-6)
    assert np.array_equal(~np.ma.getmaskarray(phase), result.support[window] == 1)
    assert np.allclose(np.ma.asarray(phase).compressed(), 0.5)
    assert panel(figure, "Standard deviation").images[0].get_array().max() == result.std.max()


def test_transform_has_the_colours_of_the_pattern(result: Result) -> None:
    """The best individual's intensities, zero frequency in the middle, on the pattern's scale."""
    figure = plot_result(result)
    data = panel(figure, "Pattern").images[0]
    model = panel(figure, "Best individual, |F|²").images[0]
    assert (data.norm.vmin, data.norm.vmax) == (model.norm.vmin, model.norm.vmax)
    strongest = np.unravel_index(model.get_array().argmax(), (SIZE, SIZE))
    assert tuple(map(int, strongest)) == (16, 16)


def test_title_of_a_result(result: Result) -> None:
    """Name, figures of merit, settings that are not the defaults, warnings."""
    assert title(plot_result(result)) == [
        "71-1-145-a:$5",
        "good 0.87, error 0.0432, resolution 3.20 px",
        "support 253 px, 5 members averaged, 3 independent runs of 5 + 4 + 4 generations",
        "settings: init.supportsize 18",
        "the centre is off",
    ]


def test_reasons_stand_below_the_name(result: Result) -> None:
    """All of them, and why a good result, or one that nobody judged, has no resolution."""
    reasons = ("not centrosymmetric", "two parts")
    doubtful = replace(result, verdict=Verdict.DOUBTFUL, reasons=reasons, resolution_px=None,
                       resolution_reason="the verdict is not good")  # fmt: skip
    assert title(plot_result(doubtful))[1:4] == ["doubtful 0.87, error 0.0432", *reasons]
    for verdict in (Verdict.GOOD, None):
        lacking = replace(result, verdict=verdict, resolution_px=None, resolution_reason="one run")
        assert title(plot_result(lacking))[2] == "no resolution: one run"


def test_errors_over_generations(result: Result) -> None:
    """Largest, median and smallest error of each generation, individuals without one left out."""
    lines = panel(plot_result(result), "Errors of the population").get_lines()
    drawn = {
        line.get_label(): np.round(np.asarray(line.get_xydata()), 6).tolist() for line in lines
    }
    assert drawn == {
        "max": [[1, 0.9], [2, 0.3]], "median": [[1, 0.7], [2, 0.2]], "min": [[1, 0.5], [2, 0.04]],
    }  # fmt: skip


def test_transfer_function(result: Result) -> None:
    """PRTF where it is known, and the ring correlation; neither tells a resolution."""
    axes = panel(plot_result(result), "Phase retrieval transfer function")
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["PRTF", "ring correlation", "0.5"]
    assert np.asarray(lines["PRTF"].get_xdata())[0] == 1


def test_agreement(result: Result) -> None:
    """C(q) where it is known, one half, and the resolution at its radius, if there is one."""
    axes = panel(plot_result(result), "Agreement of independent runs")
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["C(q)", "resolution 3.20 px", "0.5"]
    assert np.asarray(lines["0.5"].get_ydata())[0] == 0.5
    assert np.asarray(lines["resolution 3.20 px"].get_xdata())[0] == SIZE / 3.2
    none = plot_result(replace(result, resolution_px=None))
    assert legend(panel(none, "Agreement of independent runs")) == ["C(q)", "0.5"]


def test_unknown_transfer_function(result: Result) -> None:
    """Where nothing is known nothing is drawn, and the title says so."""
    unknown: dict[str, Any] = {"prtf": np.full(SIZE // 2, np.nan), "ring_correlation": np.empty(0)}
    figure = plot_result(replace(result, resolution_px=None, **unknown))
    assert legend(panel(figure, "Phase retrieval transfer function")) == ["0.5"]
    assert "no resolution" in title(figure)[1]


@given(
    st.integers(12, 40),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=9),
)
def test_zoom_keeps_the_support(size: int, inside: list[tuple[int, int]]) -> None:
    """The window is square, lies in the image, and holds the whole support."""
    mask = np.zeros((size, size), np.uint8)
    mask[tuple(zip(*inside, strict=True))] = 1
    window = zoom(mask)
    assert len(set(mask[window].shape)) == 1
    assert all(0 <= part.start < part.stop <= size for part in window)
    assert mask[window].sum() == mask.sum()


def test_zoom_of_no_support_is_the_image() -> None:
    """Without a support there is nothing to zoom to."""
    assert np.zeros((9, 9))[zoom(np.zeros((9, 9)))].shape == (9, 9)


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_save_by_ending(result: Result, tmp_path: Path, ending: str) -> None:
    """The ending of the name is the format of the file."""
    save(contact_sheet([Oriented(result)]), tmp_path / f"sheet.{ending}")
    magic = {"png": PNG, "pdf": b"%PDF"}[ending]
    assert (tmp_path / f"sheet.{ending}").read_bytes().startswith(magic)


@pytest.mark.parametrize(("name", "written"), [("a", "a.png"), ("a.", "a.png"), ("b.svg", "b.svg")])
def test_save_tells_where(tmp_path: Path, name: str, written: str) -> None:
    """The file is the one returned, alone; without an ending it is a PNG."""
    assert save(contact_sheet([]), tmp_path / name) == tmp_path / written
    assert [path.name for path in tmp_path.iterdir()] == [written]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sheet.xyz", "'.xyz' is no format"),
        ("no/sheet.png", "No such file"),
        ("", "is a folder; name a file"),
        ("folder", "is a folder; name a file"),
        ("other", "is a folder; name a file"),
    ],
)
def test_save_tells_what_is_wrong(tmp_path: Path, name: str, message: str) -> None:
    """An unknown format, a folder and an absent one are faults of the user, told with the file."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.png").mkdir()
    with pytest.raises(SpringError) as caught:
        save(contact_sheet([]), tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert message in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "other.png"]


def test_notebooks_show_the_figure(pattern: Pattern) -> None:
    """A returned figure has a PNG of itself to show, without pyplot."""
    figure: Any = pattern.plot()
    assert figure._repr_png_().startswith(PNG)


def test_pyplot_knows_nothing(result: Result, pattern: Pattern) -> None:
    """Pictures leave no figure with pyplot, and no parameter of matplotlib changed."""
    before = dict(mpl.rcParams)
    for figure in (plot_pattern(pattern), result.plot(), contact_sheet([Oriented(result)])):
        figure.canvas.draw()
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_own_styles_change_nothing(pattern: Pattern) -> None:
    """Pictures look the same under a user's style."""
    with mpl.rc_context({"font.size": 20, "image.origin": "lower", "axes.facecolor": "red"}):
        styled = plot_pattern(pattern)
    plain = plot_pattern(pattern)
    looks = [
        (
            one.axes[0].xaxis.label.get_fontsize(),
            one.axes[0].get_facecolor(),
            one.axes[0].get_ylim(),
        )
        for one in (styled, plain)
    ]
    assert looks[0] == looks[1]


def test_matplotlib_waits_for_a_picture() -> None:
    """Patterns, results and the command are imported without matplotlib."""
    code = (
        "import sys, spring_mpi.model.pattern, spring_mpi.model.result, spring_mpi.cli.view;"
        "print(sorted({'matplotlib', 'h5py', 'scipy', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
