"""Simulated shots: what is known of them is exactly so, and every row is made anew alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.simulated.diffraction import Detector, diffraction, shapes, truth
from spring_mpi.events.formats.simulated.reader import Run, SimulateReader

CENTRED = Detector(shape=(65, 65), center=(32.0, 32.0), gap=(30, 33), hole_radius=3.0, field=64)


def particle(name: str, seed: int = 1) -> np.ndarray:
    return shapes()[name](14.0, np.random.default_rng(seed))


@pytest.mark.parametrize("name", shapes())
def test_particles_are_real_solids(name: str) -> None:
    """A projected solid is finite, not negative, dark at its rim, and as wide as asked for."""
    density = particle(name)
    rim = np.concatenate([density[0], density[-1], density[:, 0], density[:, -1]])
    lit = np.argwhere(density > 0)
    assert np.isfinite(density).all()
    assert (density >= 0).all()
    assert not rim.any()
    assert 0.3 * 14 < np.ptp(lit, axis=0).max() / 2 < 1.6 * 14


def test_no_two_shapes_are_alike() -> None:
    """Different shapes, and different draws of the random ones, scatter differently."""

    def pattern(name: str, seed: int) -> np.ndarray:
        return np.sqrt(diffraction(particle(name, seed), CENTRED, 1e6))

    patterns = [pattern(name, 1) for name in shapes()]
    patterns += [pattern(name, 2) for name in shapes() if name != "sphere"]
    for one, other in combinations(patterns, 2):
        assert np.linalg.norm(one - other) > 0.02 * np.linalg.norm(one)


@pytest.mark.parametrize("name", ["polyhedron", "branched"])
def test_expected_light_is_symmetric_and_counted(name: str) -> None:
    """About its centre the expectation is Friedel symmetric; its sum is the photons asked for."""
    light = diffraction(particle(name), CENTRED, 3e5)
    assert np.allclose(light, light[::-1, ::-1])
    assert light.sum() == pytest.approx(3e5)


def test_the_centre_may_lie_between_pixels() -> None:
    """A detector moved by a fraction of a pixel sees the same light at the same angles."""
    moved = Detector(shape=(65, 65), center=(31.5, 33.25), field=64)
    light = diffraction(particle("sphere"), moved, 1.0)
    rows, columns = np.indices(light.shape)
    centroid = [(axis * light).sum() / light.sum() for axis in (rows, columns)]
    assert centroid == pytest.approx([31.5, 33.25], abs=0.02)


def test_the_recorded_frame_by_hand() -> None:
    """Gap and hole are zero, nothing exceeds the saturation, the rest is photons times gain."""
    light = np.full(CENTRED.shape, 400.0)
    light[5, 5] = 1e9
    frame = CENTRED.record(light, np.random.default_rng(1))
    dark = CENTRED.excluded()
    assert not frame[dark].any()
    assert dark[30:33].all()
    assert dark.sum() == 3 * 65 + 2 * 5
    assert frame.max() == frame[5, 5] == np.float32(3e4)
    rest = frame[~dark & (frame < 3e4)]
    assert rest.mean() == pytest.approx(4000, rel=0.01)
    assert rest.var() == pytest.approx(400 * 10**2 + 2**2, rel=0.1)


@pytest.mark.parametrize("size", [32, 33])
def test_the_truth_is_the_band_limited_density(size: int) -> None:
    """Its transform is that of the fine density, by direct summation at the grid's frequencies."""
    density = particle("aggregate")
    fine = (np.arange(len(density)) - len(density) // 2) / 2
    index = np.arange(size) - size // 2
    waves = np.exp(-2j * np.pi * np.outer(index / size, fine))
    expected = waves @ density @ waves.T
    transform = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(truth(density, size))))
    inner = np.abs(index) < size // 2
    scale = np.abs(expected).max()
    assert np.allclose(transform[inner][:, inner], expected[inner][:, inner], atol=1e-5 * scale)


def test_truth_and_diffraction_are_of_one_object() -> None:
    """The squared transform of the truth is the expected light on the crop's pixels."""
    density, detector = particle("branched"), Detector((64, 64), (32.0, 32.0), field=64)
    light = diffraction(density, detector, 1.0)
    transform = np.fft.fftshift(np.fft.fft2(truth(density, 64)))
    power = np.abs(transform) ** 2
    inner = np.s_[1:, 1:]
    assert np.allclose(light[inner] / light.max(), power[inner] / power.max(), atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=4), st.integers(0, 50))
