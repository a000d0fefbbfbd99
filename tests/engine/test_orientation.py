"""Results of one event are turned alike: all images move together, and it is said how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.physics import Density, disc, lumps
from helpers.pictures import made_result

from spring_mpi.model.alignment import Motion, twin
from spring_mpi.model.orientation import oriented_like
from spring_mpi.model.result import Result

SIZE = 32


def result_of(density: Density) -> Result:
    """A result whose images all belong to that density."""
    support = np.abs(density) > 0.1
    return replace(
        made_result(), data=density, best=density, std=np.abs(density).astype(np.float32),
        support=support.astype(np.uint8),
        support_frequency=support.astype(np.float32),
    )  # fmt: skip


def moved(result: Result, motion: Motion) -> Result:
    """All images of a result moved."""
    images: dict[str, Any] = {
        "data": motion.move(result.data), "best": motion.move(result.best),
        "std": motion.move_support(result.std), "support": motion.move_support(result.support),
        "support_frequency": motion.move_support(result.support_frequency),
    }  # fmt: skip
    return replace(result, **images)


@pytest.mark.parametrize(
    ("motion", "remark"),
    [
        (Motion(False, (0, 0), 0.0), ""),
        (Motion(True, (0, 0), 0.0), "turned by 180 degrees to match a"),
        (Motion(False, (2, -1), 0.0), "moved by (-2, 1) pixels to match a"),
        (Motion(True, (2, -1), 0.0), "turned by 180 degrees, moved by (2, -1) pixels to match a"),
    ],
)
@pytest.mark.parametrize("is_complex", [False, True])
def test_images_come_to_lie_as_those_of_the_reference(
    motion: Motion, remark: str, is_complex: bool
) -> None:
    """Turned and moved back, every image, and the words say what was done."""
    density = lumps(SIZE).astype(np.float32)
    reference = result_of(density * np.exp(2j * disc(SIZE, 6)) if is_complex else density)
    turned = oriented_like(moved(reference, motion), reference.data, "a")
    assert turned.remark == remark
    for image in ("data", "best", "std", "support", "support_frequency"):
        expected, actual = getattr(reference, image), getattr(turned.result, image)
        assert actual.dtype == expected.dtype
        assert np.allclose(actual, expected, atol=1e-5), image


def test_a_phase_is_turned_with_its_density_alone() -> None:
    """Standard deviation and support have none; the pattern stays as it was measured."""
    reference = result_of(lumps(SIZE) * np.exp(1j * disc(SIZE, 6)))
    turned = oriented_like(moved(reference, Motion(False, (0, 0), 1.0)), reference.data, "a")
    assert turned.remark == "phase turned by -1.0 radians to match a"
    assert np.allclose(turned.result.data, reference.data)
    assert np.array_equal(turned.result.std, reference.std)
    assert np.array_equal(turned.result.intensity, reference.intensity)


def test_a_result_of_the_other_kind_or_size() -> None:
    """A real density is turned like a complex one; another size, or what is absent, stays."""
    density = lumps(SIZE)
    other = replace(result_of(twin(density)), std=np.empty((0, 0), np.float32))
    turned = oriented_like(other, density + 0j, "a").result
    assert np.allclose(turned.data, density)
    assert not np.iscomplexobj(turned.data)
    assert turned.std.shape == (0, 0)
    assert oriented_like(other, lumps(2 * SIZE), "a").result is other
