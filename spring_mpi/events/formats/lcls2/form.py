"""Events of a stream that look the same: where their frames are, known from one that was parsed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...gain_stages import RawForm
from ..file_bytes import Bytes
from ..reader import Empty, Frame
from .datasets import Dataset
from .layout import HEADER_BYTES, L1_ACCEPT, Take, find_value, parse_header
from .scan import values_in

_TIME_BYTES = 7
"""At the begin of a datagram, which events of the same 194 days need not have in common."""
_ALIGNMENT = 16
"""That all memory has when it is given."""
_MOST_FORMS = 64
"""Kept at the most: a stream has a few, but sizes may also differ from event to event."""
_OCTET = np.dtype(np.uint8)
Span = tuple[int, int]


@dataclass(frozen=True)
class Segment:
    """The values of one segment in an event."""

    number: int
    start: int
    """Offset from that of the event."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @cached_property
    def end(self) -> int:
        """Offset of the first byte behind."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    @property
    def planes(self) -> range:
        """Their numbers in a stack of modules."""
        count = math.prod(self.shape[:-2])
        return range(self.number * count, (self.number + 1) * count)


@dataclass(frozen=True)
class Form:
    """Where frames are, and the bytes that say so: events with the same ones need no parsing."""

    segments: tuple[Segment, ...]
    told: tuple[tuple[int, bytes], ...]
    """Offset from that of the event, and what stands there."""
    is_camera: bool
    """Whether a frame is (rows, columns), and no stack of modules."""
    raw: RawForm | None
    """What the values of a frame are, if they are as the detector gave them."""

    @classmethod
    def of(cls, take: Take, offset: int, dataset: Dataset) -> Form:
        """The form of the event at an offset.

        Raises
        ------
        ValueError
            If no event is there, it is damaged, or does not hold the dataset.
        """
        looked: list[Span] = []

        def noted(start: int, count: int) -> bytes | bytearray:
            looked.append((start, start + count))
            return take(start, count)

        if parse_header(noted, offset).service != L1_ACCEPT:
            raise ValueError(f"byte {offset}: no event is there")
        found = []
        for part in values_in(noted, offset):
            if block := dataset.blocks.get(part.source):
                field, shape, start = find_value(noted, part, block, dataset.field.name)
                found.append(Segment(block.segment, start - offset, shape, field.dtype))
        if not found:
            raise ValueError(f"byte {offset}: the event holds no {dataset.name}")
        spans = _joined((max(start, offset + _TIME_BYTES), end) for start, end in looked)
        return cls(
            tuple(sorted(found, key=lambda segment: segment.number)),
            tuple((start - offset, bytes(take(start, end - start))) for start, end in spans),
            len(dataset.blocks) == 1 and dataset.field.rank == 2,
            dataset.raw,
        )

    def read(self, data: Bytes, offset: int, empty: Empty) -> Frame | None:
        """The frame of the event at an offset; None where it looks different."""
        if offset + self._end > data.size:
            return None
        part = self._taken(data, offset, empty)
        if any(part(start, start + len(text)).tobytes() != text for start, text in self.told):
            return None
        planes = [
            part(segment.start, segment.end).view(segment.dtype).reshape(-1, *segment.shape[-2:])
            for segment in self.segments
        ]
        stack = planes[0] if len(planes) == 1 else _stacked(planes, empty)
        frame = stack[0] if self.is_camera else stack
        return Frame(frame, info={"modules": self._numbers}, raw=self.raw)

    def _taken(
        self, data: Bytes, offset: int, empty: Empty
    ) -> Callable[[int, int], NDArray[np.uint8]]:
        """What gives the bytes between two offsets from that of the event."""
        if not self._is_dense:
            return lambda start, end: np.frombuffer(data.take(offset + start, end - start), _OCTET)
        first = -self.segments[0].start % _ALIGNMENT
        give = empty if len(self.segments) == 1 else np.empty
        event = give((first + self._end,), _OCTET)[first:]
        data.fill(offset, event.data)
        return lambda start, end: event[start:end]

    @cached_property
    def header(self) -> bytes:
        """What is told of the event as a whole; see `header_at`."""
        return self.told[0][1][: HEADER_BYTES - _TIME_BYTES]

    @cached_property
    def _numbers(self) -> tuple[int, ...]:
        return tuple(chain.from_iterable(segment.planes for segment in self.segments))

    @cached_property
    def _is_dense(self) -> bool:
        """Whether what is read at once is frames for the better part."""
        return 2 * sum(segment.end - segment.start for segment in self.segments) > self._end

    @cached_property
    def _end(self) -> int:
        """Of what is read of an event."""
        texts = (start + len(text) for start, text in self.told)
        return max(*texts, *(segment.end for segment in self.segments))


class Forms:
    """The forms that events of a stream had: one after the other it is mostly the same."""

    def __init__(self) -> None:
        self._last: Form | None = None
        self._known: dict[bytes, Form] = {}

    def likely(self, data: Bytes, offset: int) -> Form | None:
        """The form that the event at an offset may have."""
        if len(self._known) < 2:
            return self._last
        return self._known.get(header_at(data, offset))

    def add(self, form: Form) -> None:
        """Remember the form of an event."""
        if len(self._known) == _MOST_FORMS:
            self._known = {}
        self._known[form.header] = self._last = form


def header_at(data: Bytes, offset: int) -> bytes:
    """The header of the event at an offset, without its time; `EOFError` where there is none."""
    return bytes(data.take(offset, HEADER_BYTES)[_TIME_BYTES:])


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans in ascending order, as few as there can be."""
    ordered = sorted(spans)
    start, end = ordered[0]
    for span in ordered:
        if span[0] > end:
            yield start, end
            start = span[0]
        end = max(end, span[1])
    yield start, end


def _stacked(planes: Sequence[NDArray[Any]], empty: Empty) -> NDArray[Any]:
    shape = (sum(map(len, planes)), *planes[0].shape[1:])
    return np.concatenate(planes, out=empty(shape, np.result_type(*planes)))
