"""Cost of the event index at 10^6 events: build, save, load, look up; a table and JSON.

The events lie in HDF5 files whose pids are written and whose frames are not, so that the whole
path of a real build is measured, apart from the files' distance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from common import peak_memory, seconds_of

from spring_mpi.events import EventIndex, build_index, load_index

SINGLE_LOOKUPS = 1000


def main() -> None:
    """Measure, print the table, write the JSON that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--lookups", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_sources(Path(folder), arguments.events // arguments.files, arguments.files)
        figures = measure(Path(folder), arguments.lookups, arguments.repeats)
    for name, value in figures.items():
        print(f"{name:<40}{value:>12.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def write_sources(folder: Path, rows: int, files: int) -> None:
    """Files of ``rows`` events each, whose pids (run, train, pulse) come in no order."""
    random = np.random.default_rng(1)
    trains = random.permutation(rows * files).reshape(files, rows)
    for number, column in enumerate(trains):
        with h5py.File(folder / f"{number:04d}.h5", "w") as file:
            file.create_dataset("data", (rows, 1024, 1024), "u2", chunks=(1, 1024, 1024))
            file["run"] = np.full(rows, 34)
            file["train"] = 14_546_865_407 + column // 4
            file["pulse"] = column % 4


def measure(folder: Path, lookups: int, repeats: int) -> dict[str, float]:
    """Medians in seconds, sizes in MB."""
    path = folder / "index.h5"

    def build() -> EventIndex:
        pid = ["run", "train", "pulse"]
        return build_index("[0-9]*.h5", dataset="data", pid=pid, root=folder)

    index = build()
    wanted = np.random.default_rng(2).choice(index.pids, lookups)
    singles = list(map(tuple, wanted[:SINGLE_LOOKUPS].tolist()))
    seconds = {
        "build": median(build, repeats),
        "save": median(lambda: index.save(path), repeats),
        "load": median(lambda: load_index(path), repeats),
        f"find_many, {lookups} pids at once": median(lambda: index.find_many(wanted), repeats),
        "find, one pid": median(lambda: list(map(index.find, singles)), repeats) / len(singles),
    }
    return {
        "events": len(index),
        "sources": len(index.sources),
        **{f"{name} (s)": value for name, value in seconds.items()},
        "file (MB)": path.stat().st_size / 1e6,
        "peak memory (MB)": peak_memory(),
    }


def median(action: Callable[[], object], repeats: int) -> float:
    """Median of the wall-clock seconds of an action."""
    return statistics.median(seconds_of(action) for _ in range(repeats))


if __name__ == "__main__":
    main()
