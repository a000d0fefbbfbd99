"""A stand-in for psana 2: the calls that its reader makes, for a camera in two streams.

A run is ``DIR/run0034.npz``, or a ``.npz`` with the name of a file: ``times``, ``planes`` (events,
2, rows, columns), and ``torn``, which events lack the second plane; those have no camera at all
whose first pixel is 0. With its traps: one interface for all runs, and constants from a server.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

xtc_version = 2
STARTED_MPI = os.environ.get("PS_PARALLEL", "mpi") == "mpi" or "OMPI_COMM_WORLD_SIZE" in os.environ

OPEN: list[Run] = []
"""Runs whose files are open."""


class Event:
    """An event; its parts are those of the streams, None where one is missing."""

    def __init__(self, time: int, planes: NDArray[np.uint16], held: dict[int, Any]) -> None:
        self.timestamp, self.planes, self.held = time, planes, held

    def __iter__(self) -> Iterator[Any]:
        for number in range(3):
            yield SimpleNamespace(cam={number: None}) if number in self.held else None


class Interface:
    """``cam.raw``: the same object for every run, as it is for the last that asked."""

    _configs: Any
    pedestal: float | None

    def raw(self, event: Event) -> NDArray[np.uint16] | None:
        """The planes; None unless all are there."""
        return event.planes if len(event.held) == 2 else None

    def calib(self, event: Event) -> NDArray[np.float32] | None:
        """The planes without the pedestal of the run."""
        assert self.pedestal is not None, "no constants were asked for"
        raw = self.raw(event)
        return None if raw is None else raw.astype(np.float32) - np.float32(self.pedestal)

    def image(self, event: Event) -> NDArray[np.float32] | None:
        """The planes, one under the other."""
        calib = self.calib(event)
        return None if calib is None else np.vstack([*calib])


class Run:
    """A run."""

    interface = Interface()

    def __init__(self, path: Path, pedestal: float | None) -> None:
        with np.load(path) as archive:
            self._times, self._planes, self._torn = (
                archive[name] for name in ("times", "planes", "torn")
            )
        self.runnum, self._pedestal = int(path.stem[-4:]), pedestal
        self.detinfo = {
            ("cam", "raw"): ["calib", "config", "image", "raw"],
            ("epics", "raw"): ["config"],
            ("bad", "raw"): "<error: no class>",
        }
        camera, other = SimpleNamespace(software=SimpleNamespace(cam={})), SimpleNamespace()
        self.configs = [camera, camera, SimpleNamespace(software=other)]
        info = SimpleNamespace(configs=[camera, camera], sorted_segment_ids=[0, 1])
        self.dsparms = SimpleNamespace(configinfo_dict={"cam": info})
        first = path.with_name("x-r0034-s000-c000.xtc2")
        self.dm = SimpleNamespace(xtc_files=[first], close=self._close)
        OPEN.append(self)
        self._ts_table: dict[int, dict[int, Any]] | None = None

    def _close(self) -> None:
        OPEN.remove(self)

    def Detector(self, name: str) -> SimpleNamespace:
        """The camera, whose interface is from now on that of this run."""
        self.interface._configs = self.dsparms.configinfo_dict[name].configs
        self.interface.pedestal = self._pedestal
        return SimpleNamespace(raw=self.interface)

    @contextlib.contextmanager
    def build_table(self) -> Iterator[bool]:
        """Where the parts of the events are."""
        self._ts_table = {one.timestamp: one.held | {2: None} for one in self.events()}
        yield True

    def event(self, time: int) -> Event:
        """The event of that time stamp."""
        assert self._ts_table is not None
        return next(one for one in self.events() if one.timestamp == time)

    def events(self) -> Iterator[Event]:
        """All events, in the order of the file."""
        for time, planes, torn in zip(self._times, self._planes, self._torn, strict=True):
            held = {} if not planes[0, 0, 0] else {0: None} if torn else {0: None, 1: None}
            yield Event(int(time), planes, held)


class DataSource:
    """A run, by experiment or by a file."""

    def __init__(self, *, log_level: int, skip_calib_load: str = "", **options: Any) -> None:
        if "files" in options:
            path = Path(options.pop("files")[0]).with_suffix(".npz")
        else:
            assert options.pop("exp") == "exp"
            path = Path(options.pop("dir"), f"run{options.pop('run'):04}.npz")
        assert not options
        if not path.exists():
            # The real one ends the program.
            raise SystemExit(1)
        self._run = Run(path, None if skip_calib_load == "all" else int(path.stem[-4:]) + 0.5)

    def runs(self) -> Iterator[Run]:
        """The only run."""
        yield self._run
