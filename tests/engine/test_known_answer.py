"""A recorded pattern with a known kind of answer: the object is a ring."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.settings import Settings

_MIDDLE = (49.0, 49.0)


@pytest.fixture(scope="module")
def ring(recorded: Path) -> Pattern:
    """The prepared pattern: an amplitude with its zero frequency at [0, 0], mask 1 = good."""
    path = recorded / "hawk_ring" / "ring.h5"
    if not path.exists():
        pytest.skip(f"{path} is not among the recorded data")
    with h5py.File(path) as file:
        amplitude, good = (np.fft.fftshift(file[name][..., 0]) for name in ("real", "mask"))
    return Pattern(amplitude.astype(np.float64) ** 2, good == 0, _MIDDLE, (1,))


def topology(density: NDArray[np.floating]) -> tuple[int, int]:
    """Numbers of components and of holes of what is brighter than a fifth of the maximum."""
    blurred = ndimage.gaussian_filter(np.abs(density), 0.7)
    bright = blurred > 0.2 * blurred.max()
    _, components = ndimage.label(bright, np.ones((3, 3)))
    _, dark_regions = ndimage.label(~bright)
    return components, dark_regions - 1


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_ring_is_a_ring(ring: Pattern, seed: int) -> None:
    """From every seed the object is one piece with exactly one hole."""
    settings = (
        Settings()
        .set("global", "popsize", 16)
        .set("global", "generations", 20)
        .set("init", "supportsize", 36)
        .set("SW", "mode", "area")
        .set("SW", "area", 336)
    )
    result = reconstruct(ring, settings, backend=make_backend("cpu"), seed=seed)
    print(f"seed {seed}: error {result.error:.4f}, area {result.support_px}, "
          f"members {result.members}, {result.provenance.seconds:.1f} s")  # fmt: skip
    assert topology(result.data) == (1, 1)
