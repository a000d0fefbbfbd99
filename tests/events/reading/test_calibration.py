"""Masks, backgrounds, gains and centres reach the event they belong to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import PatternError, SourceError
from spring_mpi.events import Event, EventRef, Loader, build_index
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.specs import ArraySpec, MaskSpec

Frames = NDArray[np.uint16]


@pytest.fixture
def ref(run: Path) -> EventRef:
    """The event in row 3."""
    return build_index(run, dataset="data").ref(3)


@pytest.fixture
def event(ref: EventRef) -> Event:
    """The event in row 3, without a mask of its own."""
    return Loader().read(ref)


def calibrate(**specs: object) -> Calibrator:
    """A calibrator of these specs."""
    return Calibrator(Calibration(**specs), Loader())  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 255)), st.integers(0, 255))
def test_meaning_of_masks(values: list[int], number: int) -> None:
    """Bad excludes a value, good all others, bad_bits whatever shares a bit."""
    array = np.array(values, dtype=np.uint8)
    assert MaskSpec(bad=number).excluded(array).tolist() == [v == number for v in values]
    assert MaskSpec(good=number).excluded(array).tolist() == [v != number for v in values]
    assert MaskSpec(bad_bits=number).excluded(array).tolist() == [v & number > 0 for v in values]


def test_any_mask_excludes(ref: EventRef, event: Event, tmp_path: Path, frames: Frames) -> None:
    """The mask is the union of the event's own, a file, and datasets with and without rows."""
    np.save(tmp_path / "edge.npy", np.arange(35).reshape(5, 7) // 7)
    own = np.zeros((5, 7), dtype=bool)
    own[2, 2] = True
    with_mask = Event(event.pid, event.source, event.data, mask=own)
    masks = (
        MaskSpec(file=str(tmp_path / "edge.npy"), bad=4),
        MaskSpec(dataset="mask", bad=1),
        MaskSpec(dataset="masks", good=0),
    )
    expected = own | np.eye(5, 7, dtype=bool) | (frames[3] % 4 != 0)
    expected[4] = True
    assert calibrate(masks=masks).mask(ref, with_mask).tolist() == expected.tolist()


def test_no_mask_excludes_nothing(ref: EventRef, event: Event) -> None:
    """Without any mask no pixel is excluded."""
    assert calibrate().mask(ref, event).tolist() == np.zeros((5, 7), dtype=bool).tolist()


def test_own_mask_is_not_changed(ref: EventRef, event: Event) -> None:
    """A union leaves the event's mask as it was."""
    own = np.zeros((5, 7), dtype=bool)
    with_mask = Event(event.pid, event.source, event.data, mask=own)
    calibrate(masks=(MaskSpec(dataset="mask", bad=1),)).mask(ref, with_mask)
    assert not own.any()


def test_files_per_event(ref: EventRef, event: Event, tmp_path: Path, frames: Frames) -> None:
    """A file with three axes holds one array per event, by its row; HDF5 needs a dataset."""
    np.save(tmp_path / "dark.npy", frames * 2)
    calibrator = calibrate(
        background=ArraySpec(file=str(tmp_path / "dark.npy")),
        gain=ArraySpec(file=ref.source.path, dataset="masks"),
    )
    assert np.asarray(calibrator.background(ref)).tolist() == (frames[3] * 2).tolist()
    assert np.asarray(calibrator.gain(ref, event)).tolist() == (frames[3] % 4).tolist()


@pytest.mark.parametrize("leading", [(), (1,), (1, 1)])
def test_axes_of_a_single_place(
    ref: EventRef, event: Event, tmp_path: Path, leading: tuple[int, ...]
) -> None:
    """A mask or background with such axes in front is that of all events."""
    values = (np.arange(35) % 2).reshape(*leading, 5, 7)
    np.save(tmp_path / "one.npy", values)
    file = str(tmp_path / "one.npy")
    calibrator = calibrate(masks=(MaskSpec(file=file, bad=1),), background=ArraySpec(file=file))
    assert np.array_equal(calibrator.mask(ref, event), values.reshape(5, 7) == 1)
    assert np.array_equal(calibrator.background(ref, event), values.reshape(5, 7))


def test_numbers_are_themselves(ref: EventRef) -> None:
    """Given numbers are background and gain; by default 0 and 1."""
    given_numbers = calibrate(background=ArraySpec(value=7.5), gain=ArraySpec(value=2.0))
    assert (given_numbers.background(ref), given_numbers.gain(ref)) == (7.5, 2.0)
    assert (calibrate().background(ref), calibrate().gain(ref)) == (0.0, 1.0)


def test_centres_in_order_of_preference(ref: EventRef, event: Event) -> None:
    """Given numbers, a dataset, the event's own, the middle: the first that there is."""
    own = Event(event.pid, event.source, event.data, center=(1.0, 2.0))
    by_dataset = calibrate(center=ArraySpec(dataset="centers"))
    centers = [
        calibrate(center=(0.0, 0.0)).center(ref, own),
        by_dataset.center(ref, own),
        calibrate().center(ref, own),
        calibrate().center(ref, event),
    ]
    assert centers == [(0.0, 0.0), (6.0, 7.0), (1.0, 2.0), None]


def test_impossible_centre(ref: EventRef, event: Event) -> None:
    """A centre that is not two numbers is an error that names the dataset."""
    with pytest.raises(PatternError, match=r"center .*run\.h5:mask: .*two numbers"):
        calibrate(center=ArraySpec(dataset="mask")).center(ref, event)


@pytest.mark.parametrize(
    "use",
    [
        lambda spec, ref, event: calibrate(masks=(spec(MaskSpec, bad=1),)).mask(ref, event),
        lambda spec, ref, event: calibrate(gain=spec(ArraySpec)).gain(ref, event),
        lambda spec, ref, event: calibrate(background=spec(ArraySpec)).background(ref, event),
    ],
)
def test_arrays_must_fit(
    use: Callable[..., object], ref: EventRef, event: Event, tmp_path: Path
) -> None:
    """An array of another shape is an error with both shapes and its file."""
    np.save(tmp_path / "other.npy", np.zeros((7, 5)))

    def spec(kind: type, **rest: int) -> object:
        return kind(file=str(tmp_path / "other.npy"), **rest)

    with pytest.raises(PatternError, match=r"other\.npy has the shape \(7, 5\).*\(5, 7\)"):
        use(spec, ref, event)


def test_missing_file(tmp_path: Path) -> None:
    """A mask that is not there is an error that names it, before any event is read."""
    with pytest.raises(SourceError, match=r"mask: no file .*none\.npy"):
        calibrate(masks=(MaskSpec(file=str(tmp_path / "none.npy"), bad=1),))


def test_file_of_another_format(ref: EventRef, event: Event, tmp_path: Path) -> None:
    """An HDF5 file with several arrays, and what is neither, are errors that say what to do."""
    with pytest.raises(SourceError, match=r"run\.h5: name the dataset .* it holds .*/masks"):
        calibrate(masks=(MaskSpec(file=ref.source.path, bad=1),)).mask(ref, event)
    np.savez(tmp_path / "dark.npz", dark=np.zeros((5, 7)))
    with pytest.raises(SourceError, match=r"dark\.npz is neither an npy nor an HDF5 file"):
        calibrate(background=ArraySpec(file=str(tmp_path / "dark.npz"))).background(ref, event)
    np.save(tmp_path / "dark.npy", np.zeros((5, 7)))
    with pytest.raises(SourceError, match=r"dark\.npy is an npy file, .* leave 'a' out"):
        calibrate(gain=ArraySpec(file=str(tmp_path / "dark.npy"), dataset="a")).gain(ref, event)


@pytest.mark.parametrize("chunks", [None, (2, 3)], ids=["in one piece", "in chunks"])
def test_an_array_that_was_never_written_is_refused(
    ref: EventRef, event: Event, tmp_path: Path, chunks: tuple[int, int] | None
) -> None:
    """HDF5 gives zeros for what nobody wrote, which are no background; nor is half of one."""
    shape = event.data.shape
    with h5py.File(tmp_path / "dark.h5", "w") as file:
        file.create_dataset("none", shape, "f4", chunks=chunks)
        file.create_dataset("stack", (2, *shape), "f4", chunks=chunks and (1, *chunks))
        file.create_dataset("whole", data=np.ones(shape, "f4"), chunks=chunks)
        half = file.create_dataset("half", shape, "f4", chunks=chunks or (2, 3))
        half[:2] = 1
    for name in ("none", "stack", "half"):
        spec = ArraySpec(file=str(tmp_path / "dark.h5"), dataset=name)
        with pytest.raises(SourceError, match=f"{name} was allocated, but .* never written"):
            calibrate(background=spec).background(ref, event)
    spec = ArraySpec(file=str(tmp_path / "dark.h5"), dataset="whole")
    assert np.all(calibrate(background=spec).background(ref, event) == 1)


@pytest.mark.parametrize("block", [0, 512])
def test_only_array_of_a_file(ref: EventRef, event: Event, tmp_path: Path, block: int) -> None:
    """Of an HDF5 file with one array its dataset need not be named."""
    with h5py.File(tmp_path / "mask.h5", "w", userblock_size=block) as file:
        file["entry/mask"] = np.eye(5, 7, dtype=np.uint8)
        file["entry/name"], file["entry/count"] = "bad pixels", 5
    mask = calibrate(masks=(MaskSpec(file=str(tmp_path / "mask.h5"), bad=1),)).mask(ref, event)
    assert mask.tolist() == np.eye(5, 7, dtype=bool).tolist()
