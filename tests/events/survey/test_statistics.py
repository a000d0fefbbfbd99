"""Statistics of a run: they are those of all frames at once, however the events are grouped."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index, load_index
from spring_mpi.events.formats.reader import Frame
from spring_mpi.events.index.assembly import assemble
from spring_mpi.events.index.columns import Statistics
from spring_mpi.events.index.scans import scans_of
from spring_mpi.events.survey.moments import IMAGE, Planes, Tally, merged_planes
from spring_mpi.events.survey.statistics import Block, images, measure, write_images
from spring_mpi.launch.communicator import NullCommunicator

ALONE = NullCommunicator()


def measured(path: Path, threshold: float = 1.0) -> Block:
    """Statistics of the events in a file."""
    return measure(build_index(path, dataset="data"), threshold, ALONE)


def planes_of(frames: Iterable[Frame]) -> Planes:
    """Moments of some events."""
    tally = Tally()
    for frame in frames:
        tally.add(frame)
    return tally.planes()


def together(frames: list[Frame]) -> dict[str, NDArray[Any]]:
    """The images of some frames."""
    start: Planes = {}
    return images(reduce(merged_planes, (planes_of([frame]) for frame in frames), start))


@pytest.mark.parametrize("count", [1, 7, 8, 9, 70])
def test_images_are_those_of_all_frames(count: int, write_hdf5: Callable[..., Path]) -> None:
    """Sums are exact, mean and deviation right to rounding, at any number of blocks."""
    frames = np.random.default_rng(1).poisson(40, (count, 5, 7)).astype(np.uint16)
    found: dict[str, Any] = {**images(measured(write_hdf5("run.h5", {"data": frames})).planes)}
    assert found["sum"].tolist() == frames.sum(axis=0).tolist()
    assert found["max"].tolist() == frames.max(axis=0).tolist()
    assert (found["count"] == count).all()
    np.testing.assert_allclose(found["mean"], frames.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found["std"], frames.std(axis=0), rtol=1e-12, atol=1e-12)


def test_small_deviations_from_large_values() -> None:
    """No digits are lost where the mean is 10^9 times the deviation, as two sums would do."""
    frames = [Frame(np.array([[1e9 + step]])) for step in (4, 7, 13, 16)]
    assert together(frames)["std"].tolist() == [[np.sqrt(22.5)]]


@given(
    st.lists(
        st.lists(st.sampled_from([np.nan, np.inf, 0.0, 1.5, -7.0, 1e6]), min_size=2, max_size=2),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 12),
)
def test_any_grouping(values: list[list[float]], cut: int) -> None:
    """Two groups merged are all at once; what is not finite does not count."""
    rows = np.array(values)
    halves = [planes_of([Frame(row[None]) for row in half]) for half in (rows[:cut], rows[cut:])]
    found = images(merged_planes(*halves))
    valid = np.ma.masked_invalid(rows)
    assert found["count"][0].tolist() == valid.count(axis=0).tolist()
    for name, wanted in [("sum", valid.sum(axis=0).filled(0)),
                         ("mean", valid.mean(axis=0).filled(np.nan)),
                         ("max", valid.max(axis=0).filled(np.nan)),
                         ("std", valid.std(axis=0).filled(np.nan))]:  # fmt: skip
        np.testing.assert_allclose(found[name][0], wanted, rtol=1e-9, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("most", [1, 3, 100])
@given(data=st.data())
def test_integers_are_summed_exactly(most: int, data: st.DataObject) -> None:
    """Of any type and size, with any mask: nothing but the last rounding is lost."""
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "i1", "u2", "i2", ">u2", "i4"])))
    limits: np.iinfo[Any] = np.iinfo(cast(Any, dtype))
    number = st.sampled_from([limits.min, limits.max - 1, limits.max, 0, 1])
    rows = data.draw(st.lists(st.tuples(number, st.booleans()), min_size=1, max_size=12))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spring_mpi.events.survey.moments._MOST_SUMMED", most)
        found = images(
            planes_of(
                Frame(np.array([[value]], dtype), np.array([[True]]) if is_bad else None)
                for value, is_bad in rows
            )
        )
    valid = [value for value, is_bad in rows if not is_bad]
    assert found["count"].tolist() == [[len(valid)]]
    assert found["sum"].tolist() == [[sum(valid)]]
    if valid:
        mean = Fraction(sum(valid), len(valid))
        std = math.sqrt(sum((value - mean) ** 2 for value in valid) / len(valid))
        assert found["max"].tolist() == [[max(valid)]]
        assert found["std"].item() == pytest.approx(std, rel=1e-12)
    else:
        assert np.isnan(found["max"]).all()


@pytest.mark.parametrize("threshold", [0.0, 2.0, 2.5, -1.5, 70000.0, np.inf, -np.inf])
def test_lit_pixels_of_integers(threshold: float, write_hdf5: Callable[..., Path]) -> None:
    """A threshold between integers, or beyond those of the type, is as good as any."""
    frames = np.array([[[0, 1, 2, 3, 65535]]], np.uint16)
    found = measured(write_hdf5("run.h5", {"data": frames}), threshold)
    assert found.lit.tolist() == [int((frames.astype(float) >= threshold).sum())]


def test_excluded_pixels_do_not_count() -> None:
    """A pixel that an event's own mask excludes counts in the others alone."""
    data, mask = np.array([[4.0, 9.0]]), np.array([[False, True]])
    found = together([Frame(data, mask), Frame(data + 2)])
    assert found["count"].tolist() == [[2, 1]]
    assert found["mean"].tolist() == [[5.0, 11.0]]


