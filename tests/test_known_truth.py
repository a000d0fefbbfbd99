"""Simulated patterns with a truth, and the scores of densities against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_truth.comparing import compared, interval, paired
from known_truth.conditions import CLASSES, HARD, ordinary
from known_truth.hard import COUNT, conventional, hard_sample, projections
from known_truth.sample import SETS, Sample, sample, sample_of
from known_truth.scores import coverage, registered, resolution, scores, twin
from known_truth.statistics import bootstrap, ranking, wilson
from known_truth.tables import all_tables

from spring_mpi.errors import PatternError

SEED = 50_000
EDGE = 2.0


@pytest.fixture(scope="module")
def branched() -> Sample:
    """Not symmetric in any way, so that its twin is another one."""
    random = np.random.default_rng(SEED)
    conditions = ordinary(random, ("branched",))
    return sample_of(replace(conditions, off_grid=(0.0, 0.0)), "usual", SEED, random)


def shifted(density: np.ndarray, rows: float, columns: float) -> np.ndarray:
    """Moved by any fraction of pixels."""
    phases = [np.exp(-2j * np.pi * np.fft.fftfreq(128) * step) for step in (rows, columns)]
    return np.fft.ifft2(np.fft.fft2(density) * phases[0][:, None] * phases[1])


@pytest.mark.parametrize("fault", ["usual", "mixture"])
def test_equal_seeds_give_equal_patterns_and_others_do_not(fault: str) -> None:
    first, again, other = sample(fault, SEED), sample(fault, SEED), sample(fault, SEED + 1)
    assert np.array_equal(first.raw, again.raw)
    assert np.array_equal(first.truth, again.truth)
    assert first.conditions == again.conditions
    assert not np.array_equal(first.raw, other.raw)
    assert first.extent != other.extent


def test_sets_share_no_seed() -> None:
    starts = sorted(SETS.values())
    assert min(np.diff(starts)) >= 10_000


def test_the_truth_explains_the_pattern(branched: Sample) -> None:
    """Photons of the truth's transform are those counted, to noise and the size of a pixel."""
    pattern = branched.pattern()
    spectrum = np.fft.fftshift(np.fft.fft2(branched.truth, norm="ortho"))
    explained = (np.abs(spectrum) ** 2)[pattern.measured]
    counted = pattern.intensity[pattern.measured]
    assert explained.sum() == pytest.approx(counted.sum(), rel=0.05)
    assert np.corrcoef(np.sqrt(explained), np.sqrt(np.maximum(counted, 0)))[0, 1] > 0.97


def test_photons_are_those_in_measured_pixels(branched: Sample) -> None:
    """The pattern loses a few at its edges, and gains those of masked pixels within bins."""
    assert branched.pattern().photons == pytest.approx(branched.photons, rel=0.25)


@pytest.mark.parametrize("fault", CLASSES)
def test_every_class_makes_patterns(fault: str) -> None:
    try:
        pattern = sample(fault, SEED).pattern()
    except PatternError:
        assert fault in ("blank", "polarity")
    else:
        assert pattern.size == 128


def test_the_truth_itself_is_right(branched: Sample) -> None:
    found = scores(branched.truth, branched.truth, EDGE)
    assert found.corr == pytest.approx(1)
    assert found.band == pytest.approx(1)
    assert found.error < 1e-4
    assert found.resolution == 2.0
    assert found.right
    assert found.close


@pytest.mark.parametrize("is_twin", [False, True])
@pytest.mark.parametrize("phase", [0.0, 2.0])
def test_shift_twin_phase_and_scale_do_not_matter(
    branched: Sample, is_twin: bool, phase: float
) -> None:
    truth = branched.truth.astype(complex) if phase else branched.truth.astype(float)
    moved = shifted(twin(truth) if is_twin else truth, 7.3, -11.6) * 3
    moved = moved * np.exp(1j * phase) if phase else moved.real
    found = scores(moved, truth, EDGE)
    assert found.corr > 0.9999
    assert found.band > 0.9999
    assert found.error < 0.01
    assert found.scale == pytest.approx(1 / 3, rel=1e-3)
    assert found.resolution == 2.0


def test_of_a_complex_density_the_conjugate_is_another_one() -> None:
    known = sample("complex", SEED)
    assert np.iscomplexobj(known.truth)
    assert scores(known.truth.conj(), known.truth, EDGE).corr < 0.999
    assert scores(twin(known.truth), known.truth, EDGE).corr == pytest.approx(1)


def test_another_object_is_not_right(branched: Sample) -> None:
    assert not scores(sample("usual", SEED + 2).truth, branched.truth, EDGE).right


def test_an_empty_density_is_not_right(branched: Sample) -> None:
    assert not scores(np.zeros((128, 128)), branched.truth, EDGE).right


def test_a_known_correlation_of_rings_has_the_known_resolution() -> None:
    """Three-ring means of a step from 1 to -1 before ring 30 cross 1/2 at 28.75."""
    profile = np.where(np.arange(64) < 30, 1.0, -1.0)
    assert resolution(profile, EDGE) == pytest.approx(128 / 28.75)
    assert resolution(np.ones(64), EDGE) == 2.0
    assert resolution(-np.ones(64), 4.2) == 128 / 5


