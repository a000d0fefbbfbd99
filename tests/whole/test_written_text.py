"""Text from editors on Windows: a mark (BOM) at the beginning, and lines that end with CR LF."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spring_mpi.campaign.selection import select
from spring_mpi.config.config import load_config
from spring_mpi.config.event_choice import EventSelection
from spring_mpi.events import build_index
from spring_mpi.events.geometry import GeometrySpec, read_geometry
from spring_mpi.rundir.ended import read_ended
from spring_mpi.rundir.status import Status, read_status
from spring_mpi.system.files import read_text

CRYSTFEL = (
    "clen = 0.1\nres = 10000\nq0/min_fs = 0\nq0/max_fs = 3\nq0/min_ss = 0\nq0/max_ss = 3\n"
    "q0/corner_x = -2\nq0/corner_y = -2\nq0/fs = +x\nq0/ss = +y\n"
)
CONFIG = "name: demo\ndata:\n  source: x.npy\npattern:\n  cropsize: 64\n  size: 64\n"
SUMMARY = "name,pid,error,resolution_px,file\n7-1,7-1,0.5,2.0,results/7-1.h5\n"
WAYS = [
    lambda text: text.encode(),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.replace("\n", "\r").encode(),
    lambda text: text.encode("utf-8-sig"),
    lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"),
    lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
]
Write = Callable[[str], bytes]


@pytest.fixture(
    params=WAYS, ids=["LF", "CR LF", "CR", "BOM", "BOM and CR LF", "UTF-16 LE", "UTF-16 BE"]
)
def written(request: pytest.FixtureRequest) -> Write:
    """Bytes of a text as an editor writes them."""
    way: Write = request.param
    return way


def test_text(written: Write, tmp_path: Path) -> None:
    (tmp_path / "any.txt").write_bytes(written("é\nb\n"))
    assert read_text(tmp_path / "any.txt") == "é\nb\n"


def test_a_config(written: Write, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(written(CONFIG))
    config = load_config(tmp_path / "c.yaml")
    assert (config.name, config.pattern.size) == ("demo", 64)


def test_a_list_of_events(written: Write, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 5, 5), np.uint8))
    index = build_index(tmp_path / "x.npy", run=7)
    (tmp_path / "hits.txt").write_bytes(written("7-2\n# later\n7-0\n"))
    chosen = select(EventSelection(list=str(tmp_path / "hits.txt")), index)
    assert chosen.tolist() == [2, 0]


def test_a_geometry(written: Write, tmp_path: Path) -> None:
    (tmp_path / "plain.geom").write_text(CRYSTFEL)
    (tmp_path / "any.geom").write_bytes(written(CRYSTFEL))
    plain, other = (
        read_geometry(GeometrySpec(str(tmp_path / f"{name}.geom"))) for name in ("plain", "any")
    )
    assert str(plain) == str(other)


def test_reports_that_a_spreadsheet_saved(written: Write, tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_bytes(written(SUMMARY))
    (tmp_path / "status.json").write_bytes(written('{"jobs": 3,\n "state": "done"}\n'))
    assert next(csv.reader([SUMMARY.splitlines()[0]]))[0] == "name"
    assert list(read_ended(tmp_path, Status())) == ["7-1"]
    assert read_status(tmp_path).jobs == 3
