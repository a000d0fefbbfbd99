"""Events of IOC recorders take the times of the same pulses in the other streams of the run."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from events.formats.test_xtc_golden import CALIB_CYCLE, CONFIGURE, EVENT, typed
from helpers.formats import xtc as write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi import psana
from spring_mpi.events import build_index
from spring_mpi.events.formats.reader import DAMAGED, STEP
from spring_mpi.events.formats.registry import find_reader

# As EVENT, of CxiDg2.0:ControlsCamera.0: 7 ns, 4 s, fiducial 1, no damage.
IOC_EVENT = """
    07000000 04000000  0000000c 01000000  00000000
    00000000 00000003 00000000 01000100 58000000
    00000000 02000002 0100000a 01000100 44000000
    00000000 01000001 0029001c 02000100 30000000     # detector 28, device 41
    03000000 02000000 10000000 20000000
    0700 0700 0700 0700 0700 0700
"""
RUN = 3
NAME = "e-r0003-s{:02}-c00.xtc"
CAMERA = (write.SOURCE, 28 << 24 | 41 << 8)
IMAGE = write.segment(write.frame(np.ones((2, 3), np.uint16), CAMERA))

Pulse = tuple[int, int]
PULSES = st.lists(st.tuples(st.integers(100, 116), st.sampled_from([0, 1, 0x1FFDF])), max_size=6)
"""Seconds and fiducial."""


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


def test_typed_bytes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two seconds apart, with one fiducial: pid and step are those of the other stream."""
    (tmp_path / NAME.format(0)).write_bytes(typed(CONFIGURE) + typed(CALIB_CYCLE) + typed(EVENT))
    second_step = typed(CALIB_CYCLE.replace("01000000  00000008", "03000000  00000008"))
    (tmp_path / NAME.format(80)).write_bytes(second_step + typed(IOC_EVENT))
    index = build_index("*.xtc", root=tmp_path, dataset="ControlsCamera")
    assert index.pids.tolist() == [[RUN, 2 << 32 | 5, 1]]
    assert index.steps.tolist() == [0]
    assert index.transitions["kind"].tolist().count(STEP) == 1
    assert index.read((RUN, 2 << 32 | 5, 1)).data.tolist() == [[7] * 3] * 2
    assert not caplog.records


def write_stream(path: Path, pulses: list[Pulse], content: bytes = b"") -> None:
    """A stream with events of these pulses; its own number is in their nanoseconds."""
    events = [
        write.Datagram(seconds=seconds, nanoseconds=number + 1, fiducial=fiducial, content=content)
        for number, (seconds, fiducial) in enumerate(pulses)
    ]
    path.write_bytes(write.encode(write.run(*events)))


@given(first=PULSES, second=PULSES, recorded=PULSES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_partners(
    first: list[Pulse], second: list[Pulse], recorded: list[Pulse], tmp_path: Path
) -> None:
    """An event has the time of the nearest pulse of its fiducial, if that is near enough."""
    for number, pulses in enumerate((first, second)):
        write_stream(tmp_path / NAME.format(number), pulses)
    write_stream(tmp_path / NAME.format(81), recorded, IMAGE)
    scan = find_reader("xtc").scan(str(tmp_path / NAME.format(81)), dataset=None, pid=None)
    assert scan.pids is not None
    expected = []
    for seconds, fiducial in recorded:
        apart = [abs(one - seconds) for one, its in first + second if its == fiducial]
        if min(apart, default=6) <= 5:
            expected.append((min(apart), seconds, fiducial))
    found = [(time >> 32, fiducial) for _, time, fiducial in scan.pids.tolist()]
    assert len(found) == len(expected)
    for (second_found, its), (apart_most, seconds, fiducial) in zip(found, expected, strict=True):
        assert (its, abs(second_found - seconds)) == (fiducial, apart_most)
        assert (second_found, fiducial) in first + second


def test_fiducials_wrap(tmp_path: Path) -> None:
    """Of two pulses of equal fiducials, 364 s apart, the near one is meant."""
    write_stream(tmp_path / NAME.format(0), [(100, 9), (464, 9)])
    write_stream(tmp_path / NAME.format(80), [(467, 9), (99, 9)], IMAGE)
    index = build_index("*.xtc", root=tmp_path)
    assert index.pids.tolist() == [[RUN, 100 << 32 | 1, 9], [RUN, 464 << 32 | 2, 9]]


def test_without_a_partner(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events without one, or without a fiducial, are left out, and counted."""
    write_stream(tmp_path / NAME.format(0), [(100, 9), (100, 0x1FFFF)])
    write_stream(tmp_path / NAME.format(80), [(106, 9), (100, 8), (100, 0x1FFFF), (95, 9)], IMAGE)
    index = build_index("*.xtc", root=tmp_path)
    assert index.pids.tolist() == [[RUN, 100 << 32 | 1, 9]]
    assert "s80-c00.xtc: 3 of 4 events are left out" in caplog.text


def test_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without other streams they keep their times and steps, and that is told."""
    write_stream(tmp_path / NAME.format(80), [(106, 9), (107, 0x1FFFF)], IMAGE)
    index = build_index("*.xtc", root=tmp_path)
    assert index.pids[:, 1].tolist() == [106 << 32 | 1, 107 << 32 | 2]
    assert index.flags.tolist() == [0, DAMAGED]
    assert index.transitions["kind"].tolist().count(STEP) == 1
    assert "an IOC recorder's own clock" in caplog.text


def test_other_streams_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong with them is told; nothing is joined by guess."""
    (tmp_path / NAME.format(0)).write_bytes(bytes(100))
    write_stream(tmp_path / NAME.format(80), [(106, 9)], IMAGE)
    scan = find_reader("xtc").scan(str(tmp_path / NAME.format(80)), dataset=None, pid=None)
    assert scan.shape == (0, 2, 3)
    assert f"{NAME.format(0)}: its times cannot be read" in caplog.text


def test_psana_joins_them(tmp_path: Path) -> None:
    """A program for psana gets the image with the event of the other detector."""
    own = write.segment(write.frame(np.zeros((4, 4), np.uint16)))
    write_stream(tmp_path / NAME.format(0), [(100, 9), (101, 12)], own)
    write_stream(tmp_path / NAME.format(80), [(103, 9)], IMAGE)
    data = psana.DataSource(f"exp=e:run={RUN}:dir={tmp_path}:idx")
    camera = psana.Source("DetInfo(CxiDg2.0:ControlsCamera.0)")
    frames = [event.get(psana.Camera.FrameV1, camera) for event in data.events()]
    assert frames[0].data16().tolist() == [[1] * 3] * 2
    assert frames[1] is None
    data.close()
