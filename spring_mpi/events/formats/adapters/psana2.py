"""A run of LCLS-II by psana 2: by its table of times, or going through a file."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from ....errors import SourceError
from ...event import run_in_name
from ...left_out import LeftOut
from ..experiment import names_experiment, parse_experiment
from ..reader import INCOMPLETE, Frame
from .psana_run import METHODS, Events, only_run, raw_form, unknown_detector


class Psana2Run:
    """A run with a detector; events are found by their time stamps."""

    def __init__(self, psana: Any, source: str, dataset: str | None) -> None:
        kind = _Table if names_experiment(source) else _Passing
        self._text, self._access = source, kind(psana, source, dataset)
        self.dataset = self._access.opened.dataset

    def events(self) -> Events:
        """Pids (run, time stamp) in the order of time; `INCOMPLETE` where a segment is missing."""
        found, opened = dict(self._access.held()), self._access.opened
        if next(opened.runs, None) is not None:
            raise SourceError(f"{self._text}: it holds several runs; reader xtc2 takes them")
        number = opened.run.runnum
        number = run_in_name(self._text) if number is None else int(number)
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
        event = self._access.event(row)
        if event.timestamp != row:
            raise ValueError(f"psana found the event of {event.timestamp} in its place")
        opened = self._access.opened
        data = opened.image(event)
        if data is None:
            return None
        frame = np.asarray(data)
        raw = raw_form(f"{opened.kind} {self.dataset}", frame.dtype)
        return Frame(frame, info=opened.numbered(frame.shape), raw=raw)

    def close(self) -> None:
        """Release the files."""
        self._access.opened.close()


class _Opened:
    """An open run and its detector.

    Parameters
    ----------
    files
        Which files are meant, as arguments of psana's `DataSource`.
    """

    def __init__(self, psana: Any, text: str, wanted: str | None, files: Mapping[str, Any]) -> None:
        options: dict[str, Any] = {**files, "log_level": logging.WARNING}
        if not (wanted or "").endswith((".calib", ".image")):
            # Constants come from a server of the facility, and raw data need none.
            options["skip_calib_load"] = "all"
        self._source = psana.DataSource(**options)
        self.runs = self._source.runs()
        """Those that follow."""
        if (run := next(self.runs, None)) is None:
            raise SourceError(f"{text}: psana finds no run there")
        self.run = run
        self.dataset = _full_name(text, wanted, run.detinfo)
        self.name, self._algorithm, self._call = self.dataset.split(".")
        config = run.dsparms.configinfo_dict[self.name]
        self._configs, self.segments = config.configs, config.sorted_segment_ids
        self.kind = str(getattr(config, "dettype", ""))
        self._interface: Any = None

    def image(self, event: Any) -> Any:
        """What the detector's method returns for an event."""
        # psana keeps one interface for all detectors of a name, with the constants of the run
        # that asked for it last.
        if getattr(self._interface, "_configs", None) is not self._configs:
            self._interface = getattr(self.run.Detector(self.name), self._algorithm)
        return getattr(self._interface, self._call)(event)

    def numbered(self, shape: tuple[int, ...]) -> Mapping[str, Any]:
        """The numbers of the planes: segment x planes + plane."""
        planes, rest = divmod(shape[0] if len(shape) == 3 else 1, len(self.segments))
        if self._call == "image" or rest:
            return {}
        numbers = (segment * planes + n for segment in self.segments for n in range(planes))
        return {"modules": tuple(numbers)}

    def close(self) -> None:
        """Release the files, which psana leaves open."""
        self.run.dm.close()


class _Table:
    """A run with small data, from which psana makes a table of its events."""

    def __init__(self, psana: Any, text: str, wanted: str | None) -> None:
        experiment = parse_experiment(text)
        if experiment.streams:
            raise SourceError(f"{text}: psana 2 takes all streams; leave stream= out")
        place = {"dir": experiment.folder} if experiment.folder else {}
        files = {"exp": experiment.name, "run": only_run(text), **place}
        self.opened = _Opened(psana, text, wanted, files)
        _refuse_chunks(text, map(str, self.opened.run.dm.xtc_files))
        with self.opened.run.build_table():
            pass

    def held(self) -> Iterator[tuple[int, bool | None]]:
        """Time stamps of the events, and whether they have all of the detector; None: nothing."""
        streams = {
            number for number, config in enumerate(self.opened.run.configs)
            if hasattr(config.software, self.opened.name)
        }  # fmt: skip
        for time, parts in self.opened.run._ts_table.items():
            held = streams & parts.keys()
            yield time, held == streams if held else None

    def event(self, time: int) -> Any:
        """The event of that time stamp."""
        return self.opened.run.event(time)


class _Passing:
    """The first chunk of a stream; psana goes through it from event to event, so this is slow."""

    def __init__(self, psana: Any, text: str, wanted: str | None) -> None:
        if re.search(r"-c0*[1-9]\d*\.xtc2", text):
            # psana would end the process: what the data mean stands in the first chunk.
            raise SourceError(f"{text}: psana opens first chunks only; use reader xtc2")
        self._open = partial(_Opened, psana, text, wanted, {"files": [text]})
        self.opened = self._open()
        self._ahead = self.opened.run.events()

    def held(self) -> Iterator[tuple[int, bool | None]]:
        """As `_Table.held`."""
        name, segments = self.opened.name, set(self.opened.segments)
        for event in self._ahead:
            held = {number for part in event if part for number in getattr(part, name, ())}
            yield event.timestamp, held == segments if held else None

    def event(self, time: int) -> Any:
        """The event of that time stamp; `KeyError` if there is none."""
        for _ in ("from here", "from the start"):
            for event in self._ahead:
                if event.timestamp == time:
                    return event
            self.opened.close()
            self.opened = self._open()
            self._ahead = self.opened.run.events()
        raise KeyError(f"no event has the time stamp {time}")


def _refuse_chunks(text: str, paths: Iterable[str]) -> None:
    """psana 4.3 looks for all events in the first chunk (github.com/slac-lcls/lcls2, #130)."""
    for path in paths:
        folder, name = map(glob.escape, os.path.split(path))
        chunks = glob.glob(os.path.join(folder, re.sub(r"-c\d+\.", "-c*.", name)))
        if len(chunks) > 1:
            raise SourceError(
                f"{text}: {path} is one of {len(chunks)} chunks, and psana finds events "
                "in the first one only; use reader xtc2"
            )


def _full_name(source: str, dataset: str | None, interfaces: Mapping[tuple[str, str], Any]) -> str:
    """``detector.algorithm.method``; the last two are ``raw`` where they are left out."""
    known = {
        f"{name}.{algorithm}.{call}"
        for (name, algorithm), calls in interfaces.items()
        for call in calls if call in METHODS
    }  # fmt: skip
    raw = [name for name in known if name.endswith(".raw")]
    if dataset is None and len(raw) == 1:
        return raw[0]
    words = (dataset or "").split(".")
    if len(words) == 2:
        words.insert(1, "raw")
    full = ".".join(words + ["raw"] * (3 - len(words)))
    if full not in known:
        raise unknown_detector(source, dataset, known)
    return full
