"""Which detector of an LCLS-I run is meant, and how its images lie in a file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from ....errors import SourceError
from ..reader import READ_FAULTS
from .decode import config_types, image_layout, is_image
from .file import XtcFile, files_of_run
from .layout import Service, Slot, service_of
from .payload import HEAD, Config, Layout
from .sources import find_address

_log = logging.getLogger(__name__)
_MODULES_OF_JUNGFRAU = "JungfrauSegment"
_LOOKED_AT = 100
_COMPARED = 8
"""So many events of a file are looked into for detectors that nobody has chosen."""
_SEARCHED = 1000
"""So many events of a file are looked into for a detector that is not in the first."""


def choose(found: Sequence[Slot], dataset: str | None) -> Slot | None:
    """A detector's data among those of an event, images before others; by default the first image.

    Raises
    ------
    SourceError
        If the name means several detectors.
    """
    images = [slot for slot in found if is_image(slot.type)]
    if not dataset:
        return images[0] if images else None
    for some in (images, found):
        address = find_address(dataset, (slot.address for slot in some))
        if address is not None:
            return next(slot for slot in some if slot.address == address)
    return None


def config_of(file: XtcFile, slot: Slot) -> Config | None:
    """The configuration that the data need; None where they need none or there is none.

    Raises
    ------
    SourceError
        If the data are of some modules of a detector, and do not say which these are.
    """
    if f":{_MODULES_OF_JUNGFRAU}" in slot.address:
        raise SourceError(
            f"{slot.address} is some modules of a Jungfrau that were not put together when they "
            "were recorded, and cannot be decoded"
        )
    places = ((slot.phy, kind) for kind in config_types(slot.type))
    return next(
        (file.configuration[place] for place in places if place in file.configuration), None
    )


def find_images(file: XtcFile, dataset: str | None) -> tuple[str, Layout | None]:
    """Address of the detector, and how its images lie in the file; None if it is not in there.

    Without a name it is the first detector of the run, the same for all streams and chunks.

    Raises
    ------
    SourceError
        If no file of the run has such a detector, the name means several, or its images cannot
        be decoded.
    """
    address, layout = _first_images(file, dataset) if dataset else ("", None)
    if layout is None:
        address = _find_in_run(file.path, dataset)
        layout = _first_images(file, address)[1] if address and not dataset else None
        if not dataset:
            _tell_of_others(file, address)
    return address, layout


def _tell_of_others(file: XtcFile, address: str) -> None:
    """A warning where the first events of a file have images of detectors nobody has chosen."""
    events = islice(_events(file), _COMPARED)
    images = {slot.address for found in events for slot in found if is_image(slot.type)}
    if others := sorted(images - {address}):
        _log.warning(
            "%s: no detector is named, so that frames are those of %s, the first of the run; there "
            "are images of %s, too: name the one that you mean (dataset)",
            file.path, address, ", ".join(others),
        )  # fmt: skip


def held(file: XtcFile, events: NDArray[Any]) -> tuple[str, ...]:
    """Addresses of what the first of some events hold, with the types that nothing decodes."""
    found: set[str] = set()
    for offset in events["offset"][:_LOOKED_AT].tolist():
        with suppress(ValueError):
            found.update(slot.label for slot in file.slots(offset))
    return tuple(sorted(found))


def _find_in_run(path: str, dataset: str | None) -> str:
    """Address of the detector in the first file of the run that has it; empty without images."""
    seen: dict[str, None] = {}
    for other in files_of_run(path):
        with XtcFile(other) as file:
            try:
                address, layout = _first_images(file, dataset)
            except READ_FAULTS:
                if other == path:
                    raise
                continue
            if layout is not None:
                return address
            seen |= dict.fromkeys(slot.address for slot in _images(file))
    if dataset:
        raise SourceError(
            f"{path}: no detector {dataset!r} in this run; it has {', '.join(seen) or 'no images'}"
        )
    return ""


def _first_images(file: XtcFile, dataset: str | None) -> tuple[str, Layout | None]:
    """From the first event that has a good image; a fault counts only where none has."""
    fault: Exception | None = None
    for found in _events(file):
        try:
            slot = choose(found, dataset)
            if slot is not None and slot.size:
                head = file.read(slot.start, min(HEAD, slot.size))
                config = config_of(file, slot)
                layout = image_layout(slot.type, slot.version, head, slot.size, config)
                return slot.address, layout
        except (SourceError, ValueError) as one:
            fault = fault or SourceError(f"{_place(file, found, dataset)}: {one}")
    if fault is not None:
        raise fault
    return "", None


def _place(file: XtcFile, found: Sequence[Slot], dataset: str | None) -> str:
    """Which data cannot be decoded, and how many events the file has."""
    events = int((file.identities["service"] == Service.L1_ACCEPT).sum())
    with suppress(SourceError):
        if slot := choose(found, dataset):
            what = f"{slot.address} (type {slot.type} version {slot.version})"
            return f"{file.path}: {what} in its {events} events"
    return file.path


def _images(file: XtcFile) -> Iterable[Slot]:
    return (slot for found in _events(file) for slot in found if is_image(slot.type))


def _events(file: XtcFile) -> Iterator[tuple[Slot, ...]]:
    """What the first events hold; those that are damaged are passed over."""
    left = _SEARCHED
    for offset, header in file.datagrams():
        if service_of(header) == Service.L1_ACCEPT and left:
            left -= 1
            try:
                yield tuple(file.slots(offset))
            except ValueError:
                continue
        elif not left:
            return
