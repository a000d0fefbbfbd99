"""Programs written for psana: those of the documentation, over MPI, and the calls of both."""

from __future__ import annotations

import logging
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.campaigns import AS_ROOT
from helpers.formats import xtc as write
from helpers.formats import xtc2 as write2
from helpers.formats import xtc_panels as panels
from numpy.typing import NDArray

from spring_mpi import psana
from spring_mpi.errors import SourceError
from spring_mpi.events import build_index

ROOT = Path(__file__).parents[2]
EXPERIMENT = "exp=cxib7913:run=34:idx"
PULNIX = psana.Source("DetInfo(CxiDg2.0:Tm6740.0)")
OTHER = (write.TM6740[0], 28 << 24 | 1 << 16 | 4 << 8)
PNCCD = np.arange(4 * 512 * 512, dtype=np.uint16).reshape(4, 512, 512)


def images(count: int) -> NDArray[np.uint16]:
    """Images (count, 2, 3) whose sum does not fit into 16 bits."""
    return np.arange(count * 6, dtype=np.uint16).reshape(count, 2, 3) + 60000


def put(folder: Path, name: str, *datagrams: write.Datagram, configuration: bytes = b"") -> Path:
    """A file of the experiment."""
    path = folder / "CXI" / "cxib7913" / "xtc" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write.encode(write.run(*datagrams, configuration=configuration)))
    return path


def put_images(folder: Path, count: int) -> Path:
    """A run with so many images of the camera."""
    contents = (write.segment(write.frame(image)) for image in images(count))
    return put(folder, "e665-r0034-s00-c00.xtc", *write.events(count, *contents))


def put_cxi(folder: Path, count: int) -> Path:
    """The same images as a CXI file."""
    with h5py.File(folder / "run.cxi", "w") as file:
        file["entry_1/data_1/data"] = images(count)
    return folder / "run.cxi"


def data(folder: Path) -> psana.DataSource:
    """Run 34 of the experiment."""
    return psana.DataSource(EXPERIMENT, root=folder)


def run_of(source: psana.DataSource) -> psana.Run:
    """The only run."""
    (run,) = source.runs()
    return run


