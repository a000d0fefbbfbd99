"""Events of LCLS-II: datagrams in ``.xtc2`` files, one file per stream and chunk of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..file_bytes import Bytes
from ..reader import Empty, Extent, Facts, Frame, PidDatasets, Scan
from ..threads import cores, in_threads
from .chain import Chain, read_chain, split_row
from .datasets import Dataset, datasets_of, matching, told
from .file import File
from .form import Form, Forms
from .heads import opening_names
from .layout import L1_ACCEPT, Node, parse_header, parse_value
from .scan import scan_file, values_in

_SUFFIX = re.compile(r"\.xtc2(\.inprogress)?$")


class Xtc2Reader:
    """Frames of one detector; each stream and each chunk is a source that holds parts of events.

    A dataset is ``detector.algorithm.field``, or one of these words alone where that is enough;
    without one, the first field with two or three axes that the events hold.
    """

    needs_file = True
    facts = Facts(Extent.RUN, has_named_detectors=True)

    def sniff(self, path: str) -> bool:
        """Whether the name ends in ``.xtc2``, and the file begins with a datagram."""
        if not _SUFFIX.search(path):
            return False
        with File(path) as file:
            try:
                parse_header(file.bytes().take, 0)
            except (ValueError, EOFError):
                return False
        return True

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Events, their pids (run, timestamp = seconds << 32 | nanoseconds), and transitions.

        Reads the headers of datagrams and of what they hold; takes the places of the events from
        ``smalldata/*.smd.xtc2`` where that fits to the file. The run is that of the BeginRun.
        There are no events if another stream of the run holds the dataset.

        Raises
        ------
        SourceError
            If the dataset is in no stream of the run, or the first chunk of the stream is missing.
        ValueError
            If the header of a datagram is damaged.
        """
        if pid:
            raise SourceError("events of xtc2 files have pids of their own; leave 'pid' out")
        if source.endswith(".smd.xtc2"):
            raise SourceError(
                f"{source} is small data, without frames; name the .xtc2 file in the folder above"
            )
        with File(source) as file:
            return scan_file(file, dataset)

    def open(self, source: str) -> Xtc2Handle:
        """The file, ready for reading single events."""
        return Xtc2Handle(File(source))


class Xtc2Handle:
    """An open file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._data: Bytes = file.bytes()
        self._chain: Chain | None = None
        self._datasets: dict[int, dict[str, Dataset]] = {}
        self._forms: dict[tuple[int, str], Forms] = {}
        self._sources: dict[int, frozenset[int]] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """The frame (rows, columns) of a camera, or the stack (modules, rows, columns).

        ``info["modules"]`` are the numbers of the planes: that of the segment, or, where a segment
        has several planes, segment x planes + plane. Missing segments are left out.
        """
        return self._frame(self._data, dataset, row, np.empty)

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames of the events at those rows; see `BatchHandle`."""
        for epoch in {split_row(row)[0] for row in rows}:
            self._known(epoch)
        parts = in_threads(partial(self._frames, dataset, empty), rows, cores())
        return list(chain.from_iterable(parts))

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """Values of any field, with the segments as the first axis if there are several.

        An event without the field has the values that were recorded last before it: slow control,
        steps of a scan, configuration. The search for them goes through the file once.
        """
        epoch, offset = split_row(row)
        candidates = matching(self._known(epoch), dataset)
        if len(candidates) != 1:
            raise SourceError(self._unknown(epoch, dataset))
        parts = self._parts(offset, candidates[0]) or self._latest(epoch, offset, candidates[0])
        values = self._values(parts, candidates[0])
        return values[0] if len(values) == 1 else np.stack(values)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _frames(self, dataset: str, empty: Empty, rows: Sequence[int]) -> list[Frame]:
        data = self._file.bytes()
        return [self._frame(data, dataset, row, empty) for row in rows]

    def _frame(self, data: Bytes, dataset: str, row: int, empty: Empty) -> Frame:
        epoch, offset = split_row(row)
        forms = self._forms.setdefault((epoch, dataset), Forms())
        form = forms.likely(data, offset)
        if form and (frame := form.read(data, offset, empty)):
            return frame
        found = self._known(epoch).get(dataset)
        if found is None or not found.is_frames:
            raise SourceError(
                f"no frames {dataset!r}; {told(self._known(epoch).values(), dataset)}"
            )
        form = Form.of(data.take, offset, found)
        if (frame := form.read(data, offset, empty)) is None:
            raise EOFError(f"byte {offset}: the event is cut off, or was changed meanwhile")
        forms.add(form)
        return frame

    def _known(self, epoch: int) -> dict[str, Dataset]:
        if epoch not in self._datasets:
            names = self._whole().names[epoch] if epoch else opening_names(self._file)
            self._datasets[epoch] = datasets_of(names)
        return self._datasets[epoch]

    def _whole(self) -> Chain:
        """All datagrams of the file; needed for what does not stand in an event itself."""
        if self._chain is None:
            self._chain = read_chain(self._file)
        return self._chain

    def _parts(self, offset: int, dataset: Dataset) -> list[Node]:
        """The segments of a dataset in a datagram, by their numbers."""
        parts = [
            part for part in values_in(self._data.take, offset) if part.source in dataset.blocks
        ]
        return sorted(parts, key=lambda part: dataset.blocks[part.source].segment)

    def _values(self, parts: Sequence[Node], dataset: Dataset) -> list[NDArray[Any]]:
        take, blocks, name = self._data.take, dataset.blocks, dataset.field.name
        return [parse_value(take, part, blocks[part.source], name) for part in parts]

    def _latest(self, epoch: int, offset: int, dataset: Dataset) -> list[Node]:
        """The segments of a dataset where they were recorded last before an event."""
        chain = self._whole()
        others = chain.records[chain.records["service"] != L1_ACCEPT]
        before = others[(others["offset"] < offset) & (chain.epoch(others) == epoch)]
        for earlier in reversed(before["offset"].tolist()):
            if earlier not in self._sources:
                held = (part.source for part in values_in(self._data.take, earlier))
                self._sources[earlier] = frozenset(held)
            if self._sources[earlier] & dataset.blocks.keys():
                return self._parts(earlier, dataset)
        raise ValueError(f"byte {offset}: no {dataset.name} is recorded in this file before")

    def _unknown(self, epoch: int, text: str) -> str:
        known = self._known(epoch)
        several = [dataset.name for dataset in matching(known, text)]
        if several:
            return f"{text!r} is not enough; it may be {', '.join(several)}"
        return f"no dataset {text!r}; {told(known.values(), text)}"
