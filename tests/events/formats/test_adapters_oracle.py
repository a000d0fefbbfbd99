"""The readers that ask the facilities' own packages find what our readers find.

``SPRING_TEST_EXTRA_DATA`` and ``SPRING_TEST_PSANA`` name Pythons that have extra_data, and psana 4;
they need numpy 2, h5py, and for compressed files hdf5plugin.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.adapter_dump import dumped
from helpers.campaigns import AS_ROOT
from helpers.xtc2_runs import recorded_runs
from numpy.typing import NDArray

import spring_mpi
from spring_mpi.events.formats.reader import INCOMPLETE

HERE = Path(__file__).parents[2] / "helpers"
PROJECT = Path(spring_mpi.__file__).parents[1]
Found = Mapping[str, NDArray[Any]]
Dump = Callable[..., Found]
MIXED = "exp=xpptut15:run=14:dir=mixed_rate"


def dump_by(variable: str, folder: Path) -> Dump:
    """``dump(reader, dataset, *sources)`` by the Python that the variable names."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python with the facility's package")
    where = os.environ | AS_ROOT | {"PYTHONPATH": str(PROJECT), "EXTRA_DATA_DATA_ROOT": str(folder)}

    def dump(reader: str, dataset: str, *sources: str, launch: Sequence[str] = ()) -> Found:
        out = folder / "out.npz"
        command = [*launch, python, str(HERE / "adapter_dump.py")]
        words = [*command, reader, str(out), dataset, *sources]
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=where)
        assert done.returncode == 0, done.stdout + done.stderr
        with np.load(out) as archive:
            return dict(archive)

    return dump


@pytest.fixture(scope="module")
def extra_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dump]:
    """A folder of runs that EXtra-data made, and what dumps them with it."""
    folder = tmp_path_factory.mktemp("euxfel")
    dump = dump_by("SPRING_TEST_EXTRA_DATA", folder)
    words = [os.environ["SPRING_TEST_EXTRA_DATA"], HERE / "extra_data_truth.py", folder]
    subprocess.run(list(map(str, words)), check=True, timeout=100)
    for kind, run in (("raw", "raw"), ("proc", "corrected")):
        proposal = folder / "SPB" / "202601" / "p002746" / kind
        proposal.mkdir(parents=True)
        (proposal / "r0238").symlink_to(folder / run)
    return folder, dump


@pytest.fixture(scope="module")
def psana(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dump]:
    """A folder with the recorded runs, and what dumps them with psana."""
    folder = tmp_path_factory.mktemp("lcls2")
    return recorded_runs(recorded, folder), dump_by("SPRING_TEST_PSANA", folder)


def assert_same(found: Found, ours: Found, frames: int) -> None:
    """The same events with the same flags, and the same frames of the whole ones at least."""
    assert found["0|pids"].tolist() == ours["0|pids"].tolist()
    assert found["0|flags"].tolist() == ours["0|flags"].tolist()
    keys = [key for key in found if key.endswith(("|data", "|mask", "|modules"))]
    assert sum(key.endswith("|data") for key in keys) == frames
    for key in keys:
        assert np.array_equal(found[key].squeeze(), ours[key].squeeze()), key
        assert found[key].dtype == ours[key].dtype
    masks = {key for key in ours if key.endswith("|mask") and key[:-4] + "data" in found}
    assert masks <= found.keys()


@pytest.mark.parametrize("name", ["raw", "corrected", "dssc", "lpd", "old", "jungfrau"])
def test_runs_of_extra_data(name: str, extra_data: tuple[Path, Dump]) -> None:
    """Whole runs, their modules joined, suspect trains and masks included."""
    folder, dump = extra_data
    ours = dumped("euxfel", "_DET_" if name != "jungfrau" else None, [f"{name}/*.h5"], str(folder))
    found = dump("extra_data", "-", name)
    assert_same(found, ours, len(ours["0|pids"]))
    assert any(ours["0|flags"]) == (name not in ("old", "jungfrau"))
    assert len(found["0|pids"]) > 10


def test_a_proposal_and_a_key(extra_data: tuple[Path, Dump]) -> None:
    """A run by its proposal, and one key of a source with ``/`` or a space before it."""
    folder, dump = extra_data
    proposal, module = "proposal=2746:run=238:data=raw", "SPB_DET_AGIPD1M-1/DET/3CH0:xtdf"
    ours = dumped("euxfel", module, ["raw/*AGIPD03*.h5"], str(folder))
    for name in (f"{module}/image.data", f"{module} image.data"):
        assert_same(dump("extra_data", name, proposal), ours, 13)
    for data, same in ((":data=raw", "raw"), (":data=proc", "corrected"), ("", "corrected")):
        found = dump("extra_data", "SPB_DET_AGIPD1M-1", f"proposal=2746:run=238{data}")
        assert_same(found, dump("extra_data", "-", same), 13)


