"""A run of LCLS-II by psana 2: by its table of times, or going through a file."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ....errors import SourceError
from ...left_out import LeftOut
from ...source import run_in_name
from ..experiment import parse_experiment
from ..reader import INCOMPLETE, Frame
from .psana_run import METHODS, Events, only_run, raw_form, unknown_detector


class Psana2Run:
    """A run with a detector; events are found by their time stamps."""

    def __init__(self, psana: Any, source: str, dataset: str | None) -> None:
        self._psana, self._text, self._wanted = psana, source, dataset
        self._begin()

    def events(self) -> Events:
        """Pids (run, time stamp) in the order of time; `INCOMPLETE` where a segment is missing."""
        found = dict(self._held())
        if next(self._runs, None) is not None:
            raise SourceError(f"{self._text}: it holds several runs; reader xtc2 takes them")
        number = run_in_name(self._text) if self._run.runnum is None else int(self._run.runnum)
        times = sorted(time for time, is_whole in found.items() if is_whole is not None)
        others = LeftOut(len(found) - len(times), ("other detectors",))
        return Events(
            pid_names=("run", "timestamp"),
            pids=np.array([(number, time) for time in times], np.int64).reshape(-1, 2),
            rows=np.array(times, np.uint64),
            flags=np.array([0 if found[time] else INCOMPLETE for time in times], np.uint32),
            left_out=(others,) if others.events else (),
        )

    def frame(self, row: int) -> Frame | None:
        """The image, or the stack, whose ``info["modules"]`` are numbered as by `xtc2`."""
        event = self._event(row)
        if event.timestamp != row:
            raise ValueError(f"psana found the event of {event.timestamp} in its place")
        data = self._method()(event)
        if data is None:
            return None
        frame = np.asarray(data)
        raw = raw_form(f"{self._kind} {self.dataset}", frame.dtype)
        return Frame(frame, info=self._numbered(frame.shape), raw=raw)

    def close(self) -> None:
        """Release the files, which psana leaves open."""
        self._run.dm.close()

    def _numbered(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """The numbers of the planes: segment x planes + plane."""
        planes, rest = divmod(shape[0] if len(shape) == 3 else 1, len(self._segments))
        if self._call == "image" or rest:
            return {}
        return {"modules": tuple(one * planes + n for one in self._segments for n in range(planes))}

    def _begin(self) -> None:
        """Open the run and its detector."""
        options: dict[str, Any] = {**self._files(), "log_level": logging.WARNING}
        if not (self._wanted or "").endswith((".calib", ".image")):
            # Constants come from a server of the facility, and raw data need none.
            options["skip_calib_load"] = "all"
        self._source = self._psana.DataSource(**options)
        self._runs = self._source.runs()
        if (run := next(self._runs, None)) is None:
            raise SourceError(f"{self._text}: psana finds no run there")
        self._run = run
        self.dataset = _full_name(self._text, self._wanted, self._run.detinfo)
        self._name, self._algorithm, self._call = self.dataset.split(".")
        config = self._run.dsparms.configinfo_dict[self._name]
        self._configs, self._segments = config.configs, config.sorted_segment_ids
        self._kind = str(getattr(config, "dettype", ""))
        self._interface: Any = None

    def _method(self) -> Any:
        # psana keeps one interface for all detectors of a name, with the constants of the run
        # that asked for it last.
        if getattr(self._interface, "_configs", None) is not self._configs:
            self._interface = getattr(self._run.Detector(self._name), self._algorithm)
        return getattr(self._interface, self._call)

    def _files(self) -> dict[str, Any]:
        """Which files are meant, as arguments of `DataSource`."""
        raise NotImplementedError

    def _held(self) -> Iterator[tuple[int, bool | None]]:
        """Time stamps of the events, and whether they have all of the detector; None: nothing."""
        raise NotImplementedError

    def _event(self, time: int) -> Any:
        """The event of that time stamp."""
        raise NotImplementedError


class TableRun(Psana2Run):
    """A run with small data, from which psana makes a table of its events."""

    def _files(self) -> dict[str, Any]:
        wanted = parse_experiment(self._text)
        if wanted.streams:
            raise SourceError(f"{self._text}: psana 2 takes all streams; leave stream= out")
        place = {"dir": wanted.folder} if wanted.folder else {}
        return {"exp": wanted.name, "run": only_run(self._text), **place}

    def _begin(self) -> None:
        super()._begin()
        self._refuse_chunks()
        with self._run.build_table():
            pass

    def _refuse_chunks(self) -> None:
        """psana 4.3 looks for all events in the first chunk (github.com/slac-lcls/lcls2, #130)."""
        for path in map(str, self._run.dm.xtc_files):
            folder, name = map(glob.escape, os.path.split(path))
            chunks = glob.glob(os.path.join(folder, re.sub(r"-c\d+\.", "-c*.", name)))
            if len(chunks) > 1:
                raise SourceError(
                    f"{self._text}: {path} is one of {len(chunks)} chunks, and psana finds events "
                    "in the first one only; use reader xtc2"
                )

    def _held(self) -> Iterator[tuple[int, bool | None]]:
        streams = {
            number for number, config in enumerate(self._run.configs)
            if hasattr(config.software, self._name)
        }  # fmt: skip
        for time, parts in self._run._ts_table.items():
            held = streams & parts.keys()
            yield time, held == streams if held else None

    def _event(self, time: int) -> Any:
        return self._run.event(time)


class FileRun(Psana2Run):
    """The first chunk of a stream; psana goes through it from event to event, so this is slow."""

    def _files(self) -> dict[str, Any]:
        if re.search(r"-c0*[1-9]\d*\.xtc2", self._text):
            # psana would end the process: what the data mean stands in the first chunk.
            raise SourceError(f"{self._text}: psana opens first chunks only; use reader xtc2")
        return {"files": [self._text]}

    def _begin(self) -> None:
        super()._begin()
        self._ahead = self._run.events()

    def _held(self) -> Iterator[tuple[int, bool | None]]:
        for event in self._ahead:
            held = {one for part in event if part for one in getattr(part, self._name, ())}
            yield event.timestamp, held == set(self._segments) if held else None

    def _event(self, time: int) -> Any:
        for _ in ("from here", "from the start"):
            for event in self._ahead:
                if event.timestamp == time:
                    return event
            self.close()
            self._begin()
        raise KeyError(f"no event has the time stamp {time}")


def _full_name(source: str, dataset: str | None, interfaces: Mapping[tuple[str, str], Any]) -> str:
    """``detector.algorithm.method``; the last two are ``raw`` where they are left out."""
    known = {
        f"{name}.{algorithm}.{call}"
        for (name, algorithm), calls in interfaces.items()
        for call in calls if call in METHODS
    }  # fmt: skip
    raw = [one for one in known if one.endswith(".raw")]
    if dataset is None and len(raw) == 1:
        return raw[0]
    words = (dataset or "").split(".")
    if len(words) == 2:
        words.insert(1, "raw")
    full = ".".join(words + ["raw"] * (3 - len(words)))
    if full not in known:
        raise unknown_detector(source, dataset, known)
    return full
