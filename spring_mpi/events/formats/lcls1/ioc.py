"""Events of IOC recorders of LCLS-I: their times become those of the same pulses in other streams.

The streams from 80 on have the facility's fiducials, but times of a clock of their own. As psana's
``idx`` mode does it (PSXtcInput, ``Index.cpp``), their events belong to those of the run's other
streams that have the same fiducial and whose seconds differ by five at most. Fiducials begin anew
after 364 seconds.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..experiment import FIRST_IOC
from ..reader import READ_FAULTS
from .file import XtcFile, files_of_run
from .layout import INVALID_FIDUCIAL, Service

_FARTHEST = 5
"""Seconds between the two clocks."""
_SECONDS_BITS = 33  # one more than they have, so that equal fiducials are nearer than others
_log = logging.getLogger(__name__)


def is_ioc(path: str) -> bool:
    """Whether the file is of an IOC recorder, by its name."""
    stream = re.search(r"-s(\d+)-c\d+\.xtc(\.inprogress)?$", os.path.basename(path))
    return stream is not None and int(stream[1]) >= FIRST_IOC


def clock_files(path: str) -> list[str]:
    """The files of the other streams of the run, which have the facility's times."""
    return [other for other in files_of_run(path) if not is_ioc(other)]


def on_their_clock(events: NDArray[Any], path: str, clock_files: Sequence[str]) -> NDArray[Any]:
    """The events that have a partner in the other streams, with its time; the rest is told.

    Without other streams all events keep their times, and that is told.

    Parameters
    ----------
    events
        `layout.RECORD` (events,) of the file at ``path``.
    clock_files
        See there.
    """
    if not clock_files:
        _log.warning("%s: its events have the times of an IOC recorder's own clock, since no other "
                     "stream of the run is beside it", path)  # fmt: skip
        return events
    known = np.concatenate([events[:0], *_events_of(clock_files)])
    keys, places = np.unique(_keys(known), return_index=True)
    wanted = _keys(events)
    after = np.searchsorted(keys, wanted)
    beside = np.stack([after - 1, after]).clip(0, max(len(keys) - 1, 0))
    apart = np.abs(keys[beside] - wanted) if len(keys) else np.full(beside.shape, _FARTHEST + 1)
    has_partner = (apart.min(axis=0) <= _FARTHEST) & (events["fiducial"] != INVALID_FIDUCIAL)
    nearest = beside[apart.argmin(axis=0), np.arange(len(events))][has_partner]
    if lonely := int((~has_partner).sum()):
        _log.warning(
            "%s: %d of %d events are left out, since no other stream of the run has one of the "
            "same fiducial within %d seconds", path, lonely, len(events), _FARTHEST,
        )  # fmt: skip
    found: NDArray[Any] = events[has_partner]
    for name in ("seconds", "nanoseconds"):
        found[name] = known[name][places[nearest]]
    return found


def _keys(events: NDArray[Any]) -> NDArray[np.int64]:
    """Fiducial and seconds in one number."""
    fiducials = events["fiducial"].astype(np.int64)
    seconds = events["seconds"].astype(np.int64)
    return np.asarray(fiducials << _SECONDS_BITS | seconds)


def _events_of(paths: Sequence[str]) -> Iterator[NDArray[Any]]:
    for path in paths:
        try:
            with XtcFile(path) as file:
                table = file.identities
        except READ_FAULTS as fault:
            _log.warning("%s: its times cannot be read: %s", path, fault)
            continue
        yield table[table["service"] == Service.L1_ACCEPT]