@pytest.mark.parametrize(
    ("dataset", "source", "message"),
    [
        ("AGIPD", "raw", r"no dataset 'AGIPD'; name a detector \(SPB_DET_AGIPD1M-1\), or SOURCE"),
        ("SPB_DET_AGIPD1M-1/DET/3CH0:xtdf/x", "raw", "has no 'x', but .*image.data"),
        ("-", "proposal=1:run=2", "extra_data cannot read it: Exception: Couldn't find proposal"),
        ("-", "nowhere", "nowhere: extra_data cannot read it: FileNotFoundError"),
    ],
)
def test_faults_of_extra_data(
    dataset: str, source: str, message: str, extra_data: tuple[Path, Dump]
) -> None:
    """They say what there is, or what the package says."""
    assert re.search(message, str(extra_data[1]("extra_data", dataset, source)["fault"]))


def test_a_run_of_psana(psana: tuple[Path, Dump]) -> None:
    """Segments in two streams of different rates; where some are missing psana gives no frame."""
    folder, dump = psana
    found = dump("psana", "xppcspad", MIXED)
    ours = dumped("auto", "xppcspad", [MIXED], str(folder))
    assert_same(found, ours, 10)
    assert sum(key.endswith("|fault") for key in found) == 90
    assert np.count_nonzero(ours["0|flags"] & INCOMPLETE) == 90
    image = dump("psana", "xppcspad.image", MIXED)
    data = [key for key in image if key.endswith("|data")]
    assert len(data) == 10
    assert all(image[key].tolist() == np.vstack([*ours[key]]).tolist() for key in data)


@pytest.mark.parametrize(
    ("dataset", "path", "count"),
    [
        ("epixquad", "detector/test_epix_calib.xtc2", 2),
        ("jungfrau", "detector/test_jungfrau05M_calib.xtc2", 2),
        ("xppcspad", "chunking/xpptut15-r0014-s000-c000.xtc2", 10),
        ("hsd", "intg_det/xpptut15-r0014-s000-c000.xtc2", 17),
    ],
)
def test_files_of_psana(dataset: str, path: str, count: int, psana: tuple[Path, Dump]) -> None:
    """Single files, from their last event to the first."""
    folder, dump = psana
    name = f"{dataset}.raw.calib" if dataset == "hsd" else dataset
    assert_same(dump("psana", name, path), dumped("xtc2", dataset, [path], str(folder)), count)


def test_streams_of_some_events(psana: tuple[Path, Dump]) -> None:
    """Only events that hold the detector are those of the run."""
    folder, dump = psana
    run = "exp=xpptut15:run=14:dir=intg_det"
    for dataset, count in (("andor", 5), ("epix", 2)):
        found = dump("psana", f"{dataset}.raw.calib", run)
        assert_same(found, dumped("auto", dataset, [run], str(folder)), count)


def test_in_a_launch(psana: tuple[Path, Dump], launcher: list[str]) -> None:
    """Two processes that a launcher started read alone, each all events."""
    path = "detector/test_epix_calib.xtc2"
    found = psana[1]("psana", "epixquad", path, launch=[*launcher, "2"])
    assert_same(found, psana[1]("psana", "epixquad", path), 2)


def test_runs_in_turn(psana: tuple[Path, Dump]) -> None:
    """Two runs with a detector of one name, read by turns: each has its own segments."""
    folder, dump = psana
    sources = ["chunking/xpptut15-r0014-s000-c000.xtc2", MIXED]
    found = dump("psana", "xppcspad", *sources)
    for number, one in enumerate(sources):
        own = {
            key.replace(f"{number}|", "0|", 1): value
            for key, value in found.items()
            if key.startswith(f"{number}|")
        }
        assert_same(own, dumped("auto", "xppcspad", [one], str(folder)), 10)


@pytest.mark.parametrize(
    ("dataset", "source", "message"),
    [
        ("nothing", MIXED, "no detector 'nothing'; name one .* of xppcspad.raw.calib, "),
        ("-", MIXED.replace("14", "15"), "psana cannot read it: AssertionError: No smalldata"),
        ("-", MIXED.replace("mixed_rate", "chunking"), "is one of 2 chunks.*use reader xtc2"),
        ("-", "chunking/xpptut15-r0014-s000-c001.xtc2", "psana opens first chunks only"),
        ("hsd.calib", "multirun_w_new_config/xpptut15-r0014-s000-c000.xtc2", "holds several runs"),
        ("-", "nowhere.xtc2", "psana cannot read it: FileNotFoundError"),
    ],
)
def test_faults_of_psana(dataset: str, source: str, message: str, psana: tuple[Path, Dump]) -> None:
    """What there is, what psana says, and what psana would read wrongly."""
    assert re.search(message, str(psana[1]("psana", dataset, source)["fault"]))
