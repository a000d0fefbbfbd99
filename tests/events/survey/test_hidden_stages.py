"""Raw values with gain stages are known by how they are spread, and ordinary frames are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.events import Loader, build_index
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.survey.hidden_stages import hidden_stages
from spring_mpi.events.survey.suspect_search import find_suspects

Frames = NDArray[Any]
COUNT = 4


def scattered(brightest: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """Photons of a compact object, (COUNT, 128, 128): they fall with the fourth power."""
    y, x = np.mgrid[:128, :128] - 63.5
    return draw.poisson(brightest / (1 + (np.hypot(y, x) / 4) ** 4), (COUNT, 128, 128)).astype(
        float
    )


def jungfrau(photons: NDArray[np.float64], draw: np.random.Generator) -> Frames:
    """As the detector writes them: 40 units per photon in G0, -1.4 in G1, -0.1 in G2."""
    pedestals = draw.normal(2500, 100, photons.shape[1:])
    high, medium, low = pedestals + 40 * photons, 14500 - 1.4 * photons, 14700 - 0.1 * photons
    stage = np.where(high < 15000, 0, np.where(medium > 800, 1, 3))
    values = np.choose(stage.clip(0, 2), [high, medium, low])
    return np.asarray(values.clip(0, 16383).astype("u2") | stage.astype("u2") << 14, np.uint16)


def epix10ka(photons: NDArray[np.float64], draw: np.random.Generator) -> Frames:
    """In automatic gain: 130 units per photon in medium, 1.6 in low gain."""
    pedestals = draw.normal(3000, 150, photons.shape[1:])
    is_low = photons > 35
    values = np.where(is_low, pedestals + 1.6 * photons, pedestals + 130 * photons)
    return np.asarray(values.clip(0, 16383).astype("u2") | is_low.astype("u2") << 14, np.uint16)


def told(frames: Frames, *, background: bool = False) -> str:
    """What is said of them."""
    return hidden_stages((frame.ravel() for frame in frames), has_background=background)


@pytest.mark.parametrize("kind", ["u2", "i4", "u4"])
@pytest.mark.parametrize("brightest", [2e3, 4e4])
def test_switching_detectors(brightest: float, kind: str) -> None:
    """Those with two and with three stages, in any type of integers."""
    draw = np.random.default_rng(1)
    photons = scattered(brightest, draw)
    assert "data.gain_bits: jungfrau" in told(jungfrau(photons, draw).astype(kind))
    # All in low gain, as where it is fixed.
    fixed = (draw.normal(3000, 150, (2, 64, 64)).astype("u2") | 0x4000).astype(kind)
    assert "data.gain_bits" in told(fixed)
    assert not told(fixed, background=True)


def test_epix() -> None:
    """Pixels in low gain lie above a gap."""
    draw = np.random.default_rng(2)
    assert "between 8192 and 16383" in told(epix10ka(scattered(300, draw), draw))


@pytest.mark.parametrize("brightest", [100.0, 2e4, 3e4, 6e4, 3e5])
@pytest.mark.parametrize("kind", ["u2", "i4", "f4"])
def test_ordinary_frames(brightest: float, kind: str) -> None:
    """Bright scattering, saturated or with marked pixels, is no sign of stages."""
    draw = np.random.default_rng(3)
    frames = np.minimum(scattered(brightest, draw), 60000)
    assert not told(frames.astype(kind))
    frames[:, 10:14] = 65535
    assert not told(frames.astype(kind))
    frames[:, 20:24] = 20000
    assert not told(frames.astype(kind))


def test_through_a_campaign(tmp_path: Path) -> None:
    """The warning is in what is told of each event, and ends where the user says what is right."""
    draw = np.random.default_rng(4)
    np.save(tmp_path / "run.npy", jungfrau(scattered(4e4, draw), draw))
    index = build_index(str(tmp_path / "run.npy"))
    refs = [index.ref(place) for place in range(COUNT)]
    with Loader() as loader:
        found = find_suspects(refs, Calibrator(Calibration(), loader), loader)
        assert found.stages in found.sentences()
        frame = loader.read(refs[0]).data
        assert found.stages in found.told(frame, np.zeros(frame.shape, np.bool_))
        said = Calibrator(Calibration(gain_bits="none"), loader)
        assert not find_suspects(refs, said, loader).stages
