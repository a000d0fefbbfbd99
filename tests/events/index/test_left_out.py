"""Events without a frame of the dataset are not in the index; how many, and what they hold, is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import h5py
import numpy as np
import pytest
from helpers.campaigns import Campaign
from helpers.formats import nexus, swissfel
from helpers.formats import xtc as xtc_writer
from helpers.formats.euxfel import EuxfelFile
from helpers.formats.xtc2 import EVENT, Stream
from helpers.xtc2_runs import recorded_runs
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.cli.index import main
from spring_mpi.errors import SourceError
from spring_mpi.events import build_index, load_index
from spring_mpi.events.index.build import build
from spring_mpi.events.index.follow import Follower
from spring_mpi.events.index.leaving_out import settled
from spring_mpi.events.index.remarks import left_out
from spring_mpi.events.index.wanted import wanted_sources
from spring_mpi.events.left_out import LeftOut
from spring_mpi.launch.communicator import NullCommunicator

PLANES = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64) % 97
NAME = "exp-r0034-s000-c000.xtc2"
SENTENCE = (
    "3 events have no frame of cam.raw.image and are left out (2 events are in the index): "
    "2 hold other.raw.image; 1 holds nothing else"
)
Row = tuple[int, int]


def stream(detector: str, times: list[int], start: int = 1) -> Stream:
    """A stream with one camera in all of its events."""
    made = Stream(detector=detector).configure(start).begin(start + 1)
    for time in times:
        made.event(time, PLANES)
    return made


def two_runs(path: Path) -> Path:
    """A file whose second Configure names another camera, after an event without one."""
    first = stream("cam", [10, 11]).add(12, EVENT)
    second = stream("other", [30, 31], 20)
    return Stream(datagrams=first.datagrams + second.datagrams).write(path)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sets(st.sampled_from("abc")),
            st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), unique=True),
        ),
        max_size=6,
    ),
    st.sets(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 2))),
    st.randoms(),
)
def test_each_event_counts_once(
    found: list[tuple[int, set[str], list[Row]]], indexed: set[tuple[int, int, int]], order: Random
) -> None:
    """With all that its sources hold, for the first of them, unless another has its frame."""
    entries = [
        LeftOut(len(rows), tuple(sorted(names)), np.array(rows, np.int64).reshape(-1, 2), source=at)
        for at, names, rows in found
    ]
    pids = np.array(sorted(indexed), np.int64).reshape(-1, 3)
    expected: dict[tuple[int, tuple[str, ...]], int] = {}
    for row in {row for *_, rows in found for row in rows} - {pid[:2] for pid in indexed}:
        holds = sorted({name for _, names, rows in found if row in rows for name in names})
        key = min(at for at, _, rows in found if row in rows), tuple(holds)
        expected[key] = expected.get(key, 0) + 1
    made = settled(entries, pids)
    assert {(one.source, one.holds): one.events for one in made} == expected
    order.shuffle(entries)
    half = settled(entries[:3], pids[:0])
    again = settled([*half, *entries[3:]], pids)
    assert [(one.source, one.holds, one.events) for one in again] == [
        (one.source, one.holds, one.events) for one in made
    ]


def test_other_cameras_of_a_file(tmp_path: Path) -> None:
    """Of xtc2, by their full names; an index in a file says the same."""
    index = build_index(two_runs(tmp_path / NAME), dataset="cam")
    assert left_out(index) == [SENTENCE]
    index.save(tmp_path / "index.h5")
    assert left_out(load_index(tmp_path / "index.h5")) == [SENTENCE]


def test_streams_of_a_run_are_taken_together(tmp_path: Path) -> None:
    """An event whose frame is in another stream is not left out; it occurs in one way or two."""
    stream("cam", [10, 12]).write(tmp_path / NAME)
    stream("other", [10, 11, 12, 13]).write(tmp_path / NAME.replace("s000", "s001"))
    stream("third", [13, 14]).write(tmp_path / NAME.replace("s000", "s002"))
    index = build_index(tmp_path / "*.xtc2", dataset="cam")
    assert left_out(index) == [
        "3 events have no frame of cam.raw.image and are left out (2 events are in the index): "
        "1 holds other.raw.image; 1 holds other.raw.image, third.raw.image; "
        "1 holds third.raw.image"
    ]


def test_streams_of_lcls1(tmp_path: Path) -> None:
    """By the addresses of the sources; a stream of the same events leaves nothing out."""
    image = xtc_writer.segment(xtc_writer.frame(PLANES[0]))
    codes = xtc_writer.segment(xtc_writer.evr([(140, 0)]))
    files = {0: (image, 3), 1: (codes, 5)}
    for number, (content, count) in files.items():
        run = xtc_writer.run(*xtc_writer.events(count, content))
        (tmp_path / f"exp-r0007-s0{number}-c00.xtc").write_bytes(xtc_writer.encode(run))
    (sentence,) = left_out(build_index(tmp_path / "*.xtc"))
    start = "2 events have no frame of "
    assert sentence.startswith(start)
    assert "are left out (3 events are in the index): 2 hold NoDetector.0:Evr.0" in sentence


def test_trains(tmp_path: Path) -> None:
    """Of the European XFEL: trains in which no module has a frame, and frames without train."""
    module = "SPB_DET_AGIPD1M-1/DET/{}CH0:xtdf"
    frames = np.zeros((3, 8, 16), np.float32)
    of_modules = ([1, 0, 2, 0], [0, 0, 1]), ([0, 0, 2, 1], [0, 1, 0])
    for number, (counts, pulses) in enumerate(of_modules):
        file = EuxfelFile([10, 11, 12, 0 if number else 13])
        file.image(module.format(number), counts, frames, pulses)
        file.write(tmp_path / f"CORR-R0034-AGIPD0{number}-S00000.h5")
    control = EuxfelFile([10, 11, 12, 13, 14], control={"SPB/XGM": np.zeros(5)})
    control.write(tmp_path / "RAW-R0034-DA01-S00000.h5")
    index = build_index(tmp_path / "*.h5", reader="euxfel")
    assert len(index) == 3
    trains_lost, frames_lost = left_out(index)
    assert frames_lost == "1 frame has no train number and is left out (3 events are in the index)"
    assert trains_lost.startswith("3 trains have no frame of /INSTRUMENT/SPB_DET_AGIPD1M-1/DET/0")
    assert trains_lost.endswith("3 hold SPB/XGM")


def test_frames_without_pulse(tmp_path: Path) -> None:
    """Of SwissFEL: frames whose pulse id is 0 cannot be found, and are told."""
    frames = np.zeros((4, 8, 16), np.uint16)
    path = tmp_path / "run_000034.JF07T32V01.h5"
    swissfel.write_jungfrau(path, "JF07T32V01", [7, 0, 9, 0], frames, [1] * 4)
    assert left_out(build_index(path)) == [
        "2 frames have no pulse id and are left out (2 events are in the index)"
    ]


def test_other_entries_of_cxi(tmp_path: Path) -> None:
    """Frames of another entry are other events; those of a detector beside are the same ones."""
    path = tmp_path / "run.cxi"
    frames = np.zeros((5, 4, 6), np.uint16)
    with h5py.File(path, "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = frames[:3]
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        file["entry_1/data_2/data"] = frames[:3]
        file["entry_1/data_3/data"] = frames
        file["entry_2/data_1/data"] = frames[:1]
    assert left_out(build_index(path)) == [
        "3 events have no frame of /entry_1/data_1/data and are left out (3 events are in the "
        "index): 2 hold /entry_1/data_3/data; 1 holds /entry_2/data_1/data"
    ]
    assert left_out(build_index(path, dataset="/entry_1/data_3/data"))[0].endswith(
        "1 holds /entry_2/data_1/data"
    )


def test_other_entries_of_nexus(tmp_path: Path) -> None:
    """So it is with entries of a master, and with links to data files that were never written."""
    frames = np.zeros((2, 4, 6), np.uint16)
    master = nexus.write_master(tmp_path / "run_master.h5", [frames, frames])
    assert left_out(build_index(master)) == []
    with h5py.File(master, "r+") as file:
        file["entry/data/data_000003"] = h5py.ExternalLink("run_data_000003.h5", "/entry/data/data")
        file["entry2/data/data"] = frames
    assert left_out(build_index(master)) == [
        "2 events have no frame of /entry/data and are left out (4 events are in the index): "
        "2 hold /entry2/data",
        "1 link has no data file and is left out (4 events are in the index)",
    ]


def test_nothing_is_left(tmp_path: Path) -> None:
    """Where no event has a frame, the error says what they hold."""
    stream("cam", []).write(tmp_path / NAME)
    stream("other", [10, 11]).write(tmp_path / NAME.replace("s000", "s001"))
    with pytest.raises(
        SourceError, match=r"no events in .*; 2 events have no frame.* 2 hold other"
    ):
        build_index(tmp_path / "*.xtc2", dataset="cam")


def test_an_older_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be read, says that it does not know, and is not built upon."""
    path = tmp_path / "index.h5"
    wanted = wanted_sources(
        str(two_runs(tmp_path / NAME)), reader="auto", dataset="cam", pid=None, run=None, root="."
    )
    build(wanted, NullCommunicator()).index.save(path)
    with h5py.File(path, "r+") as file:
        del file["left_out"]
    old = load_index(path)
    assert (old.left_out, left_out(old)) == (None, [])
    assert main(["info", str(path)]) == 0
    assert (
        "left out:   not known to this older index; spring-index build" in capsys.readouterr().out
    )
    new = build(wanted, NullCommunicator(), old)
    assert (new.scanned, left_out(new.index)) == (1, [SENTENCE])
    again = build(wanted, NullCommunicator(), new.index)
    assert (again.scanned, left_out(again.index)) == (0, [SENTENCE])


