"""Flags of events: what is known to be wrong with one."""

from __future__ import annotations

from types import MappingProxyType

DUPLICATE = 1
"""Flag of an event whose pid other events have, too."""
DAMAGED = 2
"""Flag of an event whose source says that its data are damaged."""
INCOMPLETE = 4
"""Flag of an event of which some part is missing or torn."""

FLAGS = MappingProxyType({"damaged": DAMAGED, "duplicate": DUPLICATE, "incomplete": INCOMPLETE})
"""What they are called, in conditions and for people."""
