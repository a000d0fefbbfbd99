"""Events of an LCLS-II run in random order: our loader beside psana 4, on the same file.

``events_psana.py PYTHON``: an interpreter that has psana. psana runs in a process of its own, which
takes its own times; both read the same events in turn. Single events are dropped when they are
read, those of a batch are all kept; psana's are views of what it read, ours are arrays.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Read = Callable[[Sequence[int]], tuple[float, int]]

SHAPE = (512, 512)
EXPERIMENT, RUN = "exp", 34


def main() -> None:
    """Measure and print the table, or be the process with psana."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("psana", metavar="PYTHON")
    parser.add_argument("--events", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), arguments.events)
        order = np.random.default_rng(2).permutation(arguments.events).tolist()
        command = [arguments.psana, __file__, "-", "--serve", folder]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as psana:
            for kind, own in ours(path).items():
                report(kind, partial(asked, psana, kind), own, order, arguments.repeats)


def write(folder: Path, count: int) -> Path:
    """A run of a camera with frames of a few photons, and its small data."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from helpers.formats.xtc2 import Stream

    frames = np.random.default_rng(1).poisson(0.2, (count, 1, *SHAPE)).astype(np.uint16)
    stream = Stream().configure().begin().step(3, 0.5)
    for number, planes in enumerate(frames):
        stream.event(10 + number << 32, planes)
    return stream.write(folder / f"{EXPERIMENT}-r{RUN:04}-s000-c000.xtc2", small=True)


def ours(path: Path) -> dict[str, Read]:
    """Our ways to the events at some positions."""
    from spring_mpi.events import Loader, build_index

    index, loads = build_index(path), Loader()
    refs = [index.ref(row) for row in range(len(index))]

    def batch(rows: Sequence[int]) -> Iterator[Any]:
        return (event.data for event in loads.read_many(refs[row] for row in rows))

    single = partial(dropped, lambda row: loads.read(refs[row]).data)
    return {"single": single, "batch": partial(kept, batch)}


def dropped(read: Callable[[int], Any], rows: Sequence[int]) -> tuple[float, int]:
    """Seconds of single reads, and a number that the last frame gives."""
    start = time.perf_counter()
    for row in rows:
        frame = read(row)
    return time.perf_counter() - start, int(frame.sum())


def kept(read: Callable[[Sequence[int]], Iterable[Any]], rows: Sequence[int]) -> tuple[float, int]:
    """Seconds of a batch, and a number that all of its frames give."""
    start = time.perf_counter()
    frames = list(read(rows))
    taken = time.perf_counter() - start
    return taken, sum(place * int(frame.sum()) for place, frame in enumerate(frames, start=1))


def asked(psana: subprocess.Popen[str], kind: str, rows: Sequence[int]) -> tuple[float, int]:
    """The same of the process."""
    assert psana.stdin
    assert psana.stdout
    print(json.dumps([kind, rows]), file=psana.stdin, flush=True)
    seconds, found = json.loads(psana.stdout.readline())
    return seconds, found


def report(kind: str, psana: Read, own: Read, order: Sequence[int], repeats: int) -> None:
    """Print events per second of both, medians of the repeats."""
    seconds: list[tuple[float, float]] = []
    for _ in range(repeats):
        (theirs, one), (mine, other) = psana(order), own(order)
        if one != other:
            raise SystemExit("psana and spring-mpi give different frames")
        seconds.append((theirs, mine))
    theirs, mine = (statistics.median(times) for times in zip(*seconds, strict=True))
    rates = f"psana 4 {len(order) / theirs:.0f} events/s, spring-mpi {len(order) / mine:.0f}"
    print(f"{kind:<10}{rates}, {mine / theirs:.2f} of its time")


def serve(folder: str) -> None:
    """With psana: for every line, a list of positions, read those events by their times."""
    # A package that psana imports and needs only at SLAC, and a server that is only there.
    sys.modules["krtc"] = types.ModuleType("krtc")
    sys.modules["krtc"].KerberosTicket = object  # type: ignore[attr-defined]
    from psana import DataSource
    from psana.psexp.ds_base import DataSourceBase

    DataSourceBase._get_file_info_from_db = lambda *args, **keywords: {}
    source = DataSource(exp=EXPERIMENT, run=RUN, dir=folder, skip_calib_load="all")
    run = next(source.runs())
    with run.build_table() as is_built:
        assert is_built
        times = sorted(run._ts_table)
        images = {
            "single": partial(dropped, lambda row: image(run, times[row])),
            "batch": partial(kept, lambda rows: (image(run, times[row]) for row in rows)),
        }
        for line in sys.stdin:
            kind, rows = json.loads(line)
            print(json.dumps(images[kind](rows)), flush=True)


def image(run: Any, timestamp: int) -> Any:
    """The camera's frame in the event of that time."""
    return run.event(timestamp)._dgrams[0].cam[0].raw.image


if __name__ == "__main__":
    main()
