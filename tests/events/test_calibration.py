"""Masks, backgrounds, gains and centres reach the event they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import PatternError, SourceError
from spring_mpi.events import Event, EventRef, Loader, build_index
from spring_mpi.events import calibration as calibration_module
from spring_mpi.events.calibration import (
    ArraySpec,
    Calibration,
    Calibrator,
    MaskSpec,
    calibration_digest,
)
from spring_mpi.events.source import file_digest

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


@pytest.mark.parametrize("block", [0, 512])
def test_only_array_of_a_file(ref: EventRef, event: Event, tmp_path: Path, block: int) -> None:
    """Of an HDF5 file with one array its dataset need not be named."""
    with h5py.File(tmp_path / "mask.h5", "w", userblock_size=block) as file:
        file["entry/mask"] = np.eye(5, 7, dtype=np.uint8)
        file["entry/name"], file["entry/count"] = "bad pixels", 5
    mask = calibrate(masks=(MaskSpec(file=str(tmp_path / "mask.h5"), bad=1),)).mask(ref, event)
    assert mask.tolist() == np.eye(5, 7, dtype=bool).tolist()


def with_files(folder: Path) -> Calibration:
    """A calibration of which every part is a file of that folder, one of them twice."""
    for number, name in enumerate(("mask", "background", "gain", "center")):
        np.save(folder / f"{name}.npy", np.full((2, 2), number))
    background, gain, center = (
        ArraySpec(file=str(folder / f"{name}.npy")) for name in ("background", "gain", "center")
    )
    mask = str(folder / "mask.npy")
    masks = (MaskSpec(file=mask, bad=1), MaskSpec(file=mask, good=0), MaskSpec(dataset="m", bad=1))
    return Calibration(masks, background, gain, center)


@pytest.mark.parametrize("name", ["mask", "background", "gain", "center"])
def test_digest_follows_the_files(name: str, tmp_path: Path) -> None:
    """A file with other content of equal length, under the same name, gives another digest."""
    calibration = with_files(tmp_path)
    before = calibration_digest(calibration)
    np.save(tmp_path / f"{name}.npy", np.full((2, 2), 9))
    assert calibration_digest(calibration) != before
    with_files(tmp_path)
    assert calibration_digest(calibration) == before


def test_digest_knows_no_folders(tmp_path: Path) -> None:
    """The same files elsewhere have the same digest, under other names another."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert calibration_digest(with_files(here)) == calibration_digest(with_files(there))
    (here / "gain.npy").rename(here / "other.npy")
    renamed = replace(with_files(here), gain=ArraySpec(file=str(here / "other.npy")))
    assert calibration_digest(renamed) != calibration_digest(with_files(there))


def test_digest_follows_the_specs(tmp_path: Path) -> None:
    """Whatever else is asked for changes the digest, and no two of these have the same."""
    plain = with_files(tmp_path)
    others = [
        replace(plain, satvalue=3.0),
        replace(plain, gain=ArraySpec(value=2.0)),
        replace(plain, center=(1.0, 2.0)),
        replace(plain, masks=plain.masks[:2]),
        replace(plain, background=replace(plain.background, dataset="dark")),
        Calibration(),
    ]
    assert len(set(map(calibration_digest, (plain, *others)))) == 1 + len(others)


def test_digest_reads_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that two masks name is read once."""
    read: list[str] = []

    def noted(path: str) -> str:
        read.append(Path(path).name)
        return file_digest(path)

    monkeypatch.setattr(calibration_module, "file_digest", noted)
    calibration_digest(with_files(tmp_path))
    assert sorted(read) == ["background.npy", "center.npy", "gain.npy", "mask.npy"]


def test_digest_of_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there is an error that names it."""
    calibration = with_files(tmp_path)
    (tmp_path / "gain.npy").unlink()
    with pytest.raises(SourceError, match=r"cannot read .*gain\.npy: No such file"):
        calibration_digest(calibration)


@pytest.mark.parametrize("shape", [(1, 5, 7), (5, 7)])
@pytest.mark.parametrize("suffix", ["npy", "h5"])
def test_one_for_all_events(
    ref: EventRef, event: Event, tmp_path: Path, shape: tuple[int, ...], suffix: str
) -> None:
    """A mask or background with an axis of events that has one place holds for all of them."""
    values = np.zeros(shape, np.uint8)
    values[..., 3, 4] = 1
    path = tmp_path / f"one.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    else:
        with h5py.File(path, "w") as file:
            file["mask"] = values
    dataset = None if suffix == "npy" else "mask"
    calibrator = calibrate(
        masks=(MaskSpec(str(path), dataset, bad=1),), background=ArraySpec(None, str(path), dataset)
    )
    assert np.argwhere(calibrator.mask(ref, event)).tolist() == [[3, 4]]
    background = calibrator.background(ref, event)
    assert isinstance(background, np.ndarray)
    assert background[3, 4] == 1
    calibrator.refuse_short(ref)


@pytest.mark.parametrize("what", ["masks", "background", "gain", "center"])
def test_too_few_entries(ref: EventRef, tmp_path: Path, what: str) -> None:
    """An array with several entries, but none for the event, is refused before an event is read."""
    path = str(tmp_path / "few.npy")
    np.save(path, np.ones((3, 2) if what == "center" else (3, 5, 7)))
    spec = (MaskSpec(path, bad=1),) if what == "masks" else ArraySpec(None, path)
    with pytest.raises(SourceError, match=r"few\.npy.* holds 3 entries .* none for row 3"):
        calibrate(**{what: spec}).refuse_short(ref)
    calibrate(**{what: spec}).refuse_short(replace(ref, row=2))


def test_exclusions(ref: EventRef, event: Event, tmp_path: Path) -> None:
    """Each mask is named with the pixels that it excludes; one that excludes none is suspicious."""
    own = np.zeros((5, 7), bool)
    own[0] = True
    np.save(tmp_path / "bad.npy", np.eye(5, 7, dtype=np.uint8))
    np.save(tmp_path / "idle.npy", 255 * np.eye(5, 7, dtype=np.uint8))
    names = ("bad.npy", "idle.npy")
    masks = tuple(MaskSpec(str(tmp_path / name), bad=1) for name in names)
    _, exclusions = calibrate(masks=masks).masked(ref, replace(event, mask=own))
    assert [one.pixels for one in exclusions] == [7, 5, 0]
    assert str(exclusions[-1]).endswith(
        "idle.npy excludes no pixel; its values are 0, 255, and 1 is to be excluded"
    )
