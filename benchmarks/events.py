"""Reads of events, single ones and batches: ours against plain h5py and EXtra-data, same files.

All read the same frames in the same order, one after the other in each repetition, so that a busy
machine slows them alike; files are in the page cache. Single frames are dropped when they are
read; those of a batch are used in turn and dropped, or all kept until the end. EXtra-data takes
part where it is installed. A table and JSON.
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
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from spring_mpi.events.event import EventRef, source_of_file
from spring_mpi.events.formats.registry import find_reader
from spring_mpi.events.reading.loader import Loader

SHAPE = (512, 512)
SOURCE = "SPB_DET_AGIPD1M-1/DET/7CH0:xtdf"
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "one frame per chunk": {"chunks": (1, *SHAPE)},
    "gzip": {"chunks": (1, *SHAPE), "compression": "gzip", "compression_opts": 1},
    "bitshuffle LZ4": {"chunks": (1, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")},
    "16 frames per chunk, LZ4": {"chunks": (16, *SHAPE), **hdf5plugin.Bitshuffle(cname="lz4")},
}

ORDERS: dict[str, Callable[[int], Sequence[int]]] = {
    "random": lambda count: np.random.default_rng(2).permutation(count).tolist(),
    "in order": range,
    "every 3rd": lambda count: range(0, count, 3),
}

Read = Callable[[int], Any]
Batch = Callable[[Sequence[int]], Iterable[Any]]

Use = Callable[[Iterable[Any]], Any]

USES: dict[str, Use] = {
    "in turn": partial(deque, maxlen=0),
    "kept": list,
}


def main() -> None:
    """Measure, print the table, write the JSON that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=512, help="in each file")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    print(f"{machine}; h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
    results: dict[str, Any] = {"machine": machine, "frames": arguments.frames}
    count, repeats = arguments.frames, arguments.repeats
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, options) in enumerate(LAYOUTS.items()):
            path = write_hdf5(Path(folder) / f"{number}.h5", count, options)
            readers = {"h5py": plain(path, "data"), "spring-mpi": loader(path, "hdf5", "/data")}
            batches = {"h5py": each(plain(path, "data")), "spring-mpi": many(path, "hdf5", "/data")}
            results[name] = report(name, readers, count, repeats)
            results[f"{name}, batches"] = report_batches(name, batches, count, repeats)
        path, name = write_euxfel(Path(folder), count), "EuXFEL module"
        count -= count % 32
        results[name] = report(name, euxfel_readers(path), count, repeats)
        batches = euxfel_batches(path)
        results[f"{name}, batches"] = report_batches(name, batches, count, repeats)
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


def each(read: Read) -> Batch:
    """A batch of single reads."""
    return lambda rows: map(read, rows)


def references(path: Path, reader: str, dataset: str | None = None) -> list[EventRef]:
    """Where all events of a file are."""
    source = source_of_file(str(path), reader)
    scan = find_reader(reader).scan(str(path), dataset=dataset, pid=None)
    rows = range(scan.shape[0]) if scan.rows is None else scan.rows.tolist()
    return [EventRef((0, number), source, scan.dataset, row) for number, row in enumerate(rows)]


def loader(path: Path, reader: str, dataset: str | None = None) -> Read:
    """Our loader, with all it checks."""
    refs, loads = references(path, reader, dataset), Loader()
    return lambda row: loads.read(refs[row]).data


def many(path: Path, reader: str, dataset: str | None = None) -> Batch:
    """Our loader, with all it checks, in windows of its usual size."""
    refs, loads = references(path, reader, dataset), Loader()
    return lambda rows: (event.data for event in loads.read_many(refs[row] for row in rows))


def euxfel_readers(path: Path) -> dict[str, Read]:
    """Those of a module's file."""
    name = f"INSTRUMENT/{SOURCE}/image/data"
    readers = {"h5py": plain(path, name, (0,)), "spring-mpi": loader(path, "euxfel")}
    if importlib.util.find_spec("extra_data"):
        from extra_data import H5File

        data = H5File(str(path))[SOURCE, "image.data"]
        readers["EXtra-data"] = lambda row: data.train_from_id(1000 + row // 32)[1][row % 32, 0]
    return readers


def euxfel_batches(path: Path) -> dict[str, Batch]:
    """Those of a module's file; EXtra-data reads all of it, and what is wanted is taken."""
    name = f"INSTRUMENT/{SOURCE}/image/data"
    batches = {"h5py": each(plain(path, name, (0,))), "spring-mpi": many(path, "euxfel")}
    if importlib.util.find_spec("extra_data"):
        from extra_data import H5File

        data = H5File(str(path))[SOURCE, "image.data"]
        batches["EXtra-data"] = lambda rows: data.ndarray(roi=np.s_[0])[list(rows)]
    return batches


def report(name: str, readers: Mapping[str, Read], count: int, repeats: int) -> Any:
    """Print and return reads per second and MB/s of every reader, medians of the repeats."""
    order = ORDERS["random"](count)
    first = {who: read(order[0]) for who, read in readers.items()}
    refuse_unlike(name, first)
    # EXtra-data reads whole trains, so a few do.
    rows = {who: order[:16] if who == "EXtra-data" else order for who in readers}
    work = {who: partial(one_by_one, readers[who], rows[who]) for who in readers}
    size, figures = np.asarray(first["h5py"]).nbytes / 1e6, {}
    for who, seconds in medians(work, repeats).items():
        rate = len(rows[who]) / seconds
        figures[who] = {"reads_per_second": rate, "MB_per_second": size * rate}
        print(f"{name:<26}{who:<12}{rate:>10.0f} reads/s{size * rate:>9.0f} MB/s")
    return figures


def one_by_one(read: Read, rows: Sequence[int]) -> None:
    """Read frames and drop each."""
    for row in rows:
        read(row)


def report_batches(name: str, batches: Mapping[str, Batch], count: int, repeats: int) -> Any:
    """Print and return events per second of every reader, order and use; the gain over h5py."""
    figures: dict[str, Any] = {}
    for (kind, order), (use, used) in product(ORDERS.items(), USES.items()):
        rows = order(count)
        refuse_unlike(name, {who: list(batch(rows)) for who, batch in batches.items()})
        work = {who: partial(taken, batch, rows, used) for who, batch in batches.items()}
        seconds = medians(work, repeats)
        for who, duration in seconds.items():
            gain = seconds["h5py"] / duration
            per_second = len(rows) / duration
            figures[f"{kind}, {use}, {who}"] = {"events_per_second": per_second, "gain": gain}
            rate = f"{per_second:>10.0f} events/s"
            print(f"{name:<26}{who:<12}{rate}   {kind + ', ' + use:<20} x{gain:.1f}")
    return figures


def taken(batch: Batch, rows: Sequence[int], use: Use) -> Any:
    """A batch that is read and used."""
    return use(batch(rows))


def medians(work: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Seconds of each piece of work, all of them in every repeat, in turned order."""
    seconds: dict[str, list[float]] = {who: [] for who in work}
    for number in range(repeats):
        for who in list(work)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            done = work[who]()
            seconds[who].append(time.perf_counter() - start)
            del done
    return {who: statistics.median(rounds) for who, rounds in seconds.items()}


def refuse_unlike(name: str, found: Mapping[str, Any]) -> None:
    """End where readers give different frames."""
    if not all(np.array_equal(frames, found["h5py"]) for frames in found.values()):
        raise SystemExit(f"{name}: the readers give different frames")


if __name__ == "__main__":
    main()
