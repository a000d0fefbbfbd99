"""From an event to its pattern: a preparation that cannot be right is refused, or told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spring_mpi.errors import PatternError
from spring_mpi.events import build_index
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.preparation import Prepared, Preparer
from spring_mpi.events.specs import MaskSpec

SIDE = 16


def prepared(folder: Path, *masks: MaskSpec) -> Prepared:
    """The first of two events in an npy file."""
    frames = np.random.default_rng(1).poisson(50.0, (2, SIDE, SIDE))
    np.save(folder / "frames.npy", frames)
    index = build_index(str(folder / "frames.npy"))
    with Preparer() as preparer:
        return preparer.prepare(index.ref(0), Calibration(masks=masks), cropsize=SIDE, size=SIDE)


def test_the_center_that_is_used_is_told(tmp_path: Path) -> None:
    """Neither config nor file gives one: the middle of the frame, with its numbers."""
    assert "the middle of the frame, (7.5, 7.5), is used" in prepared(tmp_path).warnings[0]


@pytest.mark.parametrize("side", [0, SIDE // 2])
def test_masks_that_leave_nothing_are_named(tmp_path: Path, side: int) -> None:
    """One that excludes all, or two that do so together: refused with what each excludes."""
    mask = np.ones((SIDE, SIDE), np.uint8)
    mask[:side] = 0
    np.save(tmp_path / "m.npy", mask)
    file = str(tmp_path / "m.npy")
    with pytest.raises(PatternError) as refused:
        prepared(tmp_path, MaskSpec(file, bad=1), *[MaskSpec(file, good=1)] * (side > 0))
    assert f"mask {file} excludes {(SIDE - side) * SIDE} pixels" in str(refused.value)
    assert str(refused.value).endswith("is what a mask marks bad or good?")


def test_masks_without_bits_are_refused_by_name(tmp_path: Path) -> None:
    """``bad_bits`` is for whole numbers; other masks are told as what they are."""
    np.save(tmp_path / "m.npy", np.full((SIDE, SIDE), 0.5))
    file = str(tmp_path / "m.npy")
    with pytest.raises(PatternError, match=f"mask {file}: a mask of bits is made of whole"):
        prepared(tmp_path, MaskSpec(file, bad_bits=2**63))
