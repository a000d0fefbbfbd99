"""A run of LCLS-I by psana 1, whose ``idx`` mode reads events in any order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....errors import SourceError
from ..experiment import MODES, names_experiment
from ..reader import Frame
from .psana_run import METHODS, Events, only_run, raw_form, unknown_detector


class Psana1Run:
    """A run with a detector; events are found by their places in psana's list of times."""

    def __init__(self, psana: Any, source: str, dataset: str | None) -> None:
        if not names_experiment(source):
            raise SourceError(f"{source}: psana 1 takes exp=NAME:run=N; reader xtc takes files")
        self._number = only_run(source)
        text = ":".join(part for part in source.split(":") if part not in MODES)
        self._source = psana.DataSource(f"{text}:idx")
        if (run := next(iter(self._source.runs()), None)) is None:
            raise SourceError(f"{source}: psana finds no run there")
        self._run, self._times = run, run.times()
        # A detector belongs to the data source that was made last.
        name, method = _split(dataset)
        known = {name for names in psana.DetNames("detectors") for name in names if name}
        if name not in known:
            raise unknown_detector(source, name, known)
        self._method = getattr(psana.Detector(name), method)
        self.dataset = f"{name}.{method}"

    def events(self) -> Events:
        """Pids (run, seconds << 32 | nanoseconds, fiducial) of all events of the run.

        What is in them psana tells only when they are read.
        """
        pids = [(self._number, time.time(), time.fiducial()) for time in self._times]
        return Events(
            pid_names=("run", "time", "fiducial"),
            pids=np.array(pids, np.int64).reshape(-1, 3),
            rows=np.arange(len(pids), dtype=np.uint64),
            flags=np.zeros(len(pids), np.uint32),
        )

    def frame(self, row: int) -> Frame | None:
        """The image, or the stack of all modules."""
        event = self._run.event(self._times[row])
        data = None if event is None else self._method(event)
        if data is None:
            return None
        frame = np.asarray(data)
        return Frame(frame, raw=raw_form(self.dataset, frame.dtype))

    def close(self) -> None:
        """Let psana release its files."""
        del self._run, self._source


def _split(dataset: str | None) -> tuple[str, str]:
    """Detector and method; names of detectors may have dots, as ``CxiDs1.0:Cspad.0``."""
    name, _, method = (dataset or "").rpartition(".")
    return (name, method) if method in METHODS else (dataset or "", "raw")
