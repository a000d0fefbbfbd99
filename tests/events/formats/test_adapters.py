"""Readers that ask a facility's package find what ours find; a stand-in has the package's calls.

What the packages themselves give, `test_adapters_oracle` compares.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.adapter_dump import dumped
from helpers.formats import xtc as write
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.formats.xtc2 import Stream
from numpy.typing import NDArray

from spring_mpi.config.config import load_config
from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.reader import DAMAGED, INCOMPLETE
from spring_mpi.events.formats.registry import find_reader
from spring_mpi.events.index.follow import Follower
from spring_mpi.events.index.remarks import left_out
from spring_mpi.events.index.wanted import Wanted

PACKAGES = Path(__file__).parents[2] / "helpers" / "packages"
DETECTOR = MODULE.partition("/")[0]
MOTOR = "SPB_XTD9/MOTOR"
RUN = "exp=exp:run=34:dir=."
TIMES = [(10 << 32) + 7, (11 << 32) + 1, (11 << 32) + 2, (12 << 32) + 9]
PLANES = np.arange(1, 49, dtype=np.uint16).reshape(4, 2, 2, 3)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``package(folder)``: the stand-ins there can be imported; before, no such package can."""
    names = ("psana", "extra_data", "extra_data.components")
    for name in names:
        # Set, so that they are as before when the test has ended; then they cannot be imported.
        monkeypatch.setitem(sys.modules, name, None)

    def take(folder: str) -> None:
        monkeypatch.syspath_prepend(PACKAGES / folder)
        for name in names:
            sys.modules.pop(name, None)

    return take


def euxfel_run(folder: Path) -> Path:
    """Modules 0 and 3 of one run, in files of their own; the last has no second train."""
    folder.mkdir(parents=True)
    for module, counts in ((0, [2, 1, 3]), (3, [2, 0, 3])):
        rows, trains = sum(counts), [1000, 1001, 1003]
        pulses = [pulse * 4 for count in counts for pulse in range(count)]
        data = np.arange(rows * 2 * 4 * 3, dtype="u2").reshape(rows, 2, 4, 3) + 1000 * module
        file = EuxfelFile(trains, good=[1, 1, 0], control={MOTOR: np.array([0.5, 1.5, 2.5])})
        masks = (data[:, 0] % 7 == 0).astype("u4")
        file.image(MODULE.format(module), counts, data, pulses, mask=masks)
        file.control = file.control if not module else {}
        file.write(folder / f"RAW-R0034-AGIPD{module:02}-S00000.h5")
    return folder


def assert_alike(found: dict[str, NDArray[Any]], ours: dict[str, NDArray[Any]]) -> None:
    """The same events, and all that is known of them."""
    assert found.keys() == ours.keys()
    assert all(np.array_equal(found[key], ours[key]) for key in ours)


@pytest.mark.parametrize("dataset", [None, DETECTOR])
def test_detector_of_extra_data(
    dataset: str | None, tmp_path: Path, package: Callable[[str], None]
) -> None:
    """A run's folder, its modules joined: events, flags, frames and masks as by reader euxfel."""
    package("euxfel")
    euxfel_run(tmp_path / "r0034")
    found = dumped("extra_data", dataset, ["r0034"], str(tmp_path))
    assert_alike(found, dumped("euxfel", None, ["r0034/*.h5"], str(tmp_path)))
    assert found["0|flags"].tolist() == [0, 0, INCOMPLETE, DAMAGED, DAMAGED, DAMAGED]
    assert found["0|(34, 1003, 8)|modules"].tolist() == [0, 3]


