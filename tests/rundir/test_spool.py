"""The spool folder: what a pattern from Python is prepared from reaches rank 0 unchanged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi import MPR, Pattern, Settings
from spring_mpi.errors import RunDirectoryError
from spring_mpi.events.event import EventRef, source_of_file
from spring_mpi.events.reading.loader import Loader
from spring_mpi.rundir.mailbox_messages import Reply
from spring_mpi.rundir.spool import Submission, request, spool

FRAME = (np.arange(20 * 22) % 97).reshape(20, 22).astype(np.uint16)
FOLDER = Path("spool")
KEYS = {"pattern", "mask", "center", "pid", "background", "gain"}


def make_pattern(**changes: Any) -> Pattern:
    """A small pattern with everything given."""
    given = {
        "pattern": FRAME, "mask": FRAME == 5, "center": (9.25, 10.5), "pid": (71, 1, 14546865407),
        "cropsize": 16, "size": 8, "satvalue": 90, "background": 1.5, "gain": 2.0,
    }  # fmt: skip
    return Pattern(**(given | changes))


def loaded(path: Path) -> dict[str, Any]:
    """All arrays of a file, read without pickle."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_everything_is_in_the_file(tmp_path: Path) -> None:
    """The file holds the raw frame and all that prepares it, each in its own type."""
    arrays = loaded(spool(make_pattern(), tmp_path / "spool"))
    assert set(arrays) == KEYS
    assert arrays["pattern"].dtype == np.uint16
    assert (arrays["pattern"] == FRAME).all()
    assert arrays["mask"].dtype == np.uint8
    assert (arrays["mask"] == (FRAME == 5)).all()
    assert arrays["center"].tolist() == [9.25, 10.5]
    assert (arrays["pid"].dtype, arrays["pid"].tolist()) == (np.int64, [71, 1, 14546865407])
    assert (arrays["background"].shape, float(arrays["background"])) == ((), 1.5)
    assert (arrays["gain"].shape, float(arrays["gain"])) == ((), 2.0)


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", ">u2", "i8", "f4", "f8"])
def test_file_makes_the_same_pattern(tmp_path: Path, dtype: str) -> None:
    """A pattern made from the spool file equals the one it was written from."""
    pattern = make_pattern(
        pattern=FRAME.astype(dtype), satvalue=None, background=FRAME / 700, gain=1 + FRAME / 3
    )
    again = Pattern(**loaded(spool(pattern, tmp_path)), cropsize=16, size=8)
    for name in ("intensity", "masked", "saturated"):
        assert (getattr(again, name) == getattr(pattern, name)).all()
    assert (again.pid, again.center) == (pattern.pid, pattern.center)


@pytest.mark.parametrize("dtype", ["?", "u2", "f4"])
def test_event_loader_reads_the_file(tmp_path: Path, dtype: str) -> None:
    """Workers read the file as they read any other event."""
    pattern = make_pattern(pattern=FRAME.astype(dtype), satvalue=None, background=0)
    source = source_of_file(str(spool(pattern, tmp_path)), "npz")
    reference = EventRef(pattern.pid, source, "pattern", 0)
    with Loader() as loader:
        event = loader.read(reference)
        gain = loader.field(reference, "gain")
    assert (event.data == pattern.raw).all()
    assert (event.mask == pattern.excluded).all()
    assert event.center == pattern.center
    assert gain == 2.0


def test_file_is_complete_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing fails nothing stays behind, and the fault says where."""
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(RunDirectoryError, match=f"into {tmp_path}.*: No space"):
        spool(make_pattern(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_none(tmp_path: Path) -> None:
    """A spool folder that cannot be is told, without a traceback of the operating system."""
    (tmp_path / "spool").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot write the pattern into"):
        spool(make_pattern(), tmp_path / "spool")


def test_names_are_unique(tmp_path: Path) -> None:
    """The same pattern may be spooled many times."""
    paths = {spool(make_pattern(), tmp_path) for _ in range(5)}
    assert len(paths) == 5
    assert {path.parent for path in paths} == {tmp_path}


def test_request_says_how_to_prepare(tmp_path: Path) -> None:
    """A request names the file, relative to the run directory, and what is not in it."""
    job = MPR(
        make_pattern(),
        Settings().set("init", "supportsize", 4),
        "wide",
        seed=cast(Any, np.int64(3)),
    )
    # JSON writes numbers of Python only.
    assert json.dumps(request(job, FOLDER / "x.npz"))
    assert request(job, tmp_path / "spool" / "x.npz") == {
        "spool": "spool/x.npz",
        "tag": "wide",
        "settings": {"init": {"supportsize": 4}},
        "cropsize": 16,
        "size": 8,
        "satvalue": 90.0,
        "seed": 3,
    }


@given(
    supportsize=st.none() | st.integers(2, 100),
    gamma=st.none() | st.floats(0.1, 1.9),
    gpus=st.none() | st.lists(st.integers(0, 9), max_size=3),
)
def test_only_given_settings_travel(
    supportsize: int | None, gamma: float | None, gpus: list[int] | None
) -> None:
    """The request holds what was set, no default, and makes the same settings again."""
    settings = Settings()
    given_values = {
        ("init", "supportsize"): supportsize, ("init", "gamma"): gamma, ("global", "gpus"): gpus,
    }  # fmt: skip
    for (section, key), value in given_values.items():
        if value is not None:
            settings.set(section, key, value)
    sent = request(MPR(make_pattern(), settings), FOLDER / "x.npz")["settings"]
    assert {(section, key) for section in sent for key in sent[section]} == settings.given
    assert Settings.from_mapping(sent) == settings


@pytest.mark.parametrize(
    ("satvalue", "sent"),
    [(None, None), (np.inf, None), (np.nan, None), (np.float32(90), 90.0), (90, 90.0)],
)
def test_limit_that_is_none(satvalue: float | np.float32 | None, sent: float | None) -> None:
    """Saturation travels as a plain number, or as null where no pixel can be saturated."""
    found = request(MPR(make_pattern(satvalue=satvalue)), FOLDER / "x.npz")["satvalue"]
    assert (found, type(found)) == (sent, type(sent))


def test_what_can_be_submitted() -> None:
    """An MPR can be submitted, a pattern or a reply cannot."""
    assert isinstance(MPR(make_pattern()), Submission)
    assert not isinstance(make_pattern(), Submission)
    assert not isinstance(Reply(()), Submission)


def test_a_center_that_nobody_gave_is_not_written(tmp_path: Path) -> None:
    """Else rank 0 would take the middle of the frame for one that somebody knows."""
    pattern = make_pattern(center=None)
    path = spool(pattern, tmp_path / "spool")
    assert set(loaded(path)) == KEYS - {"center"}
