"""What a result says of itself: figures of known patterns, limits, and uncertainty that holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.physics import disc, lumps, noise, pattern_of

from spring_mpi.engine.certainty.agreement import LEVEL, agreement, registered
from spring_mpi.engine.certainty.assessment import _no_resolution
from spring_mpi.engine.certainty.data import Data
from spring_mpi.engine.certainty.figures import Figures, extent, figures, second_part
from spring_mpi.engine.certainty.misfit import Misfit
from spring_mpi.engine.certainty.modes import Modes, weak_modes
from spring_mpi.engine.certainty.noise import expected_misfit, read_noise
from spring_mpi.engine.certainty.uncertainty import mode_variances, sigma_map
from spring_mpi.engine.certainty.verdict import judged
from spring_mpi.engine.metrics import resolution, spectrum
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.settings import Settings
from spring_mpi.model.verdict import Verdict, tally_of_verdicts, trust

SIZE = 64
DENSITY = 60 * lumps(SIZE)
SUPPORT = 0.01 * DENSITY.max() < DENSITY
HISTORY = np.array([[0.3, 0.4], [0.2, 0.3]])
GOOD = Figures(
    error_of_average=0.05, floor=0.05, excess=0.02, typical_excess=0.02, low_excess=0.02, chi=1.0,
    noise=0.03, friedel=0.1, missing_speckles=1.0, extent=20.0, rise=0.0, second_part=0.0,
    read_noise=0.1,
)  # fmt: skip


def recorded(density: np.ndarray, read: float = 0.0, seed: int = 1, **options: Any) -> Pattern:
    """A pattern with photon and read noise."""
    random = np.random.default_rng(seed)
    photons = random.poisson(np.abs(spectrum(density)) ** 2) + read * random.normal(
        size=density.shape
    )
    middle = SIZE // 2
    return Pattern(photons, center=(middle, middle), **options)


def found(pattern: Pattern, density: np.ndarray = DENSITY, *, is_real: bool = True) -> Figures:
    data = Data.of(pattern, is_real=is_real)
    return figures(density, SUPPORT, data, Misfit.of(density, data), HISTORY)


@pytest.mark.parametrize("expected", [0.0, 0.05, 0.7, 4.0, 40.0, 3000.0])
@pytest.mark.parametrize(("partners", "noise"), [(1, 0.0), (2, 0.0), (1, 0.4), (2, 0.25)])
def test_the_floor_is_what_noise_does(expected: float, partners: int, noise: float) -> None:
    """The expectation is the mean over many synthetic pixels."""
    random, count = np.random.default_rng(3), 200_000
    pixels = random.poisson(expected, (partners, count)) + noise * random.normal(
        size=(partners, count)
    )
    roots = np.sqrt(np.maximum(pixels.mean(axis=0), 0))
    mean = np.mean((roots - np.sqrt(expected)) ** 2)
    told = expected_misfit(np.array([expected]), np.array([partners]), noise)
    assert told[0] == pytest.approx(mean, rel=0.06, abs=0.003)


def test_noise_explains_the_true_density() -> None:
    """No excess, chi about 1, and nothing of it changes with the read noise."""
    for read in (0.0, 0.3):
        truth = found(recorded(DENSITY, read))
        assert truth.excess < 0.03
        # Nothing was fitted: the true density has as many free values as none.
        freedom = 1 - 2 * SUPPORT.sum() / SIZE**2
        assert truth.chi * np.sqrt(freedom) == pytest.approx(1, abs=0.05)
        assert truth.friedel < 0.1
        assert truth.read_noise == pytest.approx(read, abs=0.02)


def test_noise_does_not_explain_another_density() -> None:
    """What is wrong in the density shows as an excess as large."""
    for share in (0.2, 0.5):
        other = DENSITY * (1 + share * np.sign(noise(SIZE, 5)))
        wrong = found(recorded(DENSITY), other)
        assert 0.3 * share < wrong.excess < 1.5 * share
        assert wrong.chi > 1.5


def test_figures_do_not_depend_on_where_the_density_lies() -> None:
    """A shift, or the twin, has the same moduli."""
    pattern = recorded(DENSITY, 0.2)
    plain = found(pattern)
    moved = found(pattern, np.roll(DENSITY, (3, -2), (0, 1)))
    twin = found(pattern, np.roll(DENSITY[::-1, ::-1], 1, (0, 1)))
    for other in (moved, twin):
        assert other.excess == pytest.approx(plain.excess, abs=1e-6)
        assert other.chi == pytest.approx(plain.chi)


def test_a_few_wrong_pixels_are_not_typical() -> None:
    """Hot pixels raise the excess, not that of the others."""
    pattern = recorded(DENSITY)
    raw = pattern.raw.astype(float)
    raw[10:14, 50] += 3e3
    hot = found(Pattern(raw, center=(32, 32)))
    assert hot.excess > 0.1
    assert hot.typical_excess < 0.03


def test_a_wrong_centre_is_not_centrosymmetric() -> None:
    """Friedel partners differ by more than noise; of a complex density that says nothing."""
    raw = recorded(DENSITY).raw
    off = Pattern(raw, center=(33, 32))
    assert found(off).friedel > 0.2
    assert found(recorded(DENSITY)).friedel < 0.1
    assert found(off, is_real=False).friedel == 0


def test_read_noise_of_clipped_pixels() -> None:
    """Where negatives were clipped the width of the dark pixels tells it, nearly."""
    random = np.random.default_rng(2)
    dark, all_pixels = random.normal(0, 0.5, (SIZE, SIZE)), np.ones((SIZE, SIZE), bool)
    nothing = np.zeros((SIZE, SIZE))
    assert read_noise(dark, all_pixels, nothing) == pytest.approx(0.5, rel=0.05)
    assert 0.2 < read_noise(np.maximum(dark, 0), all_pixels, nothing) < 0.6
    counted = random.poisson(0.01, (SIZE, SIZE)).astype(float)
    assert read_noise(counted, all_pixels, nothing) == 0


def test_the_missing_centre_is_told_in_speckles() -> None:
    """Rings 0 to 2 are missing, and the extent is 20 of 64: 2 x 2.5 x 20 / 64."""
    data = Data.of(pattern_of(DENSITY, disc(SIZE, 6)), is_real=True)
    told = figures(DENSITY, disc(SIZE, 19), data, Misfit.of(DENSITY, data), HISTORY)
    assert told.missing_speckles == pytest.approx(2 * 2.5 * 20 / 64, rel=0.02)
    assert found(recorded(DENSITY)).missing_speckles == 0


def test_extent_and_parts_of_supports() -> None:
    """The widest direction counts; parts by their share of the density."""
    bar = np.zeros((SIZE, SIZE), bool)
    np.fill_diagonal(bar[10:31, 10:31], True)
    assert extent(bar) == pytest.approx(20 * np.sqrt(2) + 1, abs=0.6)
    assert extent(np.zeros((4, 4), bool)) == 0
    two = disc(SIZE, 10) | np.roll(disc(SIZE, 10), 20, 0)
    assert second_part(two.astype(float), two) == pytest.approx(0.5)
    assert second_part(DENSITY, disc(SIZE, 10)) == 0


def test_weak_modes_are_what_is_not_measured() -> None:
    """Each has norm 1 within the support, and that share of its power in unmeasured pixels."""
    data = Data.of(pattern_of(DENSITY, disc(SIZE, 7)), is_real=True)
    modes = weak_modes(SUPPORT, data)
    assert len(modes.images) > 3
    assert np.allclose(np.sum(modes.images**2, axis=1), 1)
    assert (np.diff(modes.unmeasured) <= 1e-9).all()
    for image, share in zip(modes.images, modes.unmeasured, strict=True):
        density = np.zeros((SIZE, SIZE))
        density[SUPPORT] = image
        power = np.abs(spectrum(density)) ** 2
        assert power[~data.measured].sum() == pytest.approx(share, abs=0.02)
    assert len(weak_modes(SUPPORT, Data.of(pattern_of(DENSITY), is_real=True)).images) == 0


def test_weak_modes_of_complex_densities() -> None:
    """They are complex, and as much of them is not measured."""
    data = Data.of(pattern_of(DENSITY, disc(SIZE, 7)), is_real=False)
    modes = weak_modes(SUPPORT, data)
    assert np.iscomplexobj(modes.images)
    assert np.allclose(np.sum(np.abs(modes.images) ** 2, axis=1), 1)


def test_variances_of_weak_modes_are_bounded() -> None:
    """1 / (1 - share) times that of noise, less where the density would become negative."""
    inside = np.full(100, 1e-3)
    image = np.resize([0.1, -0.1], 100)
    modes = Modes(np.stack([image, image]), np.array([0.9999, 0.2]))
    variances = mode_variances(inside, modes, 0.5)
    assert variances[1] == pytest.approx(0.5 / 0.8)
    assert 0.5 <= variances[0] < 0.5 / (1 - 0.9999)
    free = mode_variances(inside.astype(complex), modes, 0.5)
    assert free[0] == pytest.approx(0.5 / (1 - 0.9999))


def test_uncertainty_grows_with_all_it_is_made_of() -> None:
    """Spread, other runs, noise, excess: none of them makes a pixel surer."""
    modes = Modes(np.empty((0, int(SUPPORT.sum()))), np.empty(0))
    nothing = np.zeros((SIZE, SIZE))

    def sigma(spread: float = 0.0, other: float = 0.0, **changes: float) -> np.ndarray:
        others = [DENSITY + other] if other else []
        return sigma_map(
            DENSITY, SUPPORT, nothing + spread, others, replace(GOOD, **changes), modes
        )

    plain = sigma()
    assert plain.dtype == np.float32
    assert (plain[SUPPORT] ** 2 >= 0.5).all()
    for larger in (sigma(spread=1.0), sigma(other=2.0), sigma(chi=2.0), sigma(excess=0.1)):
        assert (larger >= plain).all()
        assert (larger[SUPPORT] > plain[SUPPORT]).all()


def test_runs_that_agree_resolve_all_that_noise_leaves() -> None:
    """Equal bright densities: 2 px; a run that differs from radius 16 on: 64 / 16 px."""
    sharp = 1e4 * DENSITY + 5e3 * SUPPORT * noise(SIZE, 4)
    assert resolution(agreed(sharp, [sharp, sharp]), LEVEL) == 2.0
    transform = spectrum(sharp)
    axis = np.arange(SIZE) - SIZE // 2
    transform[np.hypot(axis[:, None], axis[None, :]) >= 16] *= -1
    other = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(transform), norm="ortho")).real
    mixed = agreed(sharp, [sharp, other])
    assert resolution(mixed, LEVEL) == pytest.approx(SIZE / 16, rel=0.1)
    assert np.isnan(agreed(sharp, [sharp], hole=9)[:4]).all()


def agreed(density: np.ndarray, others: list[np.ndarray], hole: float = 0) -> np.ndarray:
    """The agreement of a density, whose noiseless pattern is measured, with other runs."""
    mask = disc(SIZE, hole) if hole else None
    data = Data.of(pattern_of(density, mask), is_real=True)
    return agreement(density, others, 200, data, Misfit.of(density, data))


def test_other_runs_are_moved_onto_the_first() -> None:
    """Shift and twin are taken out before runs are compared."""
    twin = np.roll(DENSITY[::-1, ::-1], (4, -2), (0, 1))
    (moved,) = registered(DENSITY, [twin])
    assert np.allclose(moved, DENSITY, atol=1e-3 * DENSITY.max())


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({}, Verdict.GOOD, ""),
        ({"typical_excess": 0.08, "low_excess": 0.08, "excess": 0.08, "chi": 2.0},
         Verdict.DOUBTFUL, "its moduli are off by 8%"),
        ({"typical_excess": 0.08, "low_excess": 0.08, "excess": 0.08, "chi": 1.1},
         Verdict.GOOD, ""),
        ({"typical_excess": 0.08, "low_excess": 0.03, "excess": 0.09, "chi": 2.0},
         Verdict.GOOD, ""),
        ({"low_excess": 0.25, "excess": 0.25, "typical_excess": 0.2, "chi": 4.0}, Verdict.BAD,
         "decide the shape"),
        ({"noise": 0.4}, Verdict.DOUBTFUL, "too few photons"),
        ({"noise": 0.9}, Verdict.BAD, "too few photons"),
        ({"floor": 0.6}, Verdict.DOUBTFUL, "a blank would look alike"),
        ({"friedel": 0.6}, Verdict.DOUBTFUL, "not centrosymmetric"),
        ({"friedel": 0.9}, Verdict.BAD, "not centrosymmetric"),
        ({"extent": 5.0}, Verdict.BAD, "is it a hit?"),
        ({"extent": 80.0}, Verdict.BAD, "more than half of the grid"),
        ({"second_part": 0.3}, Verdict.GOOD, "two parts"),
        ({"missing_speckles": 4.0}, Verdict.GOOD, "hides 4.0 speckles"),
    ],
)  # fmt: skip
def test_verdicts_have_reasons(changes: dict[str, float], verdict: Verdict, reason: str) -> None:
    """Every limit that is passed is told; some things are told beside a verdict that stands."""
    certainty = judged(replace(GOOD, **changes), size=128, is_real=True)
    assert certainty.verdict is verdict
    assert reason in " ".join(certainty.reasons)
    assert bool(certainty.reasons) == bool(reason)
    assert 0 <= certainty.score <= 1
    assert certainty.is_interior_determined == (changes.get("missing_speckles", 0) <= 2.5)
    assert certainty.figures["excess"] == changes.get("excess", GOOD.excess)


def test_no_resolution_has_its_reason() -> None:
    """A good result whose runs agree nowhere says so; with a resolution there is no reason."""
    good, settings = judged(GOOD, size=128, is_real=True), Settings()
    assert _no_resolution(good, 2, 3.0, settings) == ""
    assert "agree nowhere" in _no_resolution(good, 2, None, settings)
    assert "used up" in _no_resolution(good, 0, None, settings)
    doubtful = judged(replace(GOOD, friedel=0.6), size=128, is_real=True)
    assert _no_resolution(doubtful, 2, 3.0, settings) == "the result is doubtful"


def test_what_cannot_be_known_is_doubtful() -> None:
    """Complex densities, and data that contradict what was given, are never good."""
    of_complex = judged(GOOD, size=128, is_real=False)
    against = judged(GOOD, size=128, is_real=True, contradictions=("centre: (3, 4), not (5, 6)",))
    assert (of_complex.verdict, against.verdict) == (Verdict.DOUBTFUL, Verdict.DOUBTFUL)
    assert "complex" in of_complex.reasons[0]
    assert "centre: (3, 4), not (5, 6)" in against.reasons[0]


def test_better_figures_have_better_scores() -> None:
    """The score falls with every figure that makes a result doubtful."""
    plain = judged(GOOD, size=128, is_real=True).score
    for name, value in {"friedel": 0.45, "noise": 0.2, "extent": 8.5}.items():
        assert judged(replace(GOOD, **{name: value}), size=128, is_real=True).score < plain


def test_what_is_excused_still_ranks() -> None:
    """Good results whose misfit other figures excuse differ in score by these."""
    excused = replace(GOOD, typical_excess=0.09, excess=0.1, chi=2.0)
    scores = [
        judged(replace(excused, low_excess=low), size=128, is_real=True).score
        for low in (0.02, 0.04, 0.06)
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


def test_trust_sorts_by_verdict_then_score() -> None:
    """What is not judged comes last, and what has no score last of its verdict."""
    given = [
        (None, 0.9), (Verdict.BAD, 0.4), (Verdict.GOOD, 0.6), (Verdict.GOOD, None),
        (Verdict.DOUBTFUL, 0.5), (Verdict.GOOD, 0.8),
    ]  # fmt: skip
    assert sorted(given, key=lambda one: trust(*one)) == [
        (Verdict.GOOD, 0.8), (Verdict.GOOD, 0.6), (Verdict.GOOD, None), (Verdict.DOUBTFUL, 0.5),
        (Verdict.BAD, 0.4), (None, 0.9),
    ]  # fmt: skip
    assert tally_of_verdicts({Verdict.BAD: 2, Verdict.GOOD: 41}) == "41 good, 2 bad"
