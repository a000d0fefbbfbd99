"""Events in XTC files of LCLS-I, at any position, without the facility's software."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import RawForm, coding_of
from ...left_out import LeftOut
from ..reader import (
    DAMAGED,
    INCOMPLETE,
    SLOW,
    STEP,
    TRANSITION,
    Empty,
    Extent,
    Facts,
    Frame,
    PidDatasets,
    Scan,
)
from .decode import decode_image, event_codes, is_image
from .detector import choose, config_of, find_images, held
from .epics import Key, names_in, records_in
from .file import XtcFile
from .halves import of_detector, other_halves
from .ioc import clock_files, is_ioc, on_their_clock
from .layout import (
    CONTAINS_INCOMPLETE,
    HEADER,
    INCOMPLETE_CONTRIBUTION,
    INVALID_FIDUCIAL,
    YES,
    Item,
    Service,
    Slot,
    TypeId,
    datagram_size,
    decoded,
    event_id,
    service_of,
)
from .payload import Layout
from .sources import find_address

_NAMES = ("run", "time", "fiducial")
_EVENT_ID = "eventid"


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


class XtcHandle:
    """An open XTC file; a row is the offset of an event."""

    def __init__(self, path: str) -> None:
        self._file = XtcFile(path)
        self._last_slow: tuple[str, int, dict[Key, NDArray[Any] | None]] = ("", -1, {})

    def event(self, dataset: str, row: int) -> Frame:
        """The detector's image in the event there; of the first detector with images by default.

        CSPADs are stacks (modules, 185, 388) with their numbers in ``info["modules"]``, 8 x
        quadrant + section; so are Jungfraus (modules, 512, 1024) and ePix10ka of several panels
        (panels, 352, 384), counted from 0 in the order of the data. A pnCCD is (1024, 1024), its
        links side by side without a gap, as ``info["tiles"]`` has them; of a camera ``info`` has
        ``depth`` and ``offset`` as recorded. ``info["damage"]`` is the damage of the detector's
        data where there is any.

        Raises
        ------
        SourceError
            If the event has no image of that detector, or one that cannot be decoded.
        ValueError
            If the payload has another size than it claims.
        """
        return self._event(dataset, row, np.empty)

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The images in the events there; see `BatchHandle`."""
        return [self._event(dataset, row, empty) for row in rows]

    def _event(self, dataset: str, row: int, empty: Empty) -> Frame:
        found = tuple(self._file.slots(row))
        slot = choose(found, dataset)
        if slot is None:
            raise SourceError(f"no image of {dataset or 'any detector'}; it holds {_told(found)}")
        data, layout = self._image(slot, empty)
        info: dict[str, Any] = {"address": slot.address, **layout.told}
        if layout.modules is not None:
            info["modules"] = layout.modules
        if slot.damage:
            info["damage"] = slot.damage
        raw = RawForm(coding_of(layout.kind or slot.address, data.dtype))
        return Frame(data, info=info, raw=raw)

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """Other values of the event there.

        Parameters
        ----------
        dataset
            ``EventId``: `layout.EVENT_ID` (). The address of an EVR: its event codes (codes,)
            for this very pulse. The address of another source: its image. Name or alias of an
            EPICS variable: its values (values,), or () of a single one, the last that were
            recorded not after the event.
        row
            Offset of the event.

        Raises
        ------
        SourceError
            If there is nothing of that name, or it cannot be decoded.
        """
        if dataset.casefold() == _EVENT_ID:
            return event_id(self._file.header(row), self._file.run)
        found = tuple(self._file.slots(row))
        address = find_address(dataset, (slot.address for slot in found))
        if address is None and dataset not in self._variables:
            others = other_halves(self._file, row)
            found += tuple(slot for one in others for slot in self._file.slots(one))
            address = find_address(dataset, (slot.address for slot in found))
        if address is None:
            return self._slow_value(dataset, row, found)
        slot = _preferred(slot for slot in found if slot.address == address)
        if slot.type == TypeId.EVR_DATA:
            fiducial = int(event_id(self._file.header(row), 0)["fiducial"])
            return event_codes(self._file.item(slot), fiducial)
        return self._image(slot, np.empty)[0]

    def items(self, row: int) -> Iterator[Item]:
        """Everything that the datagram there holds, with type, version and bytes."""
        return self._file.items(row)

    def configured(self) -> tuple[Item, ...]:
        """What the Configure of the file's run holds."""
        return self._file.configured

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _image(self, slot: Slot, empty: Empty) -> tuple[NDArray[Any], Layout]:
        if not slot.size:
            raise SourceError(f"{slot.address} sent no data (damage {slot.damage:#x})")
        return decode_image(self._file.item(slot, empty), config_of(self._file, slot))

    @cached_property
    def _variables(self) -> dict[str, Key]:
        return names_in(self._file.configured)

    def _slow_value(self, name: str, row: int, found: Iterable[Slot]) -> NDArray[Any]:
        if name not in self._variables:
            raise SourceError(_unknown(name, found, self._variables))
        for file, offset in _slow_rows(self._file, row):
            recorded, key = self._slow_values(file, offset), self._variables[name]
            values = recorded.get(key)
            if values is not None:
                return values
            if key in recorded:
                raise SourceError(
                    f"no value of {name} up to this event: its last record ends before the values, "
                    "as it was not connected"
                )
        raise SourceError(f"no value of {name} was recorded up to this event")

    def _slow_values(self, file: XtcFile, offset: int) -> dict[Key, NDArray[Any] | None]:
        """All variables in the datagram there; those of the last one asked for are kept."""
        if self._last_slow[:2] != (file.path, offset):
            kept = (slot for slot in file.slots(offset) if slot.type == TypeId.EPICS)
            values = {record.key: record.values for record in records_in(map(file.item, kept))}
            self._last_slow = (file.path, offset, values)
        return self._last_slow[2]


def _slow_rows(file: XtcFile | None, row: int) -> Iterator[tuple[XtcFile, int]]:
    """Files and offsets of datagrams with slow-control values, from a row backwards."""
    while file is not None:
        offsets = file.records["offset"][file.records["slow"] == YES]
        for offset in offsets[offsets <= row][::-1].tolist():
            yield file, offset
        file = file.previous
        row = file.size if file else 0


def _preferred(found: Iterable[Slot]) -> Slot:
    """Of the data of one source those that can be decoded, or else the first."""
    known = (TypeId.EVR_DATA, *(kind for kind in TypeId if is_image(kind)))
    return min(found, key=lambda slot: slot.type not in known)


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


def _told(found: Iterable[Slot]) -> str:
    return ", ".join(dict.fromkeys(slot.address for slot in found)) or "nothing"


def _unknown(name: str, found: Iterable[Slot], variables: Iterable[str]) -> str:
    known = [*dict.fromkeys(slot.address for slot in found), *variables]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"its sources are {_told(found)}"
    return f"nothing is called {name!r}; {hint}"
