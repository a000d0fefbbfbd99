"""The facility's own software reads the same values from the same xtc2 files.

``SPRING_TEST_PSANA`` names a Python interpreter with psana 4.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.formats.xtc2 import DISABLE, END_RUN, END_STEP, Stream
from helpers.xtc2_runs import recorded_runs
from numpy.typing import NDArray

from spring_mpi.events.formats.lcls2 import chain as xtc2_chain
from spring_mpi.events.formats.lcls2.chain import read_chain, split_row
from spring_mpi.events.formats.lcls2.datasets import datasets_of
from spring_mpi.events.formats.lcls2.file import File, first_chunk_of, small_data_of
from spring_mpi.events.formats.lcls2.layout import CONFIGURE, L1_ACCEPT
from spring_mpi.events.formats.lcls2.reader import Xtc2Reader

DUMP = Path(__file__).parents[2] / "helpers" / "psana_dump.py"
Segments = dict[int, NDArray[Any]]


@pytest.fixture(scope="session")
def psana() -> Path:
    """The interpreter that has psana."""
    interpreter = os.environ.get("SPRING_TEST_PSANA")
    if not interpreter:
        pytest.skip("SPRING_TEST_PSANA names no Python interpreter with psana 4")
    return Path(interpreter)


def run(command: list[object], folder: Path | None = None) -> None:
    """Run a program of psana, and show what it says if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def dumped(psana: Path, out: Path, *arguments: object) -> Mapping[str, NDArray[Any]]:
    """What psana reads, by number and name; see its script."""
    run([psana, DUMP, *arguments, out])
    with np.load(out) as archive:
        return dict(archive)


def by_datagram(values: Mapping[str, NDArray[Any]]) -> list[dict[str, Segments]]:
    """For each datagram ``detector.algorithm.field`` -> segment -> value."""
    found: list[dict[str, Segments]] = [{} for _ in values["records"]]
    for key, value in values.items():
        if key != "records":
            number, detector, segment, algorithm, field = key.split("|")
            name = f"{detector}.{algorithm}.{field}"
            found[int(number)].setdefault(name, {})[int(segment)] = value
    return found


def joined(segments: Segments) -> NDArray[Any]:
    """The values of all segments as the reader gives them."""
    values = [segments[number] for number in sorted(segments)]
    return values[0] if len(values) == 1 else np.stack(values)


def compare(path: Path, values: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """Assert that all events hold, or find recorded before them, what psana reads.

    Returns the numbers of events and of values that were compared.
    """
    with File(str(path)) as file:
        chain = read_chain(file)
        known = [datasets_of(names) for names in chain.names]
    records, dgrams = chain.records, by_datagram(values)
    assert values["records"].tolist() == [[one["service"], one["time"]] for one in records]
    handle = Xtc2Reader().open(str(path))
    before: dict[str, Segments] = {}
    events = count = 0
    for record, row, dgram in zip(records, chain.rows(records).tolist(), dgrams, strict=True):
        if record["service"] == CONFIGURE:
            before = {}
        if record["service"] != L1_ACCEPT:
            before |= dgram
            continue
        events += 1
        for name, segments in (before | dgram).items():
            expected, full = joined(segments), full_name(name, known[split_row(row)[0]])
            read = handle.field(full, row)
            assert read.tolist() == expected.tolist()
            assert all(read.dtype == one.dtype for one in segments.values() if one.ndim)
            count += len(segments)
            if known[split_row(row)[0]][full].is_frames and name in dgram:
                frame = handle.event(full, row)
                assert frame.data.reshape(expected.shape).tolist() == expected.tolist()
                count += len(segments)
    handle.close()
    return events, count


def full_name(name: str, known: Iterable[str]) -> str:
    """The name in the file: psana takes the type of an enumeration away from it."""
    return next(one for one in known if one == name or one.startswith(f"{name}:"))


@pytest.mark.timeout(900)
def test_recorded_files(psana: Path, recorded: Path, tmp_path: Path) -> None:
    """All events of all recorded files."""
    runs = recorded_runs(recorded, tmp_path / "runs")
    paths = [path for path in sorted(runs.rglob("*.xtc2")) if ".smd." not in path.name]
    table = {}
    for path in paths:
        configured = first_chunk_of(str(path)) or path
        values = dumped(psana, tmp_path / "out.npz", "dump", path, configured)
        table[str(path.relative_to(runs))] = compare(path, values)
    for name, (events, count) in table.items():
        print(f"{name}: {events} events, {count} values")
    assert len(table) == 15
    assert sum(events for events, _ in table.values()) == 1537


def test_files_of_its_writers(psana: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that psana's own programs write, and the small data that they make of it."""
    programs = [path for path in psana.parent.parent.rglob("bin/xtcwriter") if path.is_file()]
    assert programs, "psana without its programs"
    path = tmp_path / "x-r0001-s000-c000.xtc2"
    (tmp_path / "smalldata").mkdir()
    run([programs[0], "-f", path, "-n", 7, "-t"])
    run([programs[0].with_name("smdwriter"), "-f", path], tmp_path)
    (tmp_path / "smd.xtc2").rename(small_data_of(str(path)))
    monkeypatch.setattr(xtc2_chain, "_walked", None)
    values = dumped(psana, tmp_path / "out.npz", "dump", path, path)
    events, count = compare(path, values)
    print(f"xtcwriter: {events} events, {count} values")
    assert events == 7


def test_psana_reads_our_files(psana: Path, tmp_path: Path) -> None:
    """Files of the tests' own writer are what psana takes them for, small data included."""
    planes = np.arange(5 * 2 * 3 * 4, dtype=np.uint16).reshape(5, 2, 3, 4)
    stream = Stream(segments=(0, 1)).configure().begin().step(3, 0.5)
    for number in range(5):
        stream.event((10 + number << 32) + 7, planes[number]).slow((10 + number << 32) + 8, number)
    for time, service in ((20, DISABLE), (21, END_STEP), (22, END_RUN)):
        stream.add(time << 32, service)
    path = stream.write(tmp_path / "exp-r0034-s000-c000.xtc2", small=True)
    values = dumped(psana, tmp_path / "out.npz", "dump", path, path)
    assert compare(path, values)[0] == 5
    found = dumped(psana, tmp_path / "random.npz", "events", tmp_path, "exp", 34)
    images = [joined(one["cam.raw.image"]).tolist() for one in by_datagram(found)]
    assert images == planes[::-1].tolist()