@pytest.fixture(autouse=True)
def _no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIT_PSDM_DATA", raising=False)


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """``program(number, source, *launcher)``: what a program of the documentation prints."""

    def run(number: int, source: str, *launcher: str, change: tuple[str, str] = (",", ",")) -> str:
        page = (ROOT / "docs/howto/psana.md").read_text()
        programs = re.findall(r"```python\n(.*?)```", page, re.S)
        assert programs[number].count(EXPERIMENT) == 1
        script = tmp_path / "program.py"
        script.write_text(programs[number].replace(EXPERIMENT, source).replace(*change))
        environment = os.environ | AS_ROOT | {"SIT_PSDM_DATA": str(tmp_path)}
        done = subprocess.run(
            [*launcher, sys.executable, str(script)],
            env=environment, capture_output=True, text=True, timeout=100, cwd=ROOT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_events_backwards(program: Callable[..., str], tmp_path: Path) -> None:
    """The first program: fiducials and images, from the fourth to the first."""
    put_images(tmp_path, 4)
    expected = [f"Fiducials: {3 * number}\n{images(4)[number]}\n" for number in (3, 2, 1, 0)]
    assert program(0, EXPERIMENT) == "".join(expected)


def test_events_that_fail(program: Callable[..., str], tmp_path: Path) -> None:
    """Times of no event, and events without the camera: told, and gone on."""
    image = write.segment(write.frame(images(1)[0]))
    put(tmp_path, "e665-r0034-s00-c00.xtc", *write.events(4, image, b"", image, image))
    assert "Fiducials: 3\n*** failed to get pulnix\nFiducials: 0\n" in program(0, EXPERIMENT)
    foreign = ("times[number]", "psana.EventTime(number, 1)")
    assert program(0, EXPERIMENT, change=foreign) == 4 * "*** event fetch failed\n"


@pytest.mark.parametrize(
    ("ranks", "count", "put_source"),
    [
        (1, 7, put_images), (2, 7, put_images), (3, 7, put_images), (3, 2, put_images),
        (3, 7, put_cxi),
    ],
)  # fmt: skip
def test_sum_over_ranks(
    ranks: int,
    count: int,
    put_source: Callable[[Path, int], Path],
    program: Callable[..., str],
    launcher: list[str],
    tmp_path: Path,
) -> None:
    """The second program: every event on one rank, the sum as that of all images."""
    path = put_source(tmp_path, count)
    source = EXPERIMENT if path.suffix == ".xtc" else str(path)
    output = program(1, source, *launcher, str(ranks))
    found = re.search(r"sum is:\n(\[\[[\s\d\]\[]*\]\])", output)
    assert found, output
    assert found[1] == str(images(count).sum(0, dtype=np.int64))
    reports = re.findall(r"rank (\d) analyzed event with fiducials (\d+)", output)
    step = 3 if path.suffix == ".xtc" else 1
    assert sorted(int(fiducial) for _, fiducial in reports) == [step * n for n in range(count)]
    per_rank = [sum(rank == str(one) for rank, _ in reports) for one in range(ranks)]
    assert max(per_rank) - min(per_rank) <= 1


def test_times_of_other_analyses(tmp_path: Path) -> None:
    """Times can be written down; those of no event, before, between and behind, give None."""
    put_images(tmp_path, 4)
    run = run_of(data(tmp_path))
    third = run.times()[2]
    assert (third.seconds(), third.nanoseconds(), third.fiducial()) == (1_400_000_000, 16666666, 6)
    again = psana.EventTime(third.time(), third.fiducial())
    assert again == third
    assert repr(again) == f"EventTime({third.time()}, 6)"
    assert repr(pickle.loads(pickle.dumps(again))) == repr(again)
    event = run.event(again)
    assert event is not None
    assert np.array_equal(event.frame(PULNIX).data, images(4)[2])
    for time in (0, third.time() + 1, 1 << 62):
        assert run.event(psana.EventTime(time, 6)) is None


def test_event_id(tmp_path: Path) -> None:
    (one,) = write.events(1, write.segment(write.frame(images(1)[0])), first=5)
    put(tmp_path, "e665-r0034-s00-c00.xtc", write.replaced([one], 0, vector=77, ticks=9)[0])
    (event,) = data(tmp_path).events()
    identity = event.get(psana.EventId)
    assert identity.fiducials() == 15
    assert identity.time() == (1_400_000_000, 5 * 8_333_333)
    assert (identity.run(), identity.vector(), identity.ticks()) == (34, 77, 9)
    assert identity.control() == write.L1


def test_detectors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Any detector of any stream, by its name or less; None where it has no data of that type."""
    first, second = images(2)
    both = write.segment(write.frame(first), write.frame(second, OTHER))
    only = write.segment(write.frame(second, OTHER))
    put(tmp_path, "e665-r0034-s00-c00.xtc", *write.events(2, both, only))
    put(
        tmp_path, "e665-r0034-s01-c00.xtc", *write.events(2, write.segment(write.pnccd(PNCCD))),
        configuration=write.segment(write.pnccd_config()),
    )  # fmt: skip
    one, two = data(tmp_path).events()

    def pixels(event: psana.Event, name: str) -> object:
        frame = event.get(psana.Camera.FrameV1, psana.Source(name))
        return frame and frame.data16().tolist()

    for name in ("DetInfo(CxiDg2.0:Tm6740.0)", "CxiDg2.0:Tm6740.0", "CxiDg2-0|Tm6740-0", ""):
        assert pixels(one, name) == first.tolist()
        assert pixels(two, name) is None
    assert pixels(one, "CxiDg2.1:Tm6740.0") == pixels(two, "CxiDg2.1") == second.tolist()
    camp = psana.Source("DetInfo(Camp.0:pnCCD.0)")
    full = two.get(psana.PNCCD.FullFrameV1, camp)
    assert full is not None
    assert np.array_equal(full.data()[:512, :512], PNCCD[0])
    assert two.get(psana.Camera.FrameV1, camp) is None
    assert one.get(psana.PNCCD.FullFrameV1, PULNIX) is None
    with caplog.at_level(logging.WARNING):
        assert pixels(one, "XppGon.0:Opal1000.0") is pixels(two, "XppGon.0:Opal1000.0") is None
    assert caplog.text.count("no detector 'XppGon.0:Opal1000.0' in this run") == 1


def test_an_epix_is_no_camera(tmp_path: Path) -> None:
    """Its frames are of a type of their own, as in psana, though they are images, too."""
    pixels = np.arange(12, dtype=np.uint16).reshape(6, 2)
    config = panels.epix_config(84, 2, 32, pixels.shape, panels.EPIX_100A)
    shot = write.segment(panels.epix(pixels, 2, 6, panels.EPIX_100A))
    put(tmp_path, "e665-r0034-s00-c00.xtc", *write.events(1, shot),
        configuration=write.segment(config))  # fmt: skip
    (one,) = data(tmp_path).events()
    assert one.get(psana.Camera.FrameV1, psana.Source("Epix100a")) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_pixels_are_never_cut(dtype: type, tmp_path: Path) -> None:
    np.save(tmp_path / "run.npy", np.arange(12).reshape(2, 2, 3).astype(dtype))
    one, _ = psana.DataSource(tmp_path / "run.npy").events()
    frame = one.get(psana.Camera.FrameV1, PULNIX)
    assert (frame.width(), frame.height(), frame.depth()) == (3, 2, 8 * np.dtype(dtype).itemsize)
    widened = np.uint16 if dtype == np.uint8 else dtype
    assert (frame.data16().dtype, frame.data16().tolist()) == (widened, [[0, 1, 2], [3, 4, 5]])
    if dtype == np.uint8:
        assert frame.data8().tolist() == [[0, 1, 2], [3, 4, 5]]
    else:
        with pytest.raises(SourceError, match="not uint8"):
            frame.data8()


def test_other_formats(tmp_path: Path) -> None:
    """An event time holds what the pid has behind the run; what a format does not tell is said."""
    run = run_of(psana.DataSource(put_cxi(tmp_path, 3)))
    assert (run.run(), run.nsteps()) == (0, 1)
    assert run.times() == run.times(0) == tuple(psana.EventTime(row) for row in range(3))
    event = run.event(psana.EventTime(2))
    identity = event.get(psana.EventId)
    assert identity.fiducials() == 2
    with pytest.raises(SourceError, match=r"run\.cxi tells no time; pids are \(run, row\)"):
        identity.time()
    with pytest.raises(SourceError, match=r"run\.cxi tells no ticks"):
        identity.ticks()
    with h5py.File(tmp_path / "pulses.h5", "w") as file:
        file["data"], file["pulse"] = images(3), np.array([7, 5, 6])
    source = psana.DataSource(tmp_path / "pulses.h5", dataset="data", pid="pulse")
    pulses = run_of(source)
    assert pulses.times() == tuple(map(psana.EventTime, (5, 6, 7)))
    assert np.array_equal(pulses.event(psana.EventTime(7)).frame(None).data, images(3)[0])


def test_lcls2(tmp_path: Path) -> None:
    """A detector by its name; the time is that of the pid."""
    stream = write2.Stream().configure().begin()
    for time in (5, 6):
        stream.event(time << 32 | 9, images(2)[[time - 5]])
    path = stream.write(tmp_path / "cxib7913-r0034-s000-c000.xtc2")
    run = run_of(psana.DataSource(path))
    event = run.event(run.times()[1])
    assert event.get(psana.EventId).time() == (6, 9)
    frame = event.get(psana.Camera.FrameV1, psana.Source("cam"))
    assert np.array_equal(frame.data16(), images(2)[1])
    assert event.get(psana.Camera.FrameV1, psana.Source("nothing")) is None


def test_runs_and_steps(tmp_path: Path) -> None:
    """Every run by itself; its steps are counted from 0."""
    image = write.segment(write.frame(images(1)[0]))
    begin = write.Datagram(write.BEGIN_CALIB)
    for run, start in ((34, 0), (35, 100)):
        events = write.events(5, image, first=start)
        steps = [
            write.replaced([begin], 0, seconds=one.seconds, nanoseconds=one.nanoseconds - 1)[0]
            for one in (events[1], events[3])
        ]
        put(
            tmp_path, f"e665-r00{run}-s00-c00.xtc",
            events[0], steps[0], *events[1:3], steps[1], *events[3:],
        )  # fmt: skip
    source = psana.DataSource("exp=cxib7913:run=34-35", root=tmp_path)
    runs = list(source.runs())
    assert [run.run() for run in runs] == [34, 35]
    assert [len(run.times()) for run in runs] == [5, 5]
    assert sum((runs[1].times(step) for step in range(runs[1].nsteps())), ()) == runs[1].times()
    assert runs[1].nsteps() == 3
    assert runs[0].event(runs[1].times()[0]) is None
    assert len(list(source.events())) == 10


def test_files_that_change_are_not_fetched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """None, and the reason as a warning; an index that is there already does as a source."""
    path = put_images(tmp_path, 2)
    index = build_index(path)
    assert len(list(psana.DataSource(index).events())) == 2
    path.write_bytes(path.read_bytes()[:-100])
    again = run_of(psana.DataSource(index))
    with caplog.at_level(logging.WARNING):
        assert again.event(again.times()[0]) is None
    assert "build the event index again" in caplog.text
