"""Recorded xtc2 files of LCLS-II are read to their last byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.xtc2_runs import FOLDER, recorded_runs, without_small_data

from spring_mpi.events.formats.lcls2 import chain as xtc2_chain
from spring_mpi.events.formats.lcls2.chain import read_chain
from spring_mpi.events.formats.lcls2.file import File
from spring_mpi.events.formats.lcls2.layout import L1_ACCEPT
from spring_mpi.events.formats.lcls2.reader import Xtc2Reader
from spring_mpi.events.formats.reader import Scan
from spring_mpi.events.formats.registry import guess_file_reader

EVENTS = {
    "chunking/xpptut15-r0014-s000-c000.xtc2": (10, 14),
    "chunking/xpptut15-r0014-s000-c001.xtc2": (5, 14),
    "detector/test_epix_calib.xtc2": (2, 109),
    "detector/test_jungfrau05M_calib.xtc2": (2, 7),
    "fakesteps/xpptut15-r0014-s000-c000.xtc2": (10, 1),
    "fakesteps/xpptut15-r0014-s001-c000.xtc2": (4, 1),
    "intg_det/xpptut15-r0014-s000-c000.xtc2": (17, 1),
    "intg_det/xpptut15-r0014-s001-c000.xtc2": (5, 1),
    "intg_det/xpptut15-r0014-s002-c000.xtc2": (2, 1),
    "mixed_rate/xpptut15-r0014-s000-c000.xtc2": (100, 14),
    "mixed_rate/xpptut15-r0014-s001-c000.xtc2": (10, 14),
    "multi-seg-epics/xpptut15-r0014-s000-c000.xtc2": (15, 1),
    "multi-seg-epics/xpptut15-r0014-s001-c000.xtc2": (15, 1),
}
"""Events with frames, and run, of each file, as counted when the files were collected."""


@pytest.fixture
def runs(recorded: Path, tmp_path: Path) -> Path:
    """The recorded run folders."""
    return recorded_runs(recorded, tmp_path / "runs")


def scan(path: Path, dataset: str | None = None) -> Scan:
    """The scan of a file."""
    return Xtc2Reader().scan(str(path), dataset=dataset, pid=None)


def told(scanned: Scan) -> tuple[object, ...]:
    """All of a scan, so that it can be compared."""
    columns = (scanned.pids, scanned.rows, scanned.flags, scanned.transitions)
    return (scanned.dataset, scanned.shape, *(one.tolist() for one in columns if one is not None))


def test_every_file_to_its_last_byte(recorded: Path) -> None:
    """Datagrams follow each other without gap, from the first byte of a file to its last."""
    files = sorted((recorded / FOLDER).glob("*.xtc2"))
    assert len(files) == 26
    for path in files:
        with File(str(path)) as file:
            records = read_chain(file).records
        ends = np.cumsum(records["size"])
        assert records["offset"].tolist() == [0, *ends[:-1].tolist()]
        assert ends[-1] == path.stat().st_size
        assert not records["damage"].any()
        assert (np.diff(records["time"].astype(np.int64)) >= 0).all()


def test_events_and_runs(runs: Path) -> None:
    """Number of events and run are those known; all are whole, and their frames can be read."""
    for name, (count, run) in EVENTS.items():
        scanned = scan(runs / name)
        assert scanned.pids is not None
        assert (len(scanned.pids), set(scanned.pids[:, 0])) == (count, {run})
        assert scanned.flags is not None
        assert not scanned.flags.any()
        handle = Xtc2Reader().open(str(runs / name))
        assert scanned.rows is not None
        frames = [handle.event(scanned.dataset, row).data for row in scanned.rows.tolist()]
        handle.close()
        assert {(count, *frame.shape) for frame in frames} == {scanned.shape}
        assert {str(frame.dtype) for frame in frames} == {scanned.dtype}


def test_three_runs_under_two_configures(runs: Path) -> None:
    """Each detector has the runs that its Configure came before."""
    path = runs / "multirun_w_new_config/xpptut15-r0014-s000-c000.xtc2"
    found = {name: scan(path, name).pids for name in ("hsd", "andor")}
    counts = {
        name: [] if pids is None else np.unique(pids[:, 0], return_counts=True)
        for name, pids in found.items()
    }
    assert [part.tolist() for part in counts["hsd"]] == [[1], [5]]
    assert [part.tolist() for part in counts["andor"]] == [[2, 3], [5, 5]]


def test_small_data_tell_the_same(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With small data beside it a file is scanned as without them, and these are used."""
    plain = without_small_data(runs, tmp_path / "plain")
    names = [name for name in EVENTS if not name.startswith("detector")]
    expected = [told(scan(plain / name)) for name in names]
    monkeypatch.setattr(xtc2_chain, "_walked", None)
    assert [told(scan(runs / name)) for name in names] == expected


def test_events_of_any_size(runs: Path) -> None:
    """A stream of waveforms has fields but no frames; its sizes vary from event to event."""
    path = runs / "test_timetool_psana.xtc2"
    with File(str(path)) as file:
        chain = read_chain(file)
        rows = chain.rows(chain.only(L1_ACCEPT)).tolist()
    handle = Xtc2Reader().open(str(path))
    sizes = [handle.field("tmott.ttalg.data", row).size for row in rows]
    handle.close()
    assert (len(sizes), set(sizes)) == (1325, {144, 2208, 4272})


def test_known_by_their_names(runs: Path) -> None:
    """All these files are recognised without being told what they are."""
    assert {guess_file_reader(str(runs / name)) for name in EVENTS} == {"xtc2"}
