"""Events of LCLS as psana reads them, the facility's own package: psana 1 and psana 2.

Frames are what a method of a psana detector returns, ``raw``, or, with the facility's
calibrations, ``calib`` or ``image``. Events have the pids of `xtc` and `xtc2`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ....launch.environment import LAUNCH_PREFIXES
from ..reader import Facts, Frame, PidDatasets, Scan
from .facility import faults_told, package
from .psana1 import Psana1Run
from .psana2 import Psana2Run
from .psana_run import Events, PsanaRun

_MOST_TRIED = 100
"""Events that are read until one holds the detector, and so tells the shape."""
_PARALLEL = "PS_PARALLEL"
_ADVICE = (
    "psana 1 is installed at LCLS, psana 2 also by pip install psana; readers xtc and xtc2 need "
    "no package of the facility"
)


class PsanaReader:
    """Frames of one detector of one run.

    A source is ``exp=cxib7913:run=34``, with ``:dir=FOLDER`` for files elsewhere, or for psana 2 a
    file. ``dataset`` is the detector, with the method behind a dot unless that is ``raw``:
    ``DscCsPad``, ``DscCsPad.calib``; for psana 2 ``jungfrau``, ``jungfrau.raw.calib``.
    """

    needs_file = False
    facts = Facts()

    def sniff(self, path: str) -> bool:
        """Never: such a reader must be named."""
        return False

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """The events that hold the detector; reads one frame, for its shape.

        With psana 2 those that lack a segment are `INCOMPLETE`, and it gives no frame for them.

        Raises
        ------
        SourceError
            If psana is missing or cannot read the run, there is no such detector, or ``pid`` is
            given.
        """
        if pid:
            raise SourceError(f"{source}: events of psana have pids of their own; leave 'pid' out")
        with contextlib.closing(_open(source, dataset)) as run, faults_told(source, "psana"):
            events = run.events()
            data = _first_frame(run, events)
        shape = (len(events.rows), *data.shape)
        return Scan(
            run.dataset, events.pids, events.pid_names, shape, str(data.dtype),
            events.rows, events.flags, left_out=events.left_out,
        )  # fmt: skip

    def open(self, source: str) -> PsanaHandle:
        """The source; a run is opened for each detector that is asked for."""
        return PsanaHandle(source)


class PsanaHandle:
    """Open runs, one for each detector."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._runs: dict[str, PsanaRun] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """What psana returns: an image (rows, columns), or a stack (modules, rows, columns)."""
        if dataset not in self._runs:
            self._runs[dataset] = _open(self._source, dataset)
        with faults_told(self._source, "psana"):
            frame = self._runs[dataset].frame(row)
        if frame is None:
            raise SourceError(f"{self._source}: psana gives no {dataset} for this event")
        return frame

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The frame of another detector, or by another method."""
        return self.event(dataset, row).data

    def close(self) -> None:
        """Release the files."""
        while self._runs:
            self._runs.popitem()[1].close()


def _open(source: str, dataset: str | None) -> PsanaRun:
    with _outside_launch():
        library = package("psana", _ADVICE)
    with faults_told(source, "psana"):
        # Both packages have one name; the second tells its version of the format.
        if getattr(library, "xtc_version", 1) == 1:
            return Psana1Run(library, source, dataset)
        return Psana2Run(library, source, dataset)


@contextlib.contextmanager
def _outside_launch() -> Iterator[None]:
    """An environment that tells of no launch of MPI.

    psana 2 starts MPI when it is imported. In a child of a rank it would be a second process of
    that rank, and in a rank it would share out the work among all of them.
    """
    telling = [name for name in os.environ if name.startswith((*LAUNCH_PREFIXES, _PARALLEL))]
    hidden = {name: os.environ.pop(name) for name in telling}
    os.environ[_PARALLEL] = "none"
    try:
        yield
    finally:
        del os.environ[_PARALLEL]
        os.environ.update(hidden)


def _first_frame(run: PsanaRun, events: Events) -> NDArray[Any]:
    whole = events.rows[events.flags == 0]
    for row in whole[:_MOST_TRIED].tolist():
        if (frame := run.frame(row)) is not None:
            return frame.data
    if len(whole):
        raise ValueError(f"{run.dataset} is in none of the first events")
    return np.empty((0, 0), np.uint8)
