"""Single events of an open XTC file: images, and all else that they hold or that holds for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import RawForm, coding_of
from ..reader import Empty, Frame
from .decode import decode_image, event_codes, is_image
from .detector import choose, config_of
from .epics import Key, names_in, records_in
from .file import XtcFile
from .halves import other_halves
from .layout import YES, Item, Slot, TypeId, event_id
from .payload import Layout
from .sources import find_address

_EVENT_ID = "eventid"


class XtcHandle:
    """An open XTC file; a row is the offset of an event."""

    def __init__(self, path: str) -> None:
        self._file = XtcFile(path)
        self._last_slow: tuple[str, int, dict[Key, NDArray[Any] | None]] = ("", -1, {})

    def event(self, dataset: str, row: int, empty: Empty = np.empty) -> Frame:
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

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The images in the events there; see `BatchHandle`."""
        return [self.event(dataset, row, empty) for row in rows]

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
            found += tuple(slot for other in others for slot in self._file.slots(other))
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


def _told(found: Iterable[Slot]) -> str:
    return ", ".join(dict.fromkeys(slot.address for slot in found)) or "nothing"


def _unknown(name: str, found: Iterable[Slot], variables: Iterable[str]) -> str:
    known = [*dict.fromkeys(slot.address for slot in found), *variables]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"its sources are {_told(found)}"
    return f"nothing is called {name!r}; {hint}"
