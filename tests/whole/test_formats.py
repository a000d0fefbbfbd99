"""Campaigns straight from the files of facilities: the same shots give the same results."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.campaigns import Campaign, datasets, make_campaign
from helpers.facilities import (
    FIDUCIALS,
    FORMATS,
    RUN,
    THREE_NUMBERS,
    TIMES,
    Shots,
    Write,
    write_cxi,
    write_hdf5,
    write_short_pids,
    write_xtc,
    write_xtc2,
)
from helpers.formats import xtc2
from helpers.formats.euxfel import MODULE, EuxfelFile

from spring_mpi.cli.batch import main
from spring_mpi.events import build_index
from spring_mpi.events.formats.registry import find_reader

QUICK = {
    "global": {"generations": 2, "popsize": 4},
    "init": {"supportsize": 30},
    "IA": {"it": 5},
}
PATTERN = {"cropsize": 256, "size": 64, "satvalue": 3.0e4, "gain": 10.0}
CENTER = [133.5, 137.5]
PREPARED = "entry_1/instrument_1/detector_1/"


def campaign_of(folder: Path, write: Write, shots: Shots, **sections: Any) -> Campaign:
    """A quick campaign of shots in a format."""
    folder.mkdir(exist_ok=True)
    pattern = PATTERN | {"center": CENTER}
    data = write(folder, shots)
    return make_campaign(
        folder, {"data": data, "pattern": pattern, "settings": QUICK} | sections
    )  # fmt: skip


def run(campaign: Campaign, *arguments: str) -> int:
    """The command in this process, alone."""
    return main([str(campaign.config), "--transport", "local", *arguments])


def arrays(campaign: Campaign) -> dict[str, dict[str, bytes]]:
    """By result file, the bytes of all that does not depend on the format.

    The fingerprint knows the data files, formats of raw data are warned about, and a geometry
    computes the centre, so that its last digit may differ.
    """
    return {
        name: {
            key: np.asarray(value).tobytes()
            for key, value in datasets(campaign.rundir / "results" / name).items()
            if not key.endswith(("fingerprint", "warnings", "process_1/center"))
        }
        for name in campaign.results()
    }


@pytest.fixture(scope="module")
def shots() -> Shots:
    """Four hits."""
    return Shots()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, shots: Shots) -> list[dict[str, Any]]:
    """The results of plain HDF5, with pids of three and of two numbers."""
    found = []
    for write in (write_hdf5, write_short_pids):
        campaign = campaign_of(tmp_path_factory.mktemp("plain"), write, shots)
        assert run(campaign) == 0
        found.append(arrays(campaign))
    return found


def told(capfd: pytest.CaptureFixture[str]) -> str:
    """What was printed, without tracebacks."""
    text = "".join(capfd.readouterr())
    assert "Traceback" not in text
    return text


def test_plain_results(plain: list[dict[str, Any]]) -> None:
    """Names come from the pids; the prepared patterns do not depend on them."""
    long, short = plain
    assert sorted(long) == [f"34-{t}-{f}.h5" for t, f in zip(TIMES, FIDUCIALS, strict=True)]
    assert sorted(short) == [f"34-{time}.h5" for time in TIMES]
    for one, other in zip(sorted(long), sorted(short), strict=True):
        for key in ("data", "mask"):
            assert long[one][PREPARED + key] == short[other][PREPARED + key]


@pytest.mark.parametrize("name", FORMATS)
def test_results_do_not_depend_on_the_format(
    name: str, tmp_path: Path, shots: Shots, plain: list[dict[str, Any]]
) -> None:
    """Where pids are equal, everything in the results is, bit by bit, but the data files' names.

    Random numbers follow the job's name, so formats whose pids have three numbers, and those whose
    pids have two, are compared with plain HDF5 of the same pids.
    """
    campaign = campaign_of(tmp_path, FORMATS[name], shots)
    assert run(campaign) == 0
    assert arrays(campaign) == plain[0 if name in THREE_NUMBERS else 1]


GEOM = """\
res = 10000
dim0 = %
dim2 = ss
dim3 = fs
{panels}
"""
PANEL = """\
{name}/dim1 = {number}
{name}/min_fs = 0
{name}/max_fs = {fast}
{name}/min_ss = 0
{name}/max_ss = {slow}
{name}/fs = -x
{name}/ss = -y
{name}/corner_x = {x}
{name}/corner_y = {y}
"""
FIRST_ROWS = (4, 136)
"""Of the two modules in the frame; what lies between is the gap, and what lies before is cut."""


def write_geometry(path: Path, shape: tuple[int, int], corners: Sequence[tuple[int, int]]) -> None:
    """Modules of that shape, with their first corners at (x, y), pixels."""
    slow, fast = shape
    panels = (
        PANEL.format(name=f"m{number}", number=number, slow=slow - 1, fast=fast - 1, x=x, y=y)
        for number, (x, y) in enumerate(corners)
    )
    path.write_text(GEOM.format(panels="\n".join(panels)))


def write_modules(folder: Path, shots: Shots, lost: int = 0) -> dict[str, Any]:
    """Two modules in a file each, the second one without its last trains."""
    for number, start in enumerate(FIRST_ROWS):
        count = len(TIMES) - lost * number
        planes = shots.frames[:count, start : start + 128]
        file = EuxfelFile(TIMES[:count], run=RUN)
        file.image(MODULE.format(number), [1] * count, planes, FIDUCIALS[:count])
        file.write(folder / f"RAW-R0034-AGIPD0{number}-S00000.h5")
    write_geometry(folder / "two.geom", (128, 272), [(138, 134 - start) for start in FIRST_ROWS])
    np.save(folder / "masks.npy", np.stack([shots.excluded[at : at + 128] for at in FIRST_ROWS]))
    return {
        "source": "*.h5", "geometry": "two.geom", "mask": {"file": "masks.npy", "bad": 1},
    }  # fmt: skip


def test_modules_make_one_image(
    tmp_path: Path, shots: Shots, plain: list[dict[str, Any]]
) -> None:  # fmt: skip
    """Two modules in two files, with a mask as a stack, are the frame; its centre is the beam."""
    campaign = campaign_of(tmp_path, write_modules, shots, pattern=PATTERN)
    assert run(campaign) == 0
    assert arrays(campaign) == plain[0]


def test_a_missing_module_is_masked(
    tmp_path: Path, shots: Shots, plain: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Events without it are told at the start, and reconstructed from what there is."""
    campaign = campaign_of(tmp_path, partial(write_modules, lost=1), shots, pattern=PATTERN)
    assert run(campaign) == 0
    last = f"34-{TIMES[3]}-9"
    flags = f"1 of 4 events are flagged: 1 incomplete ({last})"
    assert flags in told(capfd)
    found = arrays(campaign)
    assert {name for name in found if found[name] != plain[0][name]} == {f"{last}.h5"}
    mask, whole = (
        np.frombuffer(results[f"{last}.h5"][f"{PREPARED}mask"], np.uint8).reshape(64, 64)
        for results in (found, plain[0])
    )
    assert mask[32:].all()
    assert mask[:32].tolist() == whole[:32].tolist()
    assert run(campaign, "--check") == 0
    assert f"flags: {flags}" in told(capfd)


