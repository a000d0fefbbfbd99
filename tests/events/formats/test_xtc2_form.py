"""An event is the same whether it was parsed or looks like one that was."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.formats import xtc2 as writer
from helpers.formats.xtc2 import Stream
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.events.formats.lcls2.form import Form
from spring_mpi.events.formats.lcls2.reader import Xtc2Reader
from spring_mpi.events.formats.reader import Frame
from spring_mpi.events.reading.memory import Memory

NAME = "exp-r0034-s000-c000.xtc2"
SHAPES = [(2, 3), (3, 2), (40, 60), (201, 333)]
CORRUPTED = 1 << 3


@st.composite
def payloads(draw: st.DrawFn) -> tuple[bytes, Any]:
    """What an event holds, and the frame in it: (modules, rows, columns), None where it is lost.

    A scalar and other values, few or many, stand before or behind it.
    """
    shape, level = draw(st.sampled_from(SHAPES)), draw(st.integers(0, 60000))
    planes = level + np.arange(2 * shape[0] * shape[1], dtype=np.uint16).reshape(2, *shape)
    damage = draw(st.sampled_from([0, 0, 0, 1, CORRUPTED]))
    kept = draw(st.lists(st.sampled_from([0, 1]), unique=True, min_size=1))
    parts = [
        writer.values(
            writer.CAMERA + number, [planes[number], np.uint32(level)], damage, draw(st.booleans())
        )
        for number in kept
    ]
    other = writer.node(2, bytes(draw(st.sampled_from([0, 8, 50000]))), 99)
    parts.insert(draw(st.integers(0, len(parts))), other)
    expected = None if damage == CORRUPTED else planes[sorted(kept)]
    return b"".join(parts), expected


def read(path: Path, rows: Sequence[int], *, together: bool = False) -> list[Frame | None]:
    """The frames of one handle; None where there is none."""
    frames: list[Frame | None] = [None] * len(rows)
    with contextlib.closing(Xtc2Reader().open(str(path))) as handle:
        if together:
            return list(handle.events("cam.raw.image", rows, Memory(2**20).empty))
        for number, row in enumerate(rows):
            with contextlib.suppress(ValueError):
                frames[number] = handle.event("cam.raw.image", row)
    return frames


@settings(max_examples=60)
@given(events=st.lists(payloads(), min_size=1, max_size=8), data=st.data())
def test_events_of_any_looks(events: list[tuple[bytes, Any]], data: st.DataObject) -> None:
    """In any order, one by one and together, all from the file that holds them."""
    stream, rows = Stream(segments=(0, 1)).configure().begin(), list[int]()
    for number, (payload, _) in enumerate(events):
        rows.append(sum(map(len, stream.datagrams)))
        stream.add(10 + number, writer.EVENT, payload)
    order = data.draw(st.lists(st.sampled_from(range(len(rows))), max_size=20))
    good = [number for number in order if events[number][1] is not None]
    with tempfile.TemporaryDirectory() as folder:
        path = stream.write(Path(folder) / NAME)
        alone = read(path, [rows[number] for number in order])
        together = read(path, [rows[number] for number in good], together=True)
    assert [frame is not None for frame in alone] == [number in good for number in order]
    for number, frame in zip(good, together, strict=True):
        assert frame is not None
        assert np.array_equal(frame.data, events[number][1])
    for one, other in zip(filter(None, alone), together, strict=True):
        assert other is not None
        assert np.array_equal(one.data, other.data)
        assert one.info == other.info


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An entry for each event that is parsed."""
    calls: list[int] = []

    def counted(*arguments: Any) -> Form:
        calls.append(1)
        return form_of(*arguments)

    form_of = Form.of
    monkeypatch.setattr(Form, "of", counted)
    return calls


def test_events_that_look_the_same_are_parsed_once(tmp_path: Path, parsed: list[int]) -> None:
    """Their frames lie in memory as numbers of their type should, and can be written to."""
    stream, rows = Stream(dtype="f8").configure().begin(), list[int]()
    for number in range(5):
        rows.append(sum(map(len, stream.datagrams)))
        stream.event(10 + number << 32, np.full((1, 40, 60), number, "f8"))
    frames = read(stream.write(tmp_path / NAME), rows)
    assert [frame.data.tolist() for frame in frames if frame] == [
        np.full((40, 60), number).tolist() for number in range(5)
    ]
    assert all(frame.data.flags.aligned and frame.data.flags.writeable for frame in frames if frame)
    assert len(parsed) == 1


def test_events_of_two_looks_in_turn(tmp_path: Path, parsed: list[int]) -> None:
    """Each look is parsed once."""
    stream, rows = Stream(segments=(0, 1)).configure().begin(), list[int]()
    planes = np.arange(2 * 40 * 60, dtype="u2").reshape(2, 40, 60)
    for number in range(8):
        rows.append(sum(map(len, stream.datagrams)))
        stream.event(10 + number, planes, lost=[1] if number % 2 else [])
    frames = read(stream.write(tmp_path / NAME), rows)
    assert [len(frame.data) for frame in frames if frame] == [2, 1] * 4
    assert len(parsed) == 2


def test_segments_of_different_types(tmp_path: Path) -> None:
    """Numbers of all segments are kept."""
    cameras = [
        writer.names(writer.CAMERA + number, "cam", "raw", {"image": (code, 2)}, number)
        for number, code in enumerate((1, 2))
    ]
    planes = [np.full((2, 3), 7, "u2"), np.full((2, 3), 70000, "u4")]
    values = [writer.values(writer.CAMERA + number, [planes[number]]) for number in (0, 1)]
    stream = Stream().add(1, writer.CONFIGURE, b"".join(cameras))
    row = sum(map(len, stream.datagrams))
    (frame,) = read(stream.add(5, writer.EVENT, b"".join(values)).write(tmp_path / NAME), [row])
    assert frame is not None
    assert frame.data.tolist() == np.stack(planes).tolist()


def test_event_that_is_cut_off(tmp_path: Path) -> None:
    """Whether one that looked the same was read before or not."""
    stream, rows = Stream().configure().begin(), list[int]()
    for number in range(2):
        rows.append(sum(map(len, stream.datagrams)))
        stream.event(10 + number, np.full((1, 40, 60), number, "u2"))
    path = stream.write(tmp_path / NAME)
    path.write_bytes(path.read_bytes()[:-100])
    for order in ([1], [0, 1]):
        with contextlib.closing(Xtc2Reader().open(str(path))) as handle:
            for number in order[:-1]:
                handle.event("cam.raw.image", rows[number])
            with pytest.raises(EOFError, match=f"byte {rows[1]}: the event is cut off"):
                handle.event("cam.raw.image", rows[1])
