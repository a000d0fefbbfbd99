"""The pace of quick jobs: hits per second and core, right answers, and seconds to a verdict.

    python benchmarks/pace.py [--hits 60] [--workers 2] [--ranks N] [--rounds 3] [--every 1]
                              [--only pace answers follow] [--json FILE]

pace     hits per core second by the clock, and by the processors' time; without full jobs
answers  good and right results of `quick: true`, and of the full jobs that follow
follow   an event is written; how long until its verdict stands in ``summary.csv``?

Compact simulated hits (sphere, spheroid, polyhedron, aggregate) at 128 x 128 are written to an HDF5
file first, and reconstructed by ``spring-batch``: with so many workers, or over so many MPI ranks.
A result is right where it and its spectrum from the hole's edge to N/6 correlate with the truth by
0.95. The processors' time is that of a campaign of all hits less that of one with a quarter of
them, so that start and end do not count. Medians of the rounds; on a busy machine the clock tells
nothing.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from common import options, report
from known_truth.scores import scores
from numpy.typing import NDArray

from spring_mpi.config.quick import PRESET
from spring_mpi.events.formats.simulated.diffraction import Detector, diffraction, shapes, truth
from spring_mpi.model.result import Result

_COMPACT = ("sphere", "spheroid", "polyhedron", "aggregate")
_PHOTONS, _FIRST_SEED = (10**5.5, 1e6, 10**6.5), 5000
SIZE, _HOLE_EDGE = 128, 3.5  # binned pixels
_LOOK_EVERY, _PATIENCE = 0.005, 600.0
_OPEN_MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


@dataclass(frozen=True)
class Hit:
    """A frame, detector units, and the density that it is of, (SIZE, SIZE)."""

    frame: NDArray[np.float32]
    known: NDArray[np.floating]


def hits(number: int) -> Iterator[Hit]:
    """The first compact hits; each is drawn with a seed of its own."""
    detector, makers = Detector(), shapes()
    for hit in range(number):
        random = np.random.default_rng(_FIRST_SEED + hit)
        density = makers[_COMPACT[hit % len(_COMPACT)]](float(random.uniform(30, 48)), random)
        photons = _PHOTONS[hit % len(_PHOTONS)]
        frame = detector.record(diffraction(density, detector, photons), random)
        yield Hit(frame.astype(np.float32), truth(density, SIZE))


class RunFile:
    """An HDF5 file that grows, in SWMR mode."""

    def __init__(self, path: Path) -> None:
        detector = Detector()
        self._file = h5py.File(path, "w", libver="latest")
        self._file["mask"] = detector.excluded().astype(np.uint8)
        self._frames = self._file.create_dataset(
            "pattern", (0, *detector.shape), np.float32, maxshape=(None, *detector.shape),
            chunks=(1, *detector.shape),
        )  # fmt: skip
        self._pids = self._file.create_dataset("pid", (0,), np.int64, maxshape=(None,))
        self._file.swmr_mode = True

    def add(self, frame: NDArray[np.float32]) -> float:
        """Append an event; the time at which it can be read."""
        for dataset, value in ((self._frames, frame), (self._pids, len(self._pids))):
            dataset.resize(len(dataset) + 1, axis=0)
            dataset[-1] = value
            dataset.flush()
        return time.time()

    def close(self) -> None:
        """End the file."""
        self._file.close()


class Campaign:
    """``spring-batch`` on a file of hits, in a folder of its own."""

    def __init__(self, folder: Path, hits: int | None, ranks: int, workers: int) -> None:
        self.folder, self.rundir = folder, folder / "run"
        self._hits, self._ranks, self._workers = hits, ranks, workers

    def start(self, sections: dict[str, Any], *arguments: str) -> subprocess.Popen[bytes]:
        """Begin it; ``sections`` replace those of the config."""
        detector = Detector()
        config = {
            "name": "pace",
            "output": str(self.rundir),
            "data": {
                "source": str(self.folder / "hits.h5"), "dataset": "pattern", "pid": "pid",
                "mask": {"dataset": "mask", "bad": 1},
            },
            "events": "all" if self._hits is None else {"slice": f"0:{self._hits}"},
            "pattern": {
                "center": list(detector.center), "cropsize": 2 * SIZE, "size": SIZE,
                "satvalue": detector.satvalue, "gain": detector.gain,
            },
            "settings": {"init": {"supportsize": 50}},
        }  # fmt: skip
        path = self.folder / "c.yaml"
        path.write_text(json.dumps(config | sections))  # JSON is YAML, too
        batch = [sys.executable, "-m", "spring_mpi.cli.batch", str(path), "--quiet", *arguments]
        launcher = ["mpirun", "--oversubscribe", "-n", str(self._ranks)] if self._ranks else []
        workers = [] if self._ranks else ["--workers", str(self._workers)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | _OPEN_MPI_AS_ROOT
        return subprocess.Popen([*launcher, *batch, *workers], env=environment,
                                start_new_session=True)  # fmt: skip

    def run(self, sections: dict[str, Any]) -> None:
        """From start to end; RuntimeError where jobs were not done."""
        if code := self.start(sections).wait(_PATIENCE):
            raise RuntimeError(f"the campaign ended with exit {code}")

    @property
    def cores(self) -> int:
        """Workers, one core each."""
        return self._ranks - 1 if self._ranks else self._workers

    def times(self, state: str) -> list[float]:
        """When jobs came into a state, seconds since 1970."""
        lines = map(json.loads, (self.rundir / "journal.jsonl").read_text().splitlines())
        return [line["t"] for line in lines if line.get("state") == state]

    def rows(self) -> list[dict[str, str]]:
        """The lines of ``summary.csv``."""
        with open(self.rundir / "summary.csv", newline="") as file:
            return list(csv.DictReader(file))


Make = Callable[[int | None], Any]
"""A context with a campaign of so many hits."""


def pace(make: Make, number: int) -> dict[str, float]:
    """How fast quick jobs are, when all of them are quick."""
    spent, clock, less = [], 0.0, max(number // 4, 1)
    for part in (less, number):
        with make(part) as campaign:
            before = _processor_seconds()
            campaign.run({"settings": _merged({"init.supportsize": 50, **PRESET})})
            spent.append(_processor_seconds() - before)
            clock = campaign.times("done")[-1] - campaign.times("running")[0]
            cores = campaign.cores
    return {
        "hits per core second by the clock": number / clock / cores,
        "processor seconds per hit, all processes": (spent[1] - spent[0]) / (number - less),
    }


def answers(make: Make, known: Sequence[NDArray[np.floating]]) -> dict[str, float]:
    """What quick jobs, and the full ones that follow, came to."""
    with make(None) as campaign:
        campaign.run({"quick": True})
        rows = campaign.rows()
        right = {row["name"]: _is_right(campaign.rundir / row["file"], known) for row in rows}
    quick = [row for row in rows if not row["name"].endswith("~full")]
    full = [row for row in rows if row["name"].endswith("~full")]
    good = [row["name"] for row in quick if row["verdict"] == "good"]
    return {
        "share right": float(np.mean([right[row["name"]] for row in quick])),
        "share good": len(good) / len(quick),
        "share good and right": sum(right[name] for name in good) / len(quick),
        "good and wrong": float(sum(not right[name] for name in good)),
        "full jobs": float(len(full)),
        "full jobs good and right": float(
            sum(right[row["name"]] and row["verdict"] == "good" for row in full)
        ),
        "seconds in the engine per quick job, median": statistics.median(
            float(row["seconds"]) for row in quick
        ),
    }


def follow(make: Make, frames: Sequence[NDArray[np.float32]], every: float) -> dict[str, float]:
    """Seconds from an event that can be read to its verdict in ``summary.csv``."""
    with make(None) as campaign:
        (campaign.folder / "hits.h5").unlink()
        file = RunFile(campaign.folder / "hits.h5")
        file.add(frames[0])
        data = {"source": str(campaign.folder / "hits.h5"), "dataset": "pattern", "pid": "pid",
                "mask": {"dataset": "mask", "bad": 1}, "follow": 0.1}  # fmt: skip
        process = campaign.start({"data": data, "quick": True}, "--serve")
        try:
            seen = _Seen(campaign, process)
            seen.wait_for("0")  # the workers have begun
            written, due = {}, time.time()
            for number, frame in enumerate(frames[1:], start=1):
                due += every
                while time.time() < due:
                    seen.look()
                written[str(number)] = file.add(frame)
            late = [seen.wait_for(name) - at for name, at in written.items()]
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(_PATIENCE)
            file.close()
    return {
        "seconds to a verdict, median": statistics.median(late),
        "seconds to a verdict, 90 %": float(np.quantile(late, 0.9)),
        "seconds to a verdict, worst": max(late),
    }


class _Seen:
    """When each job's verdict was first seen in ``summary.csv``."""

    def __init__(self, campaign: Campaign, process: subprocess.Popen[bytes]) -> None:
        self._path, self._process = campaign.rundir / "summary.csv", process
        self._times: dict[str, float] = {}
        self._size = 0

    def look(self) -> None:
        """Once, and rest a moment."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size != self._size:
            now, text = time.time(), self._path.read_text()
            lines = text[: text.rfind("\n") + 1].splitlines()[1:]
            for line in lines:
                self._times.setdefault(line.partition(",")[0], now)
            self._size = size
        time.sleep(_LOOK_EVERY)

    def wait_for(self, name: str) -> float:
        """When it was seen; RuntimeError where the campaign ends before, or nothing comes."""
        deadline = time.monotonic() + _PATIENCE
        while name not in self._times:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the campaign did not go on to {name}")
            self.look()
        return self._times[name]


def _is_right(path: Path, known: Sequence[NDArray[np.floating]]) -> bool:
    result = Result.load(path)
    return scores(result.data, known[result.pid[0]], _HOLE_EDGE).right


def _merged(changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        section, key = name.split(".")
        sections.setdefault(section, {})[key] = value
    return sections


def _processor_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Measure and report."""
    parser = options(__doc__)
    parser.add_argument("--hits", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ranks", type=int, default=0, help="over MPI, rank 0 included")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two events")
    parts = ("pace", "answers", "follow")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    arguments = parser.parse_args()
    made = list(hits(arguments.hits))
    frames, known = [hit.frame for hit in made], [hit.known for hit in made]

    @contextmanager
    def make(number: int | None) -> Iterator[Campaign]:
        with tempfile.TemporaryDirectory(prefix="spring-") as name:
            file = RunFile(Path(name, "hits.h5"))
            for frame in frames:
                file.add(frame)
            file.close()
            yield Campaign(Path(name), number, arguments.ranks, arguments.workers)

    figures: dict[str, float] = {}
    if "pace" in arguments.only:
        rounds = [pace(make, arguments.hits) for _ in range(arguments.rounds)]
        for label in rounds[0]:
            figures[label] = statistics.median(each[label] for each in rounds)
    if "answers" in arguments.only:
        figures |= answers(make, known)
    if "follow" in arguments.only:
        figures |= follow(make, frames, arguments.every)
    where = f"{arguments.ranks} ranks" if arguments.ranks else f"{arguments.workers} workers"
    report(f"{arguments.hits} compact hits at {SIZE} x {SIZE}, {where}", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