def test_check_tells_how_much_is_measured(
    tmp_path: Path, shots: Shots, capfd: pytest.CaptureFixture[str]
) -> None:
    """A module whose file is missing for all events shows in the part that is measured."""
    campaign = campaign_of(tmp_path, write_modules, shots, pattern=PATTERN)
    event = f"first event: 34-{TIMES[0]}-0, "
    assert run(campaign, "--check") == 0
    assert f"{event}98% of 64 x 64 pixels measured" in told(capfd)
    (tmp_path / "RAW-R0034-AGIPD01-S00000.h5").unlink()
    assert run(campaign, "--check") == 0
    assert f"{event}50% of 64 x 64 pixels measured" in told(capfd)


def test_modules_need_a_geometry(
    tmp_path: Path, shots: Shots, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without one --check says so, with the stack's shape."""
    campaign = campaign_of(tmp_path, write_modules, shots)
    assert run(campaign, "--check", "--set", "data.geometry=null") == 2
    assert "(2, 128, 272) uint16; a frame is numbers, (rows, columns); a stack of modules" in told(
        capfd
    )


def test_damaged_events(tmp_path: Path, shots: Shots, capfd: pytest.CaptureFixture[str]) -> None:
    """They are told at the start and tried: what can be read is done, the other fails alone."""

    def write(folder: Path, shots: Shots) -> dict[str, Any]:
        section = write_xtc2(folder, shots)
        stream = xtc2.Stream(run=RUN).configure().begin()
        for number, (time, frame) in enumerate(zip(TIMES, shots.frames, strict=True)):
            lost = [0] if number == 1 else []
            stream.event(time, frame[None], damage=number % 3, lost=lost)
        stream.write(folder / "e1-r0034-s000-c000.xtc2", small=True)
        return section

    campaign = campaign_of(tmp_path, write, shots)
    assert run(campaign) == 1
    text = told(capfd)
    damaged, lost = f"2 damaged (34-{TIMES[1]}, ...)", f"1 incomplete (34-{TIMES[1]})"
    assert f"2 of 4 events are flagged: {damaged}, {lost}" in text
    assert f"34-{TIMES[1]} failed on worker 1" in text
    assert "the event holds no cam.raw.image" in text
    assert sorted(campaign.results()) == [f"34-{TIMES[number]}.h5" for number in (0, 2, 3)]


@pytest.mark.parametrize(
    ("write", "dataset", "message"),
    [
        (write_hdf5, None, "name the dataset of the frames (dataset); it holds /frames (4, 264"),
        (write_cxi, "/entry_1/data", "it holds /entry_1/data_1/data (4, 264, 272)"),
        (write_xtc, "Cspad", "c00.xtc: no detector 'Cspad' in this run; it has CxiDg2.0:Tm6740.0"),
        (write_xtc2, "can", "no dataset 'can'; "),
        (FORMATS["euxfel"], "LPD", "no frames of 'LPD'; name one (dataset) of: /INSTRUMENT/SPB_"),
        (FORMATS["swissfel"], "JF", "no frames of 'JF'; name one (dataset) of: /data/CAM/data"),
    ],
)
def test_detectors_that_are_not_there(
    write: Write, dataset: str | None, message: str, tmp_path: Path, shots: Shots,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What is missing is told with what there is, before the first job."""
    campaign = campaign_of(tmp_path, lambda *its: write(*its) | {"dataset": dataset}, shots)
    assert run(campaign, "--check") == 2
    assert message in told(capfd)


def test_recorded_detector(recorded: Path, tmp_path: Path) -> None:
    """Events of a recorded LCLS-II file become results; their patterns are the recorded values.

    All its pixels are in the low gain: bit 14 is set.
    """
    source = recorded / "lcls2_xtc2" / "test_data__detector__test_epix_calib.xtc2"
    write_geometry(tmp_path / "quad.geom", (352, 384), [(384, 352), (0, 352), (384, 0), (0, 0)])
    data = {"source": str(source), "geometry": "quad.geom"}
    pattern = {"center": [150, 150], "cropsize": 64}
    sections = {"data": data, "pattern": pattern, "settings": QUICK}
    assert run(make_campaign(tmp_path, sections)) == 2
    pattern |= {"background": [2900, 2500], "gain": [16.0, 0.5]}
    campaign = make_campaign(tmp_path, sections)
    assert run(campaign) == 0
    index = build_index(source)
    assert len(campaign.results()) == len(index) == 2
    handle = find_reader("xtc2").open(str(source))
    for position, name in enumerate(sorted(campaign.results())):
        ref = index.ref(position)
        stack = handle.event(ref.dataset, ref.row).data
        found = datasets(campaign.rundir / "results" / name)[f"{PREPARED}data"]
        values = stack[0, 118:182, 118:182] & 0x3FFF
        assert found.tolist() == ((values - 2500.0) / 0.5).tolist()
    handle.close()
