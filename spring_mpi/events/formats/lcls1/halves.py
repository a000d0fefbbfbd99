"""What the events of an LCLS-I stream mean for one detector: split events, and its own damage.

An event whose contributions do not come together in time is written twice, with the same time and
fiducial, maybe not in a row; each datagram has what the other one lacks. psana's index merges such
keys to one event (``IData``, ``PSXtcMPInput``: the entries of a key are all of its datagrams).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .decode import is_image
from .file import XtcFile
from .layout import CONTAINS_INCOMPLETE, INCOMPLETE_CONTRIBUTION

_KEY = ("seconds", "nanoseconds", "fiducial")


def of_detector(file: XtcFile, events: NDArray[Any], address: str) -> NDArray[Any]:
    """Of the datagrams of each event that with the detector's image, and the image's own damage.

    Damage of the datagram that another source explains is not that of the image. An event without
    the image keeps its first datagram with its damage; one with several images keeps all of these.
    Only datagrams that are damaged, or of which there are several, are looked into.

    Parameters
    ----------
    events
        `layout.RECORD` (datagrams,).
    """
    events = events.copy()
    groups = _groups(events)
    is_split = np.zeros(len(events), np.bool_)
    for halves in groups:
        is_split[halves] = True
    with_image = set()
    for place in np.flatnonzero(is_split | (events["damage"] != 0)).tolist():
        damage = _damage(file, events[place], address)
        if damage is not None:
            with_image.add(place)
            events["damage"][place] = damage
    is_kept = ~is_split
    for halves in groups:
        whole = [place for place in halves.tolist() if place in with_image]
        is_kept[whole or halves[:1]] = True
    return np.compress(is_kept, events)


def other_halves(file: XtcFile, offset: int) -> list[int]:
    """The offsets of the other datagrams of the event there."""
    table = file.identities
    (own,) = np.flatnonzero(table["offset"] == offset)
    same = np.ones(len(table), np.bool_)
    for name in (*_KEY, "service"):
        same &= table[name] == table[name][own]
    same[own] = False
    return [int(place) for place in table["offset"][same]]


def _groups(events: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Of every event that is in several datagrams their positions, in the order of the file."""
    order = np.lexsort([events[name] for name in _KEY])
    keys = events[order]
    begins = np.ones(len(keys), np.bool_)
    if len(keys):
        begins[1:] = np.logical_or.reduce([keys[name][1:] != keys[name][:-1] for name in _KEY])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(keys))
    several = ends - starts > 1
    return [order[a:b] for a, b in zip(starts[several], ends[several], strict=True)]


def _damage(file: XtcFile, event: NDArray[Any], address: str) -> int | None:
    """The damage of the detector's image in a datagram; None where it holds no such image.

    The datagram's damage is that of all it holds together; what no other source explains may be of
    the image, too.
    """
    try:
        slots = tuple(file.slots(int(event["offset"])))
    except ValueError:
        return None
    image = next(
        (slot for slot in slots if slot.size and is_image(slot.type) and slot.address == address),
        None,
    )
    if image is None:
        return None
    others = 0
    for slot in slots:
        others |= slot.damage if slot is not image else 0
    if others & INCOMPLETE_CONTRIBUTION:
        others |= CONTAINS_INCOMPLETE
    return image.damage | (int(event["damage"]) & ~others)