def test_while_a_run_is_followed(tmp_path: Path) -> None:
    """It is told once, and anew when there is more; streams that come later count as at once."""
    follower = Follower(
        wanted_sources(
            str(tmp_path / "*.xtc2"), reader="xtc2", dataset="cam", pid=None, run=None, root="."
        )
    )
    stream("cam", [10, 12]).write(tmp_path / NAME)
    stream("other", [10, 11, 12, 13]).write(tmp_path / NAME.replace("s000", "s001"))
    told = [follower.look() for _ in range(3)]
    assert [len(remarks) for remarks in told] == [0, 1, 0]
    assert "2 events have no frame of cam.raw.image" in told[1][0]
    stream("cam", [11]).write(tmp_path / NAME.replace("s000", "s002"))
    told = [follower.look() for _ in range(3)]
    assert [len(remarks) for remarks in told] == [0, 1, 0]
    assert "1 event has no frame of cam.raw.image" in told[1][0]


def test_commands_tell(
    tmp_path: Path, small: Callable[..., Campaign], capsys: pytest.CaptureFixture[str]
) -> None:
    """``spring-index build`` and ``info``, ``--check`` and the log of a campaign."""
    path, index = two_runs(tmp_path / NAME), str(tmp_path / "run.index.h5")
    assert main(["build", str(path), "--dataset", "cam", "-o", index]) == 0
    assert SENTENCE in capsys.readouterr().err
    assert main(["info", index]) == 0
    assert f"left out:   3\n              {SENTENCE}\n" in capsys.readouterr().out
    assert main(["check", index]) == 0
    assert capsys.readouterr().out.startswith(f"{SENTENCE}\n2 events in 1 sources: all read")
    campaign = small(
        data={"source": str(path), "dataset": "cam"},
        pattern={"center": [32, 32], "cropsize": 64, "size": 64},
    )
    code, output = campaign.run("--check")
    assert code == 0, output
    assert f"index: {SENTENCE}" in output
    code, output = campaign.run()
    assert code == 0, output
    assert campaign.log().count(SENTENCE) == 1


def test_recorded_runs(recorded: Path, tmp_path: Path) -> None:
    """Three runs of five events in one file, of which one has the first camera."""
    folder = recorded_runs(recorded, tmp_path / "runs") / "multirun_w_new_config"
    index = build_index(folder / "*.xtc2")
    assert left_out(index) == [
        "10 events have no frame of hsd.raw.calib and are left out (5 events are in the index): "
        "10 hold andor.raw.calib"
    ]