def test_key_of_extra_data(
    tmp_path: Path, package: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One source by proposal or file, and a value of its train from another one."""
    package("euxfel")
    monkeypatch.setenv("EXTRA_DATA_DATA_ROOT", str(tmp_path))
    folder = euxfel_run(tmp_path / "p002746" / "raw" / "r0034")
    source = f"{MODULE.format(3)}/image.data"
    ours = dumped("euxfel", None, ["p002746/raw/r0034/*AGIPD03*"], str(tmp_path))
    for place in ("proposal=2746:run=34", "proposal=2746:run=r0034:data=raw",
                  "p002746/raw/r0034/RAW-R0034-AGIPD03-S00000.h5"):  # fmt: skip
        assert_alike(dumped("extra_data", source, [place], str(tmp_path)), ours)
    index = build_index(
        str(folder), reader="extra_data", dataset=source.replace("/image", " image")
    )
    handle = find_reader("extra_data").open(str(folder))
    values = [float(handle.field(f"{MOTOR}/actual.value", row)) for row in index.row.tolist()]
    handle.close()
    assert values == [0.5, 0.5, 2.5, 2.5, 2.5]


def test_following_a_folder(tmp_path: Path, package: Callable[[str], None]) -> None:
    """Its path, too, starts at the root; the run is taken once, when it can be read."""
    package("euxfel")
    follower = Follower(Wanted(("r0034",), "extra_data", None, (), None, str(tmp_path)))
    assert "it is tried again" in follower.look()[0]
    euxfel_run(tmp_path / "r0034")
    assert (follower.look(), len(follower.index)) == ([], 6)


def psana_run(folder: Path, number: int = 34, torn: Sequence[int] = ()) -> None:
    """What the stand-ins for psana read."""
    np.savez(
        folder / f"run{number:04}.npz",
        times=TIMES, planes=PLANES, torn=[place in torn for place in range(4)],
        fiducials=[3, 6, 9, 12], frames=PLANES[:, 0],
    )  # fmt: skip


def test_run_of_psana_1(tmp_path: Path, package: Callable[[str], None]) -> None:
    """Pids and frames as by reader xtc; an event that psana cannot find fails alone."""
    package("psana_1")
    psana_run(tmp_path)
    shots = zip(TIMES, (3, 6, 9, 12), PLANES[:, 0], strict=True)
    events = [
        write.Datagram(
            seconds=time >> 32, nanoseconds=time & 0xFFFFFFFF, fiducial=fiducial,
            content=write.segment(write.frame(frame)),
        )
        for time, fiducial, frame in shots
    ]  # fmt: skip
    path = tmp_path / "e665-r0034-s00-c00.xtc"
    path.write_bytes(write.encode(write.run(*events, number=34)))
    ours = dumped("xtc", None, [path.name], str(tmp_path))
    for mode in ("", ":smd"):
        found = dumped("psana", "pulnix", [f"{RUN}{mode}"], str(tmp_path))
        last = f"0|(34, {TIMES[3]}, 12)"
        assert "psana gives no pulnix.raw for this event" in str(found.pop(f"{last}|fault"))
        assert_alike(found, {key: ours[key] for key in ours if not key.startswith(last)})
    calib = dumped("psana", "CxiDg2.0:Tm6740.0.calib", [RUN], str(tmp_path))
    assert np.array_equal(calib[f"0|(34, {TIMES[1]}, 6)|data"], PLANES[1, 0] - np.float32(0.5))


@pytest.mark.parametrize("source", [RUN, "./run0034.xtc2"])
def test_run_of_psana_2(source: str, tmp_path: Path, package: Callable[[str], None]) -> None:
    """Pids, flags, frames and modules as by reader xtc2, from the last event to the first."""
    package("psana_2")
    psana_run(tmp_path, torn=[2])
    stream = Stream(segments=(0, 1)).configure().begin().step(3, 0.5)
    for number, (time, planes) in enumerate(zip(TIMES, PLANES, strict=True)):
        stream.event(time, planes, lost=(1,) if number == 2 else ())
    stream.write(tmp_path / "exp-r0034-s000-c000.xtc2")
    found = dumped("psana", "cam", [source], str(tmp_path))
    ours = dumped("xtc2", "cam.raw.image", ["exp-r0034-s000-c000.xtc2"], str(tmp_path))
    torn = f"0|(34, {TIMES[2]})"
    assert "psana gives no cam.raw.raw for this event" in str(found.pop(f"{torn}|fault"))
    assert found.pop("0|flags").tolist() == [0, 0, INCOMPLETE, 0]
    assert sys.modules["psana"].OPEN == []
    del ours["0|flags"]
    assert_alike(found, {key: ours[key] for key in ours if not key.startswith(torn)})


def test_what_packages_leave_out(tmp_path: Path, package: Callable[[str], None]) -> None:
    """Events without the camera, and trains without a frame of the module, are counted."""
    package("psana_2")
    planes = PLANES * (np.arange(4) != 1).reshape(4, 1, 1, 1).astype(np.uint16)
    np.savez(tmp_path / "run0034.npz", times=TIMES, planes=planes, torn=[False] * 4)
    index = build_index(RUN, reader="psana", dataset="cam", root=tmp_path)
    assert left_out(index) == [
        "1 event has no frame of cam.raw.raw and is left out (3 events are in the index): "
        "1 holds other detectors"
    ]
    package("euxfel")
    source = f"{MODULE.format(3)}/image.data"
    folder = str(euxfel_run(tmp_path / "r0034"))
    index = build_index(folder, reader="extra_data", dataset=source)
    assert left_out(index) == [
        f"1 train has no frame of {source} and is left out (5 events are in the index): "
        "1 holds other sources"
    ]


def test_psana_2_in_turn(tmp_path: Path, package: Callable[[str], None]) -> None:
    """Two runs read event by event have their own constants each, and images are put together."""
    package("psana_2")
    for number in (34, 35):
        psana_run(tmp_path, number)
    sources = [RUN, RUN.replace("34", "35")]
    found = dumped("psana", "cam.calib", sources, str(tmp_path))
    for number, run in enumerate((34, 35)):
        for time, planes in zip(TIMES, PLANES, strict=True):
            wanted = planes - np.float32(run + 0.5)
            assert np.array_equal(found[f"{number}|({run}, {time})|data"], wanted)
    image = dumped("psana", "cam.raw.image", [RUN], str(tmp_path))[f"0|(34, {TIMES[2]})|data"]
    assert np.array_equal(image, PLANES[2].reshape(4, 3) - np.float32(34.5))


def test_psana_2_does_not_see_the_launch(
    tmp_path: Path, package: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a rank, or a child of one, it is imported as if there were none; then all is as before."""
    package("psana_2")
    psana_run(tmp_path)
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "4")
    monkeypatch.delenv("PS_PARALLEL", raising=False)
    before = dict(os.environ)
    build_index(RUN, reader="psana", root=tmp_path)
    assert not sys.modules["psana"].STARTED_MPI
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("folder", "reader", "dataset", "source", "message"),
    [
        ("", "extra_data", None, "r0034", "needs the package extra_data, which is not installed, "
         "for .*python.*: pip install extra_data, or use reader euxfel"),
        ("", "psana", None, RUN, "needs the package psana, which is not installed, .*xtc and xtc2"),
        ("euxfel", "extra_data", "AGIPD", "r0034", f"no dataset 'AGIPD'; name a detector "
         rf"\({DETECTOR}\), or SOURCE/KEY with one of the sources {DETECTOR}/DET/0CH0:xtdf, "),
        ("euxfel", "extra_data", f"{MODULE.format(3)}/image.x", "r0034",
         "3CH0:xtdf has no 'image.x', but image.data, image.mask, image.pulseId"),
        ("euxfel", "extra_data", None, "nowhere", "extra_data cannot read it: FileNotFoundError"),
        ("euxfel", "extra_data", None, "proposal=1:run=", "write proposal=2746:run=100, or "),
        ("psana_1", "psana", "spectrometer", RUN,
         r"no detector 'spectrometer'; name one \(dataset\) of CxiDg2.0:Tm6740.0, pulnix"),
        ("psana_1", "psana", "pulnix", RUN.replace("34", "9"), "cannot read it: FileNotFoundError"),
        ("psana_1", "psana", "pulnix", "run0034.xtc", "psana 1 takes exp=NAME:run=N; reader xtc"),
        ("psana_2", "psana", "can", RUN,
         r"no detector 'can'; name one .* of cam.raw.calib, cam.raw.image, cam.raw.raw$"),
        ("psana_2", "psana", "cam.raw.raw.raw", RUN, "no detector 'cam.raw.raw.raw'"),
        ("psana_2", "psana", None, RUN.replace("34", "9"), "psana cannot read it: SystemExit: 1"),
        ("psana_2", "psana", None, "exp=exp:run=34-35:dir=.", "takes one run; list one source"),
        ("psana_2", "psana", None, f"{RUN}:stream=1", "takes all streams; leave stream= out"),
        ("psana_2", "psana", None, "x-r0034-s000-c001.xtc2", "first chunks only; use reader xtc2"),
    ],
)  # fmt: skip
def test_faults_are_told(
    folder: str, reader: str, dataset: str | None, source: str, message: str,
    tmp_path: Path, package: Callable[[str], None],
) -> None:  # fmt: skip
    """What is missing or there instead, and what to do, in one line."""
    if folder:
        package(folder)
    psana_run(tmp_path)
    euxfel_run(tmp_path / "r0034")
    with pytest.raises(SourceError, match=message) as caught:
        build_index(source, reader=reader, dataset=dataset, root=tmp_path)
    assert "\n" not in str(caught.value)


