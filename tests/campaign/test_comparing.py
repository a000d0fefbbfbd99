"""Comparing patterns with those in results: pixel by pixel, and whatever reading them does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.campaign.comparing import Made, compared, difference
from spring_mpi.events import build_index
from spring_mpi.events.event import EventRef, Exclusion
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.preparation import Prepared
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.result import Result
from spring_mpi.model.settings import Settings

SIZE = 16
FRAME = np.random.default_rng(3).poisson(9.0, (SIZE, SIZE)).astype(np.float32)


def prepared(frame: NDArray[np.float32] = FRAME, mask: NDArray[np.bool_] | None = None) -> Prepared:
    """A pattern, with what excluded its pixels."""
    used = (Exclusion("the mask of the test", int(mask.sum())),) if mask is not None else ()
    return Prepared(Pattern(frame, mask, center=(8, 8), pid=(1,)), used)


def result(**changes: Any) -> Result:
    """What a job left whose pattern was the frame's."""
    pattern, image = prepared(**changes).pattern, np.zeros((SIZE, SIZE), np.float32)
    return Result(
        name="1", pid=(1,), tag="", data=image, support=image.astype(np.uint8), best=image,
        std=image, support_frequency=image, intensity=pattern.intensity,
        mask=(~pattern.measured).astype(np.uint8), error=0.1, error_history=image,
        prtf=np.zeros(1), ring_correlation=np.zeros(0), resolution_px=None, members=1,
        settings=Settings(),
    )  # fmt: skip


def mask_of(*pixels: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[tuple(np.transpose(pixels))] = True
    return mask


def test_the_same_pattern() -> None:
    """Nothing is said of it, with a mask or without one."""
    mask = mask_of((3, 4), (5, 6))
    assert difference(result(), prepared()) == ""
    assert difference(result(mask=mask), prepared(mask=mask)) == ""


def test_a_mask_that_counts_now() -> None:
    """The number of pixels, and what is in use."""
    text = difference(result(), prepared(mask=mask_of((3, 4), (5, 6))))
    assert text == (
        "2 pixels of its pattern are excluded that were not; "
        "in use now: the mask of the test excludes 2 pixels"
    )


def test_a_mask_that_counts_no_more() -> None:
    """The other way round."""
    text = difference(result(mask=mask_of((3, 4))), prepared())
    assert text == "1 pixels of its pattern are not excluded that were; in use now: no mask"


def test_other_intensities() -> None:
    """Frames that are decoded otherwise, though the same pixels are excluded."""
    frame = FRAME.copy()
    frame[2, 2:5] += 40
    assert difference(result(), prepared(frame)).startswith(
        "3 pixels of its pattern have another intensity"
    )


@pytest.fixture
def deadly(tmp_path: Path) -> EventRef:
    """An event whose loader ends its process once it was indexed."""
    (tmp_path / "load.py").write_text(
        "import os\nimport numpy as np\n"
        "def load(path):\n"
        "    if os.path.exists(path + '.indexed'):\n        os._exit(7)\n"
        "    return {'data': np.ones((16, 16)), 'pid': np.array([1, 2])}\n"
    )
    (tmp_path / "a.dat").write_bytes(b"x")
    index = build_index("a.dat", reader="load.py:load", root=tmp_path)
    (tmp_path / "a.dat.indexed").write_bytes(b"")
    return index.ref(0)


def test_reading_that_ends_the_process(deadly: EventRef, tmp_path: Path) -> None:
    """The job is named with what happened; the others are compared all the same."""
    missing = str(tmp_path / "none.h5")
    simulated = build_index("events=1:seed=1", reader="simulate").ref(0)
    jobs = [
        Made(name, missing, event, Calibration(), SIZE, SIZE)
        for name, event in (("first", simulated), ("deadly", deadly), ("last", simulated))
    ]
    told = compared(jobs)
    assert told["deadly"] == "its event cannot be read: the process that did so ended with 7"
    for name in ("first", "last"):
        assert told[name].startswith("it cannot be compared: ")
