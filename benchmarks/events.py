"""Random reads of single events: our loader against plain h5py and EXtra-data, on the same files.

All read the same frames in the same random order, one after the other in each repetition, so that
a busy machine slows them alike; files are in the page cache. EXtra-data takes part where it is
installed. A table and JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from spring_mpi.events.loader import Loader
from spring_mpi.events.readers import find_reader
from spring_mpi.events.source import EventRef, source_of_file

SHAPE = (512, 512)
SOURCE = "SPB_DET_AGIPD1M-1/DET/7CH0:xtdf"
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "one frame per chunk": {"chunks": (1, *SHAPE)},
    "gzip": {"chunks": (1, *SHAPE), "compression": "gzip", "compression_opts": 1},
    "bitshuffle LZ4": {"chunks": (1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")},
    "16 frames per chunk, LZ4": {"chunks": (16, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")},
}

Read = Callable[[int], Any]


def main() -> None:
    """Measure, print the table, write the JSON that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=256, help="in each file")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    print(f"{machine}; h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
    results: dict[str, Any] = {"machine": machine, "frames": arguments.frames}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, options) in enumerate(LAYOUTS.items()):
            path = write_hdf5(Path(folder) / f"{number}.h5", arguments.frames, options)
            readers = {"h5py": plain(path, "data"), "spring-mpi": loader(path, "hdf5", "/data")}
            results[name] = report(name, readers, range(arguments.frames), arguments.repeats)
        path = write_euxfel(Path(folder), arguments.frames)
        results["EuXFEL module"] = report(
            "EuXFEL module", euxfel_readers(path), range(arguments.frames), arguments.repeats
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def write_hdf5(path: Path, count: int, options: dict[str, Any]) -> Path:
    """Frames of a few photons per pixel."""
    frames = np.random.default_rng(1).poisson(0.2, (count, *SHAPE)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=frames, **options)
    return path


def write_euxfel(folder: Path, count: int) -> Path:
    """Raw data of a module, 32 frames in each train."""
    path, trains = folder / "RAW-R0034-AGIPD07-S00000.h5", count // 32
    frames = np.random.default_rng(1).poisson(0.2, (trains * 32, 2, 512, 128)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        file["INDEX/trainId"] = np.arange(1000, 1000 + trains, dtype=np.uint64)
        file[f"INDEX/{SOURCE}/image/first"] = np.arange(trains, dtype=np.uint64) * 32
        file[f"INDEX/{SOURCE}/image/count"] = np.full(trains, 32, np.uint64)
        file["METADATA/dataSourceId"] = np.array([f"INSTRUMENT/{SOURCE}/image".encode()])
        group = f"INSTRUMENT/{SOURCE}/image"
        file[f"{group}/trainId"] = np.repeat(np.arange(1000, 1000 + trains, dtype=np.uint64), 32)
        file[f"{group}/pulseId"] = np.tile(np.arange(32, dtype=np.uint64), trains)
        file.create_dataset(f"{group}/data", data=frames, chunks=(1, *frames.shape[1:]))
    return path


def plain(path: Path, name: str, plane: tuple[int, ...] = ()) -> Read:
    """A loop over h5py's rows."""
    dataset = h5py.File(path)[name]
    return lambda row: dataset[(row, *plane)]


def loader(path: Path, reader: str, dataset: str | None = None) -> Read:
    """Our loader, with all it checks."""
    source, scan = (
        source_of_file(str(path), reader),
        find_reader(reader).scan(str(path), dataset=dataset, pid=None),
    )
    rows = range(scan.shape[0]) if scan.rows is None else scan.rows.tolist()
    refs = [EventRef((0, number), source, scan.dataset, row) for number, row in enumerate(rows)]
    loads = Loader()
    return lambda row: loads.read(refs[row]).data


def euxfel_readers(path: Path) -> dict[str, Read]:
    """Those of a module's file."""
    name = f"INSTRUMENT/{SOURCE}/image/data"
    readers = {"h5py": plain(path, name, (0,)), "spring-mpi": loader(path, "euxfel")}
    if importlib.util.find_spec("extra_data"):
        from extra_data import H5File

        data = H5File(str(path))[SOURCE, "image.data"]
        readers["EXtra-data"] = lambda row: data.train_from_id(1000 + row // 32)[1][row % 32, 0]
    return readers


def report(name: str, readers: dict[str, Read], rows: Iterable[int], repeats: int) -> Any:
    """Print and return reads per second and MB/s of every reader, medians of the repeats."""
    order = np.random.default_rng(2).permutation(list(rows)).tolist()
    first = {who: np.asarray(read(order[0])) for who, read in readers.items()}
    if not all(np.array_equal(frame, first["h5py"]) for frame in first.values()):
        raise SystemExit(f"{name}: the readers give different frames")
    seconds: dict[str, list[float]] = {who: [] for who in readers}
    for number in range(repeats):
        for who, read in list(readers.items())[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            # EXtra-data reads whole trains, so a few do.
            some = order[:16] if who == "EXtra-data" else order
            for row in some:
                read(row)
            seconds[who].append((time.perf_counter() - start) / len(some))
    size = first["h5py"].nbytes / 1e6
    figures = {}
    for who, times in seconds.items():
        median = statistics.median(times)
        figures[who] = {"reads_per_second": 1 / median, "MB_per_second": size / median}
        print(f"{name:<26}{who:<12}{1 / median:>10.0f} reads/s{size / median:>9.0f} MB/s")
    return figures


if __name__ == "__main__":
    main()
