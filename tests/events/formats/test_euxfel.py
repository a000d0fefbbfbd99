"""Files of the European XFEL: every frame of every train, and what else is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.reading import read_backwards
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.reader import DAMAGED, INCOMPLETE, Scan
from spring_mpi.events.formats.registry import find_reader

READER = find_reader("euxfel")
SOURCE = MODULE.format(7)
IMAGES = f"/INSTRUMENT/{SOURCE}/image"
NAME = "RAW-R0034-AGIPD07-S00000.h5"
TRAINS, COUNTS, PULSES = [1000, 1001, 1003], [2, 0, 3], [0, 4, 0, 4, 8]


def frames(*shape: int, dtype: str = "u2") -> NDArray[Any]:
    """No two numbers alike."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def written(path: Path, data: NDArray[Any] | None = None, **options: Any) -> str:
    """Five frames of three trains; other keywords go to the file."""
    others = {key: options.pop(key) for key in ("mask", "cellId") if key in options}
    writing = {key: options.pop(key) for key in ("old", "chunks") if key in options}
    data = frames(5, 2, 4, 3) if data is None else data
    file = EuxfelFile(options.pop("trains", TRAINS), **options)
    return str(file.image(SOURCE, COUNTS, data, PULSES, **others).write(path / NAME, **writing))


def scan(path: str, dataset: str | None = None) -> Scan:
    """The scan without a pid of the user's."""
    return READER.scan(path, dataset=dataset, pid=None)


def read(path: str, found: Scan) -> list[Any]:
    """All events, the last one read first."""
    return read_backwards(READER, path, found)


@pytest.mark.parametrize("ranges", ["new", "old"])
def test_file_typed_by_hand(ranges: str, tmp_path: Path) -> None:
    """A file as the facility lays it out, padding included, gives its trains, pulses and frames."""
    path = str(tmp_path / "RAW-R0803-LPD03-S00001.h5")
    source = "FXE_DET_LPD1M-1/DET/3CH0:xtdf/image"
    columns = {
        "new": {"count": [1, 0, 2, 0]},
        "old": {"last": [0, 1, 2, 0], "status": [1, 0, 1, 0]},
    }
    with h5py.File(path, "w") as file:
        file["METADATA/dataSourceId"] = np.array([f"INSTRUMENT/{source}".encode()])
        file["INDEX/trainId"] = np.array([1583306027, 1583306028, 1583306029, 0], "u8")
        file[f"INDEX/{source}/first"] = np.array([0, 1, 1, 0], "u8")
        for key, values in columns[ranges].items():
            file[f"INDEX/{source}/{key}"] = np.array(values, "u8")
        file[f"INSTRUMENT/{source}/pulseId"] = np.array([[5], [0], [5], [0]], "u8")
        file[f"INSTRUMENT/{source}/data"] = np.array(
            [[[[11, 12]]], [[[21, 22]]], [[[31, 32]]], [[[0, 0]]]], "u2"
        )
    index = build_index(path)
    assert index.pid_names == ("run", "train", "pulse")
    assert index.pids.tolist() == [
        [803, 1583306027, 5], [803, 1583306029, 0], [803, 1583306029, 5],
    ]  # fmt: skip
    assert [event.data.tolist() for event in read(path, scan(path))] == [
        [[11, 12]], [[21, 22]], [[31, 32]],
    ]  # fmt: skip


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.booleans(), st.data())
def test_every_frame_is_found(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], old: bool, data: st.DataObject
) -> None:
    """With any number of frames in each train, events are the rows, in order."""
    total = sum(counts)
    pulses = data.draw(arrays("u2", total))
    values = frames(total, 2, 2, 3)
    file = EuxfelFile(range(50, 50 + len(counts))).image(SOURCE, counts, values, pulses)
    path = str(file.write(tmp_path_factory.getbasetemp() / "law-R0034-AGIPD07.h5", old=old))
    found = scan(path)
    trains = np.repeat(np.arange(50, 50 + len(counts)), counts)
    assert found.pids.tolist() == [[34, *pid] for pid in zip(trains, pulses, strict=True)]
    assert [event.data.tolist() for event in read(path, found)] == values[:, 0].tolist()