def test_package_that_fails(tmp_path: Path, package: Callable[[str], None]) -> None:
    """A package that is there, but lacks another one, is not said to be missing."""
    (tmp_path / "psana.py").write_text("import krtc_of_slac\n")
    package(str(tmp_path))
    with pytest.raises(SourceError, match=r"cannot be imported \(ModuleNotFoundError: No module"):
        build_index(RUN, reader="psana", root=tmp_path)


def test_a_folder_is_no_package(tmp_path: Path, package: Callable[[str], None]) -> None:
    """Python would take a folder of data for it."""
    (tmp_path / "psana").mkdir()
    package(str(tmp_path))
    with pytest.raises(SourceError, match="needs the package psana, which is not installed"):
        build_index(RUN, reader="psana", root=tmp_path)


def test_psana_2_with_chunks(tmp_path: Path, package: Callable[[str], None]) -> None:
    """psana 4.3 would look for events of the second chunk in the first."""
    package("psana_2")
    psana_run(tmp_path)
    for chunk in (0, 1):
        (tmp_path / f"x-r0034-s000-c00{chunk}.xtc2").touch()
    with pytest.raises(SourceError, match=r"is one of 2 chunks, .*use reader xtc2"):
        build_index(RUN, reader="psana", root=tmp_path)


def test_pids_are_their_own(tmp_path: Path) -> None:
    """Datasets for the pid are refused, before a package is needed."""
    for reader in ("psana", "extra_data"):
        with pytest.raises(SourceError, match="leave 'pid' out"):
            build_index(RUN, reader=reader, pid="time", root=tmp_path)


