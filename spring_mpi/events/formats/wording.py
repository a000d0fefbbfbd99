"""How faults of libraries, and lists of names, are put into words."""

from __future__ import annotations

from collections.abc import Sequence


def reason_of(fault: BaseException) -> str:
    """What a fault says; its kind where it says nothing, as `EOFError` of a library may."""
    return str(fault) or type(fault).__name__


def in_one_line(fault: BaseException) -> str:
    """Kind and text of a fault of foreign code, whose text may have several lines."""
    return " ".join(f"{type(fault).__name__}: {fault}".split())


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are; empty where there are none."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
