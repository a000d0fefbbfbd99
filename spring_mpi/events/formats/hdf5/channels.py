"""Events in channels: groups of an HDF5 file with values and the key of each of their rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import RawForm
from ...left_out import LeftOut
from ..reader import DAMAGED, Empty, Extent, Facts, Frame, PidDatasets, Scan
from .contents import candidates, find_dataset
from .file import Hdf5File
from .joined import JoinedHandle, Keys, run_in_path
from .opening import open_file
from .scanning import find_frames, incomplete
from .sizes import check_size, read_all

_MOST_NAMED = 8


class ChannelReader(ABC):
    """What facilities with channels have in common; a format says where keys and frames are."""

    needs_file = True
    facts = Facts(Extent.FILE)

    @property
    @abstractmethod
    def pid_names(self) -> tuple[str, str]:
        """``run``, and what the keys are of."""

    @abstractmethod
    def sniff(self, path: str) -> bool:
        """Whether the file is of the format."""

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """The keys of the channel with the frames, and what it says of its rows.

        ``dataset`` is the channel's name, part of it, a pattern, or the path of its frames.

        Raises
        ------
        SourceError
            If there is no such channel, or several, or ``pid`` is given: the key is the pid.
        """
        if pid:
            raise SourceError(f"{source}: the pid is {self.pid_names}; leave 'pid' out")
        with open_file(source) as file:
            name = choose(file, self.frames(file), dataset)
            frames = find_frames(file, name, 3)
            keys = self.keys(file, name)
            if keys is None or len(keys) != len(frames):
                count = "none" if keys is None else len(keys)
                raise SourceError(f"{source}: {name} has {len(frames)} frames, but {count} keys")
            # An event is found by its key, so one of several with a key cannot be read.
            twice = np.where(Keys.of(keys).repeated(), DAMAGED, 0).astype(np.uint32)
            kept = keys > 0
            flags = (self.flags(file, name) | twice | incomplete(frames, len(frames)))[kept]
            pids = np.stack([np.full_like(keys, run_in_path(source)), keys], axis=1)[kept]
            shape = (len(pids), *frames.shape[1:])
            rows = pids[:, 1].astype(np.uint64)
            key = f"{self.pid_names[-1]} id"
            lost = LeftOut(int(np.count_nonzero(~kept)), unit="frames", lack=key)
            return Scan(
                name, pids, self.pid_names, shape, str(frames.dtype), rows, flags,
                left_out=(lost,) if lost.events else (),
            )  # fmt: skip

    def open(self, source: str) -> JoinedHandle:
        """The file, ready for reading events by their keys."""
        return JoinedHandle(source, lambda path: ChannelFile(path, self), self.beside)

    @abstractmethod
    def frames(self, file: h5py.File) -> list[str]:
        """The datasets that hold frames and keys."""

    @abstractmethod
    def keys(self, file: h5py.File, dataset: str) -> NDArray[np.int64] | None:
        """The key of each row of a dataset, 0 where it has none; None for a dataset without."""

    @abstractmethod
    def flags(self, file: h5py.File, dataset: str) -> NDArray[np.uint32]:
        """`DAMAGED` and `INCOMPLETE` for each row of the frames."""

    @abstractmethod
    def raw(self, file: h5py.File, dataset: str) -> RawForm | None:
        """What the values of frames are, if they are known to be as the detector gave them."""

    @abstractmethod
    def refuse(self, dataset: str, frame: NDArray[Any]) -> None:
        """Raises `ValueError` for values that stand for a frame that there is not."""

    @abstractmethod
    def beside(self, path: str) -> Sequence[str]:
        """The other files of the run."""


class ChannelFile:
    """An open file with channels; see `KeyedFile`."""

    def __init__(self, path: str, reader: ChannelReader) -> None:
        self.file = Hdf5File(path)
        self._reader = reader
        self._keys: dict[str, Keys | None] = {}
        self._raw: dict[str, RawForm | None] = {}

    def row_of(self, dataset: str, key: int) -> int | None:
        """The row of the channel with that key."""
        keys = self._keys_of(dataset)
        return None if keys is None else keys.row(key)

    def has_keys(self, dataset: str) -> bool:
        """Whether the dataset belongs to a channel."""
        return self._keys_of(dataset) is not None

    def frames(self, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
        """The frames in those rows, and what their values are."""
        if dataset not in self._raw:
            self._raw[dataset] = self._reader.raw(self.file.root, dataset)
        frames = self.file.many(dataset, rows, empty)
        holes = self.file.holes(dataset, rows)
        for frame in frames:
            self._reader.refuse(dataset, frame)
        return [
            Frame(frame, hole, raw=self._raw[dataset])
            for frame, hole in zip(frames, holes, strict=True)
        ]

    def values(self, dataset: str, row: int) -> NDArray[Any]:
        """One row of a dataset."""
        return self.file.many(dataset, (row,))[0]

    def _keys_of(self, dataset: str) -> Keys | None:
        if dataset not in self._keys:
            keys = self._reader.keys(self.file.root, dataset)
            self._keys[dataset] = None if keys is None else Keys.of(keys)
        return self._keys[dataset]


def choose(file: h5py.File, names: Iterable[str], wanted: str | None) -> str:
    """The one path that a user means; `SourceError` with what there is if that is not clear.

    A name with a ``/`` at its front is the path itself. Another one is a pattern of paths, or
    part of a path in capitals or not.
    """
    if wanted and wanted.startswith("/"):
        return find_dataset(file, wanted).name or wanted
    known = list(names)
    found = meant(wanted, known)
    # Two names of one dataset, as a link gives it, are no choice.
    distinct = [name for name in found if all(file[name] != file[first] for first in found[:1])]
    if found and not distinct:
        return found[0]
    what = "frames" if wanted is None else f"frames of {wanted!r}"
    if not known:
        raise SourceError(f"{file.filename}: no {what}; {candidates(file)}")
    shown = ", ".join((found or known)[:_MOST_NAMED])
    few = "several" if found else "no"
    raise SourceError(f"{file.filename}: {few} {what}; name one (dataset) of: {shown}")


def meant(wanted: str | None, names: Iterable[str]) -> list[str]:
    """The names that a user's text may mean; all of them where there is no text."""
    if wanted is None:
        return list(names)
    return [
        name for name in names
        if name == wanted or fnmatchcase(name, f"*{wanted}*") or wanted.lower() in name.lower()
    ]  # fmt: skip


def row_numbers(dataset: h5py.Dataset, count: int | None = None) -> NDArray[np.int64]:
    """A dataset's values (count,), as files have them, maybe with axes of 1; NaN is 0.

    Unsigned numbers too large for the type come out negative.

    Raises
    ------
    ValueError
        If there are not so many, no numbers, or more than the file can hold.
    """
    shape, size = dataset.shape or (), dataset.size
    fits = count in (None, size) and size in (0, max(shape, default=1))
    if not fits or dataset.dtype.kind not in "iufb":
        wanted = "one row of numbers" if count is None else f"{count} numbers"
        raise ValueError(f"{dataset.name} is {dataset.shape} {dataset.dtype}, not {wanted}")
    check_size(dataset, (size,), itemsize=8)
    return as_integers(read_all(dataset).reshape(-1))


def as_integers(values: NDArray[Any]) -> NDArray[np.int64]:
    """The same numbers, 0 for NaN and those that are too large for a float to be exact."""
    if values.dtype.kind == "f":
        values = np.where(np.abs(values) < 2**53, values, 0)
    return values.astype(np.int64)