@pytest.mark.parametrize("chunks", [None, (1, 2, 4, 3), (1, 1, 4, 3), (2, 2, 4, 3)])
def test_raw_frames_are_the_first_of_data_and_gain(chunks: Any, tmp_path: Path) -> None:
    """However it is chunked, the frame of a raw AGIPD is its data plane; gain is a field."""
    values = frames(5, 2, 4, 3)
    path = written(tmp_path, values, chunks=chunks)
    found = scan(path)
    assert (found.shape, found.dtype) == ((5, 4, 3), "uint16")
    assert [event.data.tolist() for event in read(path, found)] == values[:, 0].tolist()
    handle = READER.open(path)
    assert handle.field(f"{IMAGES}/data", int(found.rows[4])).tolist() == values[4].tolist()
    handle.close()


@pytest.mark.parametrize("axes", [(), (3,)])
def test_corrected_frames_bring_their_mask(axes: Sequence[int], tmp_path: Path) -> None:
    """Any bit of a corrected file's mask excludes, and in those of 2017 any gain stage's."""
    values, mask = frames(5, 4, 3, dtype="f4"), np.zeros((5, 4, 3, *axes), "u4")
    mask[3, 1, 2] = 1 << 20
    path = written(tmp_path, values, mask=mask)
    events = read(path, scan(path))
    assert [event.data.tolist() for event in events] == values.tolist()
    assert [np.argwhere(event.mask).tolist() for event in events] == [[], [], [], [[1, 2]], []]


@pytest.mark.parametrize("mask", [True, False])
def test_modules_that_share_a_source(mask: bool, tmp_path: Path) -> None:
    """Where a source has (frames, modules, rows, columns), as LPD Mini, all modules are read."""
    values, bad = frames(5, 8, 4, 3, dtype="f4"), np.zeros((5, 8, 4, 3), "u4")
    bad[:, 6, 1, 2] = 1
    path = written(tmp_path, values, **({"mask": bad} if mask else {}))
    handle = READER.open(path)
    for frame, expected in zip(
        (handle.event(f"{IMAGES}/data", int(row)) for row in scan(path).rows), values, strict=True
    ):
        assert frame.data.tolist() == expected.tolist()
        assert frame.info["modules"] == tuple(range(8))
        assert frame.mask is None or np.argwhere(frame.mask).tolist() == [[6, 1, 2]]
        assert [str(one) for one in frame.exclusions] == [
            "the files' mask excludes 1 pixels"
        ] * mask
    handle.close()


def test_jungfrau_has_an_event_for_each_memory_cell(tmp_path: Path) -> None:
    """Frames (trains, cells, rows, columns) are events numbered by cell; so are their fields."""
    adc, cells = frames(2, 16, 3, 2), frames(2, 16, dtype="u1")
    file = EuxfelFile([8, 9])
    source = "SPB_IRDA_JF4M/DET/JNGFR03:daqOutput/data"
    file.groups[source] = [1, 1], {"adc": adc, "memoryCell": cells, "time": np.array([0.5, 1.5])}
    path = str(file.write(tmp_path / "RAW-R0034-JNGFR03-S00000.h5"))
    found = scan(path)
    assert found.pids.tolist() == [[34, train, cell] for train in (8, 9) for cell in range(16)]
    events = read(path, found)
    assert [event.data.tolist() for event in events] == adc.reshape(32, 3, 2).tolist()
    assert events[0].info == {"modules": (3,), "first_module": 1}
    handle = READER.open(path)
    fields = (f"/INSTRUMENT/{source}/{key}" for key in ("memoryCell", "time"))
    assert [float(handle.field(name, int(found.rows[21]))) for name in fields] == [21, 1.5]
    handle.close()


