"""Events in XTC files of LCLS-I, at any position, without the facility's software."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...left_out import LeftOut
from ..reader import (
    DAMAGED,
    INCOMPLETE,
    SLOW,
    STEP,
    TRANSITION,
    Extent,
    Facts,
    PidDatasets,
    Scan,
)
from .detector import find_images, held
from .file import XtcFile
from .halves import of_detector
from .handle import XtcHandle
from .ioc import clock_files, is_ioc, on_their_clock
from .layout import (
    CONTAINS_INCOMPLETE,
    HEADER,
    INCOMPLETE_CONTRIBUTION,
    INVALID_FIDUCIAL,
    YES,
    Service,
    TypeId,
    datagram_size,
    decoded,
    service_of,
)
from .payload import Layout

_NAMES = ("run", "time", "fiducial")


class XtcReader:
    """Images of a detector in one XTC file: one stream, or one chunk of it, of a run.

    ``dataset`` is the address of a detector, ``CxiDg2.0:Tm6740.0``, or what is left of it without
    numbers or without one of its parts, as long as only one is meant; without it the first of the
    run that brings images. Pids are (run, seconds << 32 | nanoseconds, fiducial). Rows are the
    offsets of the events in the file, in bytes. A file of a run without the detector has no
    events, but transitions. Events of IOC recorders have the times of the other streams, see
    `ioc`.
    """

    needs_file = True
    facts = Facts(Extent.RUN, has_named_detectors=True, tells_as_psana=True, decoded=decoded)

    def sniff(self, path: str) -> bool:
        """Whether the name is ``*.xtc`` or ``*.xtc.inprogress`` and a datagram comes first."""
        if not re.search(r"\.xtc(\.inprogress)?$", path):
            return False
        with open(path, "rb") as file:
            header = file.read(HEADER.itemsize)
        return _may_begin(header) if len(header) == HEADER.itemsize else path.endswith("progress")

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Identities and offsets of the events, from the headers.

        Events whose fiducial or damage says so are flagged, none is left out; a torn datagram at
        the end of the file is.

        Raises
        ------
        SourceError
            If ``pid`` is given, or no detector of the run, or several, are called ``dataset``.
        ValueError
            For a damaged header; it says where.
        """
        if pid:
            raise SourceError(f"pids of xtc files are ({', '.join(_NAMES)}); leave 'pid' out")
        with XtcFile(source) as file:
            address, layout = find_images(file, dataset)
            table = file.records
            clock = clock_files(source) if is_ioc(source) else []
            events = table[table["service"] == Service.L1_ACCEPT]
            others = events[:0]
            if layout is None:
                # Times of an IOC recorder are not those of the other streams' events.
                others = others if is_ioc(source) else events
                events, layout = events[:0], Layout((0, 0), "u1")
            else:
                events = of_detector(file, events, address)
                if is_ioc(source):
                    events = on_their_clock(events, source, clock)
            if clock:
                # The others tell the steps of the scan, at times of their clock.
                table = table[table["service"] != Service.BEGIN_CALIB_CYCLE]
            return Scan(
                dataset=address,
                pids=_pids(events, file.run),
                pid_names=_NAMES,
                shape=(len(events), *layout.shape),
                dtype=str(np.dtype(layout.dtype)),
                rows=events["offset"].copy(),
                flags=_flags(events),
                transitions=_transitions(table),
                is_part=True,
                left_out=tuple(_left_out(file, others)),
            )

    def open(self, source: str) -> XtcHandle:
        """The file, ready for single events."""
        return XtcHandle(source)


def _pids(events: NDArray[Any], run: int) -> NDArray[np.int64]:
    time = (events["seconds"] << np.uint64(32) | events["nanoseconds"]).astype(np.int64)
    return np.stack([np.full_like(time, run), time, events["fiducial"]], axis=1)


def _left_out(file: XtcFile, events: NDArray[Any]) -> Iterator[LeftOut]:
    if len(events):
        yield LeftOut(len(events), held(file, events), _pids(events, file.run))


def _flags(events: NDArray[Any]) -> NDArray[np.uint32]:
    flags = np.zeros(len(events), np.uint32)
    flags[(events["damage"] != 0) | (events["fiducial"] == INVALID_FIDUCIAL)] |= DAMAGED
    flags[events["damage"] & (INCOMPLETE_CONTRIBUTION | CONTAINS_INCOMPLETE) != 0] |= INCOMPLETE
    return flags


def _transitions(table: NDArray[Any]) -> NDArray[np.void]:
    kinds = np.select(
        [table["service"] == Service.BEGIN_CALIB_CYCLE, table["slow"] == YES], [STEP, SLOW]
    )
    found: NDArray[np.void] = np.zeros(len(table), TRANSITION)
    found["time"] = table["seconds"] << np.uint64(32) | table["nanoseconds"]
    found["row"] = table["offset"]
    found["kind"] = kinds
    return np.compress(kinds != 0, found)


def _may_begin(header: bytes) -> bool:
    """Whether a file that begins so can be XTC."""
    first = np.frombuffer(header, HEADER)[0]
    try:
        datagram_size(header, 0)
    except ValueError:
        return False
    kinds = (0, TypeId.XTC)
    return bool(
        first["nanoseconds"] < 10**9
        and service_of(header) <= Service.L1_ACCEPT
        and first["contains"] & 0xFFFF in kinds
    )