def test_modules_that_some_events_lack() -> None:
    """A stack is told module by module; one that an event lacks counts in the others alone."""
    planes = np.arange(12.0).reshape(3, 2, 2)
    lacking = Frame(planes[[2, 0]], info={"modules": (2, 0)})
    found = together([Frame(planes), lacking])
    assert found["modules"].tolist() == [0, 1, 2]
    assert found["count"][:, 0, 0].tolist() == [2, 1, 2]
    assert found["mean"].tolist() == planes.tolist()


@pytest.mark.parametrize("other", [np.zeros((2, 3)), np.zeros((1, 2, 2))])
def test_frames_of_other_shapes(other: NDArray[Any]) -> None:
    """Frames that are not alike are no one image."""
    with pytest.raises(SourceError, match="build an index for each kind of frames"):
        together([Frame(np.zeros((2, 2))), Frame(other)])
    with pytest.raises(SourceError, match="build an index for each kind of frames"):
        planes_of([Frame(np.zeros((2, 2))), Frame(other)])


def test_sum_and_lit_of_each_event(write_hdf5: Callable[..., Path]) -> None:
    """The columns are in the order of the index, whatever that of the file."""
    frames = np.zeros((20, 2, 3), np.float32)
    frames[:, 0, :2] = np.arange(20)[:, None]
    frames[4, 1, 1] = np.nan
    path = write_hdf5("run.h5", {"data": frames, "pid": np.arange(20)[::-1]})
    found = measure(build_index(path, dataset="data", pid="pid"), 18.0, ALONE)
    assert found.sum.tolist() == [2.0 * row for row in range(19, -1, -1)]
    assert found.lit.tolist() == [2, 2] + [0] * 18


def test_events_that_cannot_be_read(tmp_path: Path) -> None:
    """One is told and left out; its sum is no number, and the others are as without it."""
    for number in range(3):
        np.save(tmp_path / f"shot_{number}.npy", np.full((2, 2), number + 1.0))
    index = build_index("shot_*.npy", root=tmp_path)
    damaged = tmp_path / "shot_1.npy"
    state = damaged.stat()
    damaged.write_bytes(b"\0" * state.st_size)
    os.utime(damaged, ns=(state.st_atime_ns, state.st_mtime_ns))
    found = measure(index, 2.0, ALONE)
    assert str(found.sum.tolist()) == "[4.0, nan, 12.0]"
    assert found.lit.tolist() == [0, 0, 4]
    assert len(found.faults) == 1
    assert "event 0-1 (row 0" in found.faults[0]
    assert found.planes[IMAGE].count.tolist() == [[2, 2], [2, 2]]


def test_columns_of_the_index(run: Path, tmp_path: Path) -> None:
    """They are saved and loaded, cannot be changed, and are not those of a larger index."""
    path = tmp_path / "index.h5"
    index = build_index(run, dataset="data")
    columns = Statistics(np.arange(6.0), np.arange(6, dtype=np.uint32), 2.5)
    replace(index, statistics=columns).save(path)
    loaded = load_index(path)
    found = loaded.statistics
    assert found is not None
    assert (found.sum.tolist(), found.lit.tolist(), found.threshold) == (
        [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 2.5,
    )  # fmt: skip
    with pytest.raises(ValueError, match="read-only"):
        found.sum[0] = 3
    assert assemble(list(scans_of(loaded)), loaded.wanted).statistics is None
    with h5py.File(path, "r+") as file:
        del file["events/sum"]
        file["events/sum"] = np.arange(5.0)
    with pytest.raises(SourceError, match="its statistics are not those of 6 events"):
        load_index(path)


def test_images_replace_nothing_else(run: Path, tmp_path: Path) -> None:
    """Images take the place of older ones, not of data, nor of the index."""
    index = build_index(run, dataset="data")
    index.save(tmp_path / "index.h5")
    planes = measure(index, 1.0, ALONE).planes
    for _ in range(2):
        write_images(tmp_path / "images.h5", planes, index)
    with h5py.File(tmp_path / "images.h5") as file:
        assert file.attrs["events"] == 6
        assert file["mean"].attrs["units"] == "raw"
        assert set(file) == {"sum", "mean", "std", "max", "count"}
    for name in ("run.h5", "index.h5"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(SourceError, match=r"cannot write the images .*choose another name"):
            write_images(tmp_path / name, planes, index)
        assert (tmp_path / name).read_bytes() == before