@pytest.mark.parametrize(
    ("source", "modules"),
    [("A_DET/DET/15CH0:xtdf", (15,)), ("A_DET/CORR/0CH0:output", (0,)), ("A/B/C:output", None)],
)
def test_module_is_that_of_the_source(
    source: str, modules: tuple[int, ...] | None, tmp_path: Path
) -> None:
    """Frames of a numbered module are parts of events, others are events."""
    file = EuxfelFile([1]).image(source, [1], frames(1, 4, 3), [0])
    path = str(file.write(tmp_path / "a.h5"))
    found = scan(path)
    assert found.is_part == (modules is not None)
    assert read(path, found)[0].info == ({"modules": modules} if modules else {})


@pytest.mark.parametrize(
    ("version", "good"), [("1.0", [1, 1, 0]), ("1.2", [1, 1, 0]), ("1.1", [0, 0, 1])]
)
def test_trains_not_to_be_trusted_are_flagged(
    version: str, good: list[int], tmp_path: Path
) -> None:
    """``INDEX/flag`` 0 says that a train is not the clock's; in 1.1 it is the contrary."""
    found = scan(written(tmp_path, version=version, good=good))
    assert found.flags.tolist() == [0, 0, DAMAGED, DAMAGED, DAMAGED]


def test_trains_that_occur_twice_are_flagged(tmp_path: Path) -> None:
    """They are no events that could be told apart: reading one is an error that says so."""
    path = written(tmp_path, trains=[1000, 1001, 1000])
    found = scan(path)
    assert found.flags.tolist() == [DAMAGED] * 5
    with pytest.raises(ValueError, match="several rows have the key 1000"):
        READER.open(path).event(found.dataset, int(found.rows[0]))


def test_trains_whose_last_frames_are_missing(tmp_path: Path) -> None:
    """Frames that are there are events; their train is incomplete."""
    file = EuxfelFile(TRAINS).image(SOURCE, [2, 0, 6], frames(5, 2, 4, 3), PULSES)
    found = scan(str(file.write(tmp_path / NAME)))
    assert found.flags.tolist() == [0, 0, INCOMPLETE, INCOMPLETE, INCOMPLETE]


def test_impossible_pulse_ids_are_flagged(tmp_path: Path) -> None:
    """A pulse id that no 64-bit integer holds belongs to a frame that was lost."""
    file = EuxfelFile([5]).image(SOURCE, [2], frames(2, 2, 4, 3), [3, 2**64 - 1])
    found = scan(str(file.write(tmp_path / NAME)))
    assert (found.flags.tolist(), found.pids[0].tolist()) == ([0, DAMAGED], [34, 5, 3])


@pytest.mark.parametrize(
    "text",
    [None, "AGIPD", "agipd", "SPB_DET_AGIPD1M-1/DET/*CH0:xtdf", f"{IMAGES}/data"],
)
def test_ways_to_name_the_detector(text: str | None, tmp_path: Path) -> None:
    """A pattern, a part of the name, the path and, if there is one only, nothing."""
    assert scan(written(tmp_path), text).dataset == f"{IMAGES}/data"


def test_corrected_data_under_the_name_of_the_raw(tmp_path: Path) -> None:
    """The second name that corrected files give their data is no second source."""
    source, legacy = SOURCE.replace("DET/7", "CORR/7").replace("xtdf", "output"), SOURCE
    file = EuxfelFile([5]).image(source, [2], frames(2, 4, 3, dtype="f4"), [3, 4])
    path = str(file.write(tmp_path / "CORR-R0034-AGIPD07-S00000.h5"))
    with h5py.File(path, "r+") as written:
        for tree in ("INDEX", "INSTRUMENT"):
            written[f"{tree}/{legacy}"] = h5py.SoftLink(f"/{tree}/{source}")
    for text in (None, "DET/*CH0:xtdf", "CORR"):
        assert len(read(path, scan(path, text))) == 2


