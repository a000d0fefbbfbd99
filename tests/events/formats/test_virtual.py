"""Values of HDF5 datasets that are not there are an error or masked, never the fill value."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.reader import INCOMPLETE
from spring_mpi.events.formats.registry import find_reader
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.reading.loader import Loader
from spring_mpi.events.specs import ArraySpec, MaskSpec
from spring_mpi.events.survey.checking import _stretches, check_stretch

COUNT, ROWS, COLUMNS, MODULES = 6, 4, 8, 3
UNLIMITED = h5py.h5s.UNLIMITED


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files of modules, whose values are 1, 2 and 3, and the folder that they are in."""
    monkeypatch.chdir(tmp_path)
    for number in range(MODULES):
        with h5py.File(f"module{number}.h5", "w") as file:
            file["data"] = np.full((COUNT, ROWS, COLUMNS), number + 1, "u2")
    return tmp_path


def _slab(name: str = "slab.h5", modules: int = MODULES, dataset: str = "frames") -> str:
    """Modules one below the other, in a virtual dataset."""
    layout = h5py.VirtualLayout((COUNT, MODULES * ROWS, COLUMNS), "u2")
    for number in range(modules):
        source = h5py.VirtualSource(f"module{number}.h5", "data", (COUNT, ROWS, COLUMNS))
        layout[:, number * ROWS : (number + 1) * ROWS] = source
    with h5py.File(name, "w") as file:
        file.create_virtual_dataset(dataset, layout)
    return name


def _one_after_the_other(name: str = "long.h5", dataset: str = "frames") -> str:
    layout = h5py.VirtualLayout((MODULES * COUNT, ROWS, COLUMNS), "u2")
    for number in range(MODULES):
        source = h5py.VirtualSource(f"module{number}.h5", "data", (COUNT, ROWS, COLUMNS))
        layout[number * COUNT : (number + 1) * COUNT] = source
    with h5py.File(name, "w") as file:
        file.create_virtual_dataset(dataset, layout)
    return name