def test_rings_within_the_hole_do_not_count() -> None:
    profile = np.where(np.arange(64) < 5, 0.0, 1.0)
    assert resolution(profile, 6.0) == 2.0
    assert resolution(profile, 2.0) == 128 / 2


def test_wrong_phases_beyond_a_ring_are_its_resolution(branched: Sample) -> None:
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(branched.truth)))
    axis = np.arange(128) - 64
    spectrum[np.rint(np.hypot(axis[:, None], axis)) >= 30] *= -1
    density = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(spectrum))).real
    assert scores(density, branched.truth, EDGE).resolution == pytest.approx(128 / 28.75, rel=1e-3)


def test_registration_finds_the_position(branched: Sample) -> None:
    truth = branched.truth.astype(float)
    moved = shifted(truth, 0.37, 5.81).real
    np.testing.assert_allclose(registered(truth, moved), moved, atol=2e-3 * truth.max())


def test_coverage_of_a_known_noise(branched: Sample) -> None:
    """Of normal errors 0.683 lie within one sigma, and 0.954 within two."""
    truth = branched.truth.astype(float)
    support = np.ones(truth.shape, bool)
    noise = np.random.default_rng(1).normal(0, 0.01 * truth.max(), truth.shape)
    sigma = np.full(truth.shape, 0.01 * truth.max())
    one, two, ratio = coverage(truth + noise, truth, sigma, support)
    assert one == pytest.approx(0.683, abs=0.015)
    assert two == pytest.approx(0.954, abs=0.01)
    assert ratio == pytest.approx(1, abs=0.02)


def test_intervals_of_shares() -> None:
    """Of 57 right in 58 as published calculators say; the interval never leaves [0, 1]."""
    assert wilson(57, 58) == pytest.approx((0.9086, 0.9970), abs=2e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0


def test_a_ranking_is_the_share_of_ordered_pairs() -> None:
    assert ranking([3, 2, 1], [True, True, False]) == 1.0
    assert ranking([3, 2, 1], [False, True, True]) == 0.0
    assert ranking([1, 1], [True, False]) == 0.5


def test_the_interval_of_a_constant_difference_is_that_constant() -> None:
    assert bootstrap(np.full((5, 4), 0.25), draws=100) == (0.25, 0.25)


def test_hard_settings_fill_their_ranges() -> None:
    found = [hard_sample(number) for number in range(0, COUNT, 5)]
    assert {sample.conditions.kind for sample in found} == set(HARD)
    assert all(0.8 <= one.conditions.support <= 2.5 for one in found)
    assert all(1.7 <= one.missing_speckles <= 3.3 for one in found)
    assert np.array_equal(found[0].raw, hard_sample(0).raw)


def test_both_searches_have_equal_projections() -> None:
    """Known budget of a small search; a conventional start is improved twice as often."""
    assert projections(16, 4) == 6784
    known = hard_sample(0)
    assert scores(conventional(known, 1, 1), known.truth, known.hole_edge).corr > 0.3


def test_searches_are_compared_by_what_both_have() -> None:
    """Pattern by pattern, seeds of the engine averaged; the ratio is one of distances."""

    def row(seed: int, engine_seed: int, right: bool, corr: float) -> dict[str, object]:
        return {"class": "usual", "seed": seed, "engine_seed": engine_seed, "right": right,
                "close": right, "corr": corr}  # fmt: skip

    first = [row(1, 1, True, 0.99), row(1, 2, False, 0.9), row(2, 1, True, 0.99)]
    other = [row(1, 1, True, 0.98), row(1, 2, True, 0.98), row(3, 1, True, 0.99)]
    pairs = paired(first, other)
    assert {key: len(both) for key, both in pairs.items()} == {("usual", 1): 2}
    assert interval(pairs, lambda row: float(row["right"])) == (0.5, 0.5, 0.5)
    assert list(compared(first, {"same": first, "none": []}))[2:] == [
        "| same | 2 | 0.667 | +0.000 [+0.000, +0.000] | +0.000 [+0.000, +0.000] "
        "| 1.00 [1.00, 1.00] |",
        "| none | 0 | | | | |",
    ]


def test_tables_count_what_the_rows_say() -> None:
    """Of 4 called good 3 are right; of 5 right 3 are called good; a refused one is not good."""
    base = {
        "class": "usual", "kind": "blob", "photons": 2e4, "missing_speckles": 1.0, "score": 0.5,
        "is_complex": False, "gain_is_right": True, "close": False, "engine_seed": 1, "corr": 0.99,
        "band": 0.99, "seed": 7, "resolution_px": 3.0, "true_resolution": 2.9, "reasons": [],
        "cpu_seconds": 1.0,
    }  # fmt: skip
    told = [("good", True)] * 3 + [("good", False), ("doubtful", True), ("refused", True)]
    text = all_tables([base | {"verdict": verdict, "right": right} for verdict, right in told])
    assert "6 patterns, 16.7% of them wrong, 6 with 10^4 to 10^5 photons" in text
    assert "precision of good: 3/4 = 0.75" in text
    assert "recall up to 2.5 speckles: 3/5 = 0.60" in text
    assert "wrong called good: 1/1 = 1.00" in text
    assert "resolution within 1.3, all good: 4/4 = 1.00" in text
    assert "'always 2.00 px' 0/4" in text