def test_several_or_no_detectors_are_told(tmp_path: Path) -> None:
    """Where it is not clear what is meant, the error lists what there is."""
    file = EuxfelFile([5]).image("A/DET/1CH0:xtdf", [1], frames(1, 4, 3), [0])
    path = str(file.image("B/DET/2CH0:xtdf", [1], frames(1, 4, 3), [0]).write(tmp_path / "a.h5"))
    for text, reason in ((None, "several"), ("LPD", "no frames of 'LPD'")):
        with pytest.raises(SourceError, match=f"a.h5: {reason}.*A/DET/1CH0.*B/DET/2CH0"):
            scan(path, text)
    with pytest.raises(SourceError, match="leave 'pid' out"):
        READER.scan(path, dataset=None, pid="x")


def test_files_without_detector_have_no_events(tmp_path: Path) -> None:
    """So a whole run folder can be the source; a camera in them must be named."""
    file = EuxfelFile([5], control={"A/B/C": np.array([1.0])})
    file.groups["SPB/CAM/SIDE:output/data"] = [1], {"image/pixels": frames(1, 4, 3)}
    path = str(file.write(tmp_path / "RAW-R0034-DA01-S00000.h5"))
    written(tmp_path)
    assert [len(read(path, scan(path, text))) for text in (None, "AGIPD", "SIDE")] == [0, 0, 1]
    assert len(build_index("*.h5", root=tmp_path)) == 5
    assert scan(path, "SIDE").is_part is False


def test_control_values_of_the_event(tmp_path: Path) -> None:
    """A control value is that of the train: from the file, or from others of the run."""
    path = written(tmp_path, cellId=np.arange(5), control={"A/B": np.array([1.5, 2.5, 3.5])})
    for number, trains in enumerate(([1000, 1001], [1002, 1003])):
        other = EuxfelFile(trains, control={"X/GM": np.array(trains) * 2.0})
        other.write(tmp_path / f"RAW-R0034-DA01-S0000{number}.h5")
    handle, found = READER.open(path), scan(path)

    def values(name: str) -> list[float]:
        return [float(handle.field(name, row)) for row in found.rows.tolist()]

    assert values("/CONTROL/A/B/actual/value") == [1.5, 1.5, 3.5, 3.5, 3.5]
    assert values("/CONTROL/X/GM/actual/value") == [2000, 2000, 2006, 2006, 2006]
    assert values(f"{IMAGES}/cellId") == [0, 1, 2, 3, 4]
    assert handle.field("/METADATA/runNumber", found.rows[0]).tolist() == [34]
    with pytest.raises(SourceError, match="no dataset"):
        handle.field("/CONTROL/A/B/actual/valve", int(found.rows[0]))
    handle.close()


def test_train_without_control_value(tmp_path: Path) -> None:
    """An event whose train a channel did not see has no value, rather than another train's."""
    EuxfelFile([1000], control={"X": np.ones(1)}).write(tmp_path / "RAW-R0034-DA01-S00000.h5")
    path = written(tmp_path)
    handle, found = READER.open(path), scan(path)
    with pytest.raises(KeyError, match="no value for this event"):
        handle.field("/CONTROL/X/actual/value", int(found.rows[4]))
    handle.close()


def test_ranges_that_overlap(tmp_path: Path) -> None:
    """An index that gives rows twice would make events of nothing: an error."""
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        file[f"INDEX/{SOURCE}/image/first"][()] = 0
        file[f"INDEX/{SOURCE}/image/count"][:3] = 5
    with pytest.raises(SourceError, match="the same rows"):
        build_index(path)


@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [
        ((10**12,), "u8", "trainId claims"),
        # Bytes below the limit, which as 64-bit integers are eight times as many.
        ((5 * 10**7,), "u1", "trainId claims"),
        ((5, 7, 1000, 1000), "u1", "trainId is .* not one row of numbers"),
    ],
)
def test_absurd_extents_take_no_memory(
    shape: tuple[int, ...], dtype: str, reason: str, tmp_path: Path
) -> None:
    """Lists that claim terabytes in a file of kilobytes are an error that names them."""
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["INDEX/trainId"]
        file.create_dataset("INDEX/trainId", shape, dtype, chunks=(1,) * len(shape))
    with pytest.raises(SourceError, match=reason):
        build_index(path)
