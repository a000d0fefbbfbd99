"""A process that writes a run while others read it; shared by the tests of follow mode."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spring_mpi.events.formats.simulated.reader import SimulateReader


def frame(number: int) -> NDArray[Any]:
    """The frame of an event: one of a few simulated hits."""
    return SimulateReader().open("events=4:seed=7").event("", number % 4).data


class RunFile:
    """An HDF5 file in SWMR mode: frames ``pattern``, pids ``pid_1``, both growing."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "w", libver="latest")
        shape = frame(0).shape
        self._frames = self._file.create_dataset(
            "pattern", (0, *shape), np.float32, maxshape=(None, *shape), chunks=(1, *shape)
        )
        self._pids = self._file.create_dataset(
            "pid_1", (0,), np.int64, maxshape=(None,), chunks=(64,)
        )
        self._file.swmr_mode = True

    def add_pid(self, pid: int) -> None:
        """Half of an event: its pid, the file being flushed."""
        self._pids.resize(len(self._pids) + 1, axis=0)
        self._pids[-1] = pid
        self._pids.flush()

    def add_frame(self, pid: int) -> None:
        """The other half: its frame."""
        self._frames.resize(len(self._frames) + 1, axis=0)
        self._frames[-1] = frame(pid)
        self._frames.flush()

    def add(self, pid: int) -> None:
        """A whole event."""
        self.add_pid(pid)
        self.add_frame(pid)

    def close(self, _: int = 0) -> None:
        """End the file."""
        self._file.close()


def write_shot(folder: Path, pid: int) -> Path:
    """An event in a file of its own, ``shot_PID.npz``."""
    path = folder / f"shot_{pid}.npz"
    np.savez(path, pattern=frame(pid), pid_1=np.array([pid]))
    return path


class Writer:
    """A process with a `RunFile`; its methods are carried out there, one after the other."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate(timeout=60)

    def do(self, method: str, pid: int = 0) -> None:
        """Let it call a method of its `RunFile`; returns when that is done."""
        assert self._process.stdin is not None
        print(method, pid, file=self._process.stdin, flush=True)
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"


def main(path: str) -> None:
    """The process: a line for each method to call, answered when that is done."""
    file = RunFile(Path(path))
    print("done", flush=True)
    for line in sys.stdin:
        method, pid = line.split()
        getattr(file, method)(int(pid))
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