def test_auto_takes_ours(tmp_path: Path, package: Callable[[str], None]) -> None:
    """Without their names the packages are not even imported."""
    package("psana_2")
    package("euxfel")
    path = Stream().configure().begin().event(TIMES[0], PLANES[0, :1]).write(
        tmp_path / "exp-r0034-s000-c000.xtc2"
    )  # fmt: skip
    for source in (path.name, RUN):
        assert {one.reader for one in build_index(source, root=tmp_path).sources} == {"xtc2"}
    euxfel_run(tmp_path / "r0034")
    assert len(build_index("r0034/*.h5", root=tmp_path)) == 6
    assert not {"psana", "extra_data"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("reader", "source", "wanted"),
    [
        ("extra_data", "r0034", "{root}/r0034"),
        ("extra_data", "./a=1", "{root}/a=1"),
        ("extra_data", "proposal=2746:run=100", "proposal=2746:run=100"),
        ("psana", "exp=exp:run=34:dir=xtc", "exp=exp:run=34:dir={root}/xtc"),
        ("psana", "idx:exp=exp:run=34", "idx:exp=exp:run=34"),
        ("simulate", "seed=7:events=3", "seed=7:events=3"),
        ("hdf5", "a=1.h5", "{root}/a=1.h5"),
    ],
)
def test_configs_make_paths_absolute(reader: str, source: str, wanted: str, tmp_path: Path) -> None:
    """A folder starts at the data root; a text is one."""
    config = tmp_path / "c.yaml"
    data = f"{{root: data, source: '{source}', reader: {reader}}}"
    config.write_text(f"name: a\ndata: {data}\npattern: {{cropsize: 8}}\n")
    assert load_config(config).data.source == (wanted.format(root=tmp_path / "data"),)