def _numbered(name: str = "numbered.h5") -> str:
    """Sources module0.h5, module1.h5, ... without an end."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space = h5py.h5s.create_simple((COUNT, ROWS, COLUMNS), (UNLIMITED, ROWS, COLUMNS))
    everything = h5py.h5s.create_simple((COUNT, ROWS, COLUMNS))
    space.select_hyperslab(
        (0, 0, 0), (UNLIMITED, 1, 1), stride=(COUNT, 1, 1), block=(COUNT, ROWS, COLUMNS)
    )
    plist.set_virtual(space, b"module%b.h5", b"data", everything)
    with h5py.File(name, "w") as file:
        h5py.h5d.create(file.id, b"frames", h5py.h5t.NATIVE_UINT16, space, plist)
    return name


def _of_virtual(name: str = "outer.h5") -> str:
    """A virtual dataset of a virtual one."""
    _slab("inner.h5")
    layout = h5py.VirtualLayout((COUNT, MODULES * ROWS, COLUMNS), "u2")
    layout[:] = h5py.VirtualSource("inner.h5", "frames", layout.shape)
    with h5py.File(name, "w") as file:
        file.create_virtual_dataset("frames", layout)
    return name


def _nexus(name: str = "master.h5") -> str:
    return _one_after_the_other(name, "entry/data/data_000001")


def _cxi(name: str = "run.cxi") -> str:
    return _slab(name, dataset="entry_1/data_1/data")


WRITERS: list[tuple[Callable[[], str], str | None]] = [
    (_slab, "/frames"), (_one_after_the_other, "/frames"), (_numbered, "/frames"),
    (_of_virtual, "/frames"), (_nexus, None), (_cxi, None),
]  # fmt: skip


def _move(there: Path) -> None:
    os.rename(there / "module1.h5", there / "elsewhere.h5")


def _rename_dataset(there: Path) -> None:
    with h5py.File(there / "module1.h5", "r+") as file:
        file.move("data", "other")


def _shorten(there: Path) -> None:
    with h5py.File(there / "module1.h5", "w") as file:
        file["data"] = np.ones((COUNT - 1, ROWS, COLUMNS), "u2")


def _damage(there: Path) -> None:
    (there / "module1.h5").write_bytes(b"\0" * 100)


@pytest.mark.parametrize(("write", "dataset"), WRITERS)
@pytest.mark.parametrize("spoil", [_move, _rename_dataset, _shorten, _damage])
def test_a_source_that_is_not_there_is_an_error_with_its_name(
    there: Path, write: Callable[[], str], dataset: str | None, spoil: Callable[[Path], None]
) -> None:
    path = write()
    index = build_index(path, dataset=dataset)
    with Loader() as loader:
        assert loader.read(index.ref(0)).data.min() == 1, "all is there"
    spoil(there)
    # Of a damaged file with a number HDF5 itself says no more than that.
    name = r"numbered\.h5" if (write, spoil) == (_numbered, _damage) else r"module1\.h5"
    with pytest.raises(SourceError, match=name):
        build_index(path, dataset=dataset)
    for headers in (True, False):
        found = [text for one in _stretches(index, headers=headers) if (text := check_stretch(one))]
        assert found, headers
        assert all(re.search(name, text) for text in found)


@pytest.mark.parametrize("write", [_slab, _of_virtual, _cxi])
def test_an_event_whose_module_went_away_after_indexing_is_refused(
    there: Path, write: Callable[[], str]
) -> None:
    path = write()
    index = build_index(path, dataset=None if path.endswith(".cxi") else "/frames")
    _move(there)
    with pytest.raises(SourceError, match=r"module1\.h5 is missing"):
        index.read(index.pid(0))


def test_events_whose_files_are_there_are_read_beside_missing_ones(there: Path) -> None:
    index = build_index(_one_after_the_other(), dataset="/frames")
    _move(there)
    assert [int(index.read(index.pid(row)).data.max()) for row in (0, 2 * COUNT)] == [1, 3]
    with pytest.raises(SourceError, match=r"module1\.h5 is missing"):
        index.read(index.pid(COUNT))


def test_sources_are_looked_for_where_hdf5_looks(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (there / "far").mkdir()
    (there / "sources").mkdir()
    path = there / "far" / _slab()
    os.rename(there / "slab.h5", path)
    for number in range(MODULES):
        os.rename(there / f"module{number}.h5", there / "sources" / f"module{number}.h5")
    with pytest.raises(SourceError, match=r"module0\.h5 is missing.* and 0 more|missing"):
        build_index(path, dataset="/frames")
    monkeypatch.setenv("HDF5_VDS_PREFIX", str(there / "sources"))
    index = build_index(path, dataset="/frames")
    frame = h5py.File(path)["frames"][0]
    assert index.read(index.pid(0)).data.tolist() == frame.tolist()


def test_a_module_that_no_source_is_mapped_to_is_masked() -> None:
    index = build_index(_slab(modules=2), dataset="/frames")
    event = index.read(index.pid(0))
    assert event.mask is not None
    assert not event.mask[: 2 * ROWS].any()
    assert event.mask[2 * ROWS :].all()
    assert not index.flags.any(), "it is so in all events"


def test_an_event_that_lacks_a_module_that_others_have_is_incomplete() -> None:
    layout = h5py.VirtualLayout(
        (COUNT, 2, ROWS, COLUMNS),
        "u2",
    )
    sources = [h5py.VirtualSource(f"module{n}.h5", "data", (COUNT, ROWS, COLUMNS)) for n in (0, 1)]
    layout[:, 0] = sources[0]
    layout[: COUNT - 2, 1] = sources[1][: COUNT - 2]
    with h5py.File("stack.cxi", "w") as file:
        file.create_virtual_dataset("entry_1/data_1/data", layout, fillvalue=7)
    scan = find_reader("cxi").scan("stack.cxi", dataset=None, pid=None)
    assert scan.flags is not None
    assert scan.flags.tolist() == [0] * (COUNT - 2) + [INCOMPLETE] * 2
    handle = find_reader("cxi").open("stack.cxi")
    masks = [handle.event("/entry_1/data_1/data", row).mask for row in (0, COUNT - 1)]
    handle.close()
    assert masks[0] is None
    assert masks[1] is not None
    assert masks[1].reshape(2, -1).all(axis=1).tolist() == [False, True]


def test_a_source_that_grew_less_than_others_leaves_incomplete_events(there: Path) -> None:
    for number, count in enumerate((COUNT, COUNT - 2)):
        with h5py.File(f"module{number}.h5", "w") as file:
            file.create_dataset(
                "data", data=np.full((count, ROWS, COLUMNS), 5, "u2"),
                maxshape=(None, ROWS, COLUMNS), chunks=(1, ROWS, COLUMNS),
            )  # fmt: skip
    shape = (COUNT, 2 * ROWS, COLUMNS)
    layout = h5py.VirtualLayout(shape, "u2", maxshape=(None, *shape[1:]))
    for number in (0, 1):
        source = h5py.VirtualSource(
            f"module{number}.h5", "data", (COUNT, ROWS, COLUMNS), maxshape=(None, ROWS, COLUMNS)
        )
        layout[: h5py.h5s.UNLIMITED, number * ROWS : (number + 1) * ROWS] = source[
            : h5py.h5s.UNLIMITED
        ]
    with h5py.File("grown.h5", "w") as file:
        file.create_virtual_dataset("frames", layout)
    index = build_index("grown.h5", dataset="/frames")
    assert index.flags.tolist() == [0] * (COUNT - 2) + [INCOMPLETE] * 2
    mask = index.read(index.pid(COUNT - 1)).mask
    assert mask is not None
    assert mask[ROWS:].all()
    assert not mask[:ROWS].any()


def test_interleaved_frames_are_found_in_their_own_files(there: Path) -> None:
    layout = h5py.VirtualLayout((MODULES * COUNT, ROWS, COLUMNS), "u2")
    for number in range(MODULES):
        source = h5py.VirtualSource(f"module{number}.h5", "data", (COUNT, ROWS, COLUMNS))
        layout[number::MODULES] = source
    with h5py.File("interleaved.h5", "w") as file:
        file.create_virtual_dataset("frames", layout)
    index = build_index("interleaved.h5", dataset="/frames")
    assert not index.flags.any()
    _move(there)
    assert [int(index.read(index.pid(row)).data.max()) for row in (3, 5)] == [1, 3]
    with pytest.raises(SourceError, match=r"module1\.h5 is missing"):
        index.read(index.pid(4))


@pytest.mark.parametrize("what", ["mask", "background", "gain"])
def test_virtual_calibrations_whose_source_is_missing_are_refused(there: Path, what: str) -> None:
    layout = h5py.VirtualLayout((ROWS, COLUMNS), "u2")
    layout[:] = h5py.VirtualSource("module1.h5", "data", (COUNT, ROWS, COLUMNS))[0]
    with h5py.File("mask.h5", "w") as file:
        file.create_virtual_dataset("frames", layout)
    index = build_index("module0.h5", dataset="/data")
    with Loader() as loader:
        ref, event = index.ref(0), loader.read(index.ref(0))
    _move(there)
    array = ArraySpec(file="mask.h5", dataset="frames")
    mask = MaskSpec(file="mask.h5", dataset="frames", bad=1)
    calibrator = Calibrator(Calibration(masks=(mask,), background=array, gain=array), Loader())
    with pytest.raises(SourceError, match=r"module1\.h5 is missing"):
        getattr(calibrator, what)(ref, event)


def _external(size: int) -> str:
    """Frames in a raw file that has so many bytes."""
    values = np.ones((COUNT, ROWS, COLUMNS), "<u2")
    Path("frames.raw").write_bytes(values.tobytes()[:size])
    with h5py.File("external.h5", "w") as file:
        file.create_dataset("frames", values.shape, "<u2", external=[("frames.raw", 0, UNLIMITED)])
    return "external.h5"


def test_external_storage_is_read_where_it_is_whole() -> None:
    index = build_index(_external(COUNT * ROWS * COLUMNS * 2), dataset="/frames")
    event = index.read(index.pid(COUNT - 1))
    assert (event.data == 1).all()
    assert event.mask is None


@pytest.mark.parametrize("size", [0, COUNT * ROWS * COLUMNS * 2 - 1])
def test_external_storage_that_is_too_short_is_an_error_with_its_name(size: int) -> None:
    with pytest.raises(SourceError, match=r"frames\.raw, which has \d+ bytes of 384"):
        build_index(_external(size), dataset="/frames")


def test_missing_external_storage_is_an_error_with_its_name_and_the_remedy(there: Path) -> None:
    path = _external(COUNT * ROWS * COLUMNS * 2)
    index = build_index(path, dataset="/frames")
    os.remove("frames.raw")
    for use in (lambda: build_index(path, dataset="/frames"), lambda: index.read(index.pid(0))):
        with pytest.raises(SourceError, match=r"frames\.raw.*HDF5_EXTFILE_PREFIX"):
            use()


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (1, ROWS, COLUMNS)},
        {"chunks": (1, ROWS, COLUMNS), "compression": "gzip"},
        {"chunks": (1, ROWS // 2, COLUMNS // 2)},
        {"chunks": (2, ROWS, COLUMNS), "fillvalue": 9},
    ],
)
def test_frames_that_were_never_written_are_incomplete_and_masked(options: dict[str, Any]) -> None:
    with h5py.File("run.h5", "w") as file:
        frames = file.create_dataset("frames", (COUNT, ROWS, COLUMNS), "u2", **options)
        frames[: COUNT - 2] = 1
    index = build_index("run.h5", dataset="/frames")
    assert index.flags.tolist() == [0] * (COUNT - 2) + [INCOMPLETE] * 2
    masks = [index.read(index.pid(row)).mask for row in (COUNT - 3, COUNT - 1)]
    assert masks[0] is None
    assert masks[1] is not None
    assert masks[1].all()


def test_a_part_of_a_frame_that_was_never_written_is_masked_alone() -> None:
    with h5py.File("run.h5", "w") as file:
        frames = file.create_dataset(
            "frames", (COUNT, ROWS, COLUMNS), "u2", chunks=(1, ROWS // 2, COLUMNS)
        )
        frames[:] = 1
        del file["frames"]
        frames = file.create_dataset(
            "frames", (COUNT, ROWS, COLUMNS), "u2", chunks=(1, ROWS // 2, COLUMNS)
        )
        frames[:, : ROWS // 2] = 1
    index = build_index("run.h5", dataset="/frames")
    assert (index.flags == INCOMPLETE).all()
    mask = index.read(index.pid(0)).mask
    assert mask is not None
    assert mask.all(axis=1).tolist() == [False] * (ROWS // 2) + [True] * (ROWS // 2)


def test_a_dataset_in_one_piece_that_was_never_written_is_masked() -> None:
    with h5py.File("run.h5", "w") as file:
        file.create_dataset("frames", (COUNT, ROWS, COLUMNS), "u2")
    index = build_index("run.h5", dataset="/frames")
    assert (index.flags == INCOMPLETE).all()
    mask = index.read(index.pid(0)).mask
    assert mask is not None
    assert mask.all()


def test_a_growing_file_has_the_events_that_are_written() -> None:
    with h5py.File("run.h5", "w") as file:
        frames = file.create_dataset(
            "frames", (COUNT, ROWS, COLUMNS), "u2", chunks=(1, ROWS, COLUMNS)
        )
        frames[:2] = 1
        file["number"] = np.arange(COUNT)
    reader: Any = find_reader("hdf5")
    scan = reader.scan_growing("run.h5", dataset="frames", pid="number", beside=())
    assert scan.shape == (2, ROWS, COLUMNS)
    assert scan.flags is None
