"""The calls of LCLS's psana for any event in any order, on every format that has a reader.

Programs for ``idx`` mode run with ``from spring_mpi import psana``: data sources, runs, lists of
event times, events and their images. What differs stands in ``docs/howto/psana.md``.
"""

from .contents import PNCCD, Camera, EventId
from .data import DataSource, Event, EventTime, Run, Source

__all__ = ["PNCCD", "Camera", "DataSource", "Event", "EventId", "EventTime", "Run", "Source"]