def test_rows_do_not_depend_on_the_order_of_reading(rows: list[int], seed: int) -> None:
    """A row has the same bytes whenever, in whatever order and however often it is read."""
    reader = SimulateReader()
    handle = reader.open(f"events=12:seed={seed}")
    for row in rows:
        fresh = reader.open(f"events=12:seed={seed}").event("", row)
        assert handle.event("", row).data.tobytes() == fresh.data.tobytes()


def test_runs_of_other_seeds_differ_and_longer_ones_begin_alike() -> None:
    """The number of events does not change a row; the seed changes every one."""
    reader = SimulateReader()
    short, long, other = (
        reader.open(text).event("", 5).data
        for text in ("events=6", "events=1000", "events=6:seed=8")
    )
    assert np.array_equal(short, long)
    assert not np.array_equal(short, other)


def test_hits_and_blanks() -> None:
    """The first four are hits, all shapes occur, and of the rest about two in five are hits."""
    handle = SimulateReader().open("events=80:photons=1e5")
    kinds = [handle.event("", row).info["shape"] for row in range(80)]
    assert "blank" not in kinds[:4]
    assert set(kinds) == {*shapes(), "blank"}
    assert 0.45 < kinds[4:].count("blank") / 76 < 0.75


def test_hits_are_brighter_than_blanks() -> None:
    """A blank has its few photons, a hit more than a tenth of those asked for."""
    handle = SimulateReader().open("events=40")
    sums = {True: [], False: []}  # type: dict[bool, list[float]]
    for row in range(20):
        frame = handle.event("", row)
        sums[frame.info["shape"] == "blank"].append(float(frame.data.sum()) / 10)
    assert max(sums[True]) < 2000
    assert min(sums[False]) > 1e5


def test_pids_are_unique_and_begin_with_the_known_ones() -> None:
    """Every event has its own pid of run, train and pulse."""
    scan = SimulateReader().scan("events=5000:seed=3", dataset=None, pid=None)
    assert scan.pids is not None
    assert len(np.unique(scan.pids, axis=0)) == 5000
    assert tuple(scan.pids[2]) == (71, 1, 14546865407)
    assert (scan.shape, scan.pid_names) == ((5000, 264, 272), ("run", "train", "pulse"))


def test_a_simulated_run_is_indexed_like_a_file() -> None:
    """The index takes the text for a source, and its events bring what the reader knows."""
    index = build_index("events=6:seed=7")
    event = index.read((19, 7, 14541946795))
    assert len(index) == 6
    assert event.data.shape == (264, 272)
    assert event.info["shape"] in shapes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("events=6:sed=7", "unknown sed; a simulated run has events, seed, photons"),
        ("events=", "invalid literal"),
        ("events=many", "invalid literal"),
        ("events=6:photons=bright", "could not convert"),
        ("events=0", "events must be 1 to 1e\\+07"),
        ("events=99999999", "events must be"),
        ("events=6:seed=-1", "seed must be 0"),
        ("events=6:seed=99999999999999999999", "seed must be"),
        ("events=6:photons=0", "photons must be"),
        ("events=6:photons=nan", "photons must be"),
        ("events=6:photons=inf", "photons must be"),
    ],
)
def test_faults_of_a_source_are_refused(text: str, message: str) -> None:
    """What cannot be simulated is a SourceError that names the text."""
    with pytest.raises(SourceError, match=f"^{text}: {message}"):
        Run.parse(text)


@pytest.mark.parametrize(
    ("text", "is_run"),
    [("events=64", True), ("events=64:seed=7", True), ("events=64.h5", False), ("run.h5", False)],
)
def test_only_a_run_is_taken_for_one(text: str, is_run: bool) -> None:
    """A file's name is never mistaken for a simulated run."""
    assert SimulateReader().sniff(text) is is_run


def test_fields_are_those_of_the_detector() -> None:
    """Mask and centre are there by name, anything else is a KeyError with their names."""
    handle = SimulateReader().open("events=6")
    assert np.array_equal(handle.field("mask", 0), Detector().excluded())
    assert handle.field("center", 0).tolist() == list(Detector().center)
    with pytest.raises(KeyError, match="known: mask, center"):
        handle.field("gain", 0)
