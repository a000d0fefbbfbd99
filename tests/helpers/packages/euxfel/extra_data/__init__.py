"""A stand-in for EXtra-data: the calls that its reader makes, on files of the tests' writer."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

DATASETS = re.compile(r"INSTRUMENT/(.+?:\w+)/(\w+/\w+)|CONTROL/(.+?)/(actual/value)")


class FileAccess:
    """One file."""

    def __init__(self, filename: str) -> None:
        self.filename, self.file = filename, h5py.File(filename, "r")
        trains = self.file["INDEX/trainId"][:]
        self.train_ids = trains[trains != 0]
        good = self.file["INDEX/flag"][: len(self.train_ids)] != 0
        self.valid_train_ids = self.train_ids[good]

    def get_index(self, source: str, group: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """First rows and counts by train."""
        index = self.file[f"INDEX/{source}/{group}" if group else f"INDEX/{source}"]
        return index["first"][:], index["count"][:]

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class KeyData:
    """A key of a source."""

    def __init__(self, files: Sequence[FileAccess], source: str, path: str) -> None:
        self.source, self.hdf5_data_path = source, path
        inside = DATASETS.fullmatch(path)
        assert inside
        self.index_group = inside[2].partition("/")[0] if inside[2] else ""
        self.files = [one for one in files if path in one.file]
        values = self.files[0].file[path]
        self.entry_shape, self.dtype = values.shape[1:], values.dtype

    def train_id_coordinates(self) -> NDArray[Any]:
        """The train of every row."""
        counts = [one.get_index(self.source, self.index_group)[1] for one in self.files]
        return np.concatenate([
            one.train_ids.repeat(count[: len(one.train_ids)].astype(int))
            for one, count in zip(self.files, counts, strict=True)
        ])  # fmt: skip

    def ndarray(self) -> NDArray[Any]:
        """All rows."""
        assert self.hdf5_data_path.endswith("pulseId"), "no frames are read all at once"
        return np.concatenate([one.file[self.hdf5_data_path][:] for one in self.files])


class SourceData:
    """A source."""

    def __init__(self, files: Sequence[FileAccess], source: str, paths: dict[str, str]) -> None:
        self._files, self.source, self._paths = files, source, paths

    def __contains__(self, key: str) -> bool:
        return key in self._paths

    def __getitem__(self, key: str) -> KeyData:
        return KeyData(self._files, self.source, self._paths[key])

    def keys(self) -> set[str]:
        """The names of all keys."""
        return set(self._paths)


class DataCollection:
    """Some files."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.files = [FileAccess(path) for path in paths]
        self._sources: dict[str, dict[str, str]] = {}
        for one in self.files:
            one.file.visit(self._note)
        self.all_sources = self.instrument_sources = frozenset(self._sources)

    @property
    def train_ids(self) -> list[int]:
        """Of all files."""
        return sorted({int(train) for one in self.files for train in one.train_ids})

    def _note(self, path: str) -> None:
        if found := DATASETS.fullmatch(path):
            source, key = (one for one in found.groups() if one)
            self._sources.setdefault(source, {})[key.replace("/", ".")] = path

    def __getitem__(self, source: str) -> SourceData:
        return SourceData(self.files, source, self._sources[source])

    def run_metadata(self) -> dict[str, Any]:
        """What the first file tells of its run."""
        return {key: values[0] for key, values in self.files[0].file["METADATA"].items()}


def H5File(path: str) -> DataCollection:
    """One file."""
    return DataCollection([path])


def RunDirectory(path: str, *, parallelize: bool = True) -> DataCollection:
    """The files of a folder."""
    assert not parallelize, "this starts processes"
    paths = sorted(map(str, Path(path).glob("*.h5")))
    if not paths:
        # So is the kind of the real one.
        raise Exception("no HDF5 files")
    return DataCollection(paths)


def open_run(
    proposal: str, run: str, data: str = "default", *, parallelize: bool, aliases: None
) -> DataCollection:
    """The run of a proposal."""
    assert aliases is None, "this writes into the folder of the proposal"
    kind = "raw" if data == "default" else data
    folder = Path(os.environ["EXTRA_DATA_DATA_ROOT"], f"p{int(proposal):06}", kind)
    return RunDirectory(str(folder / f"r{int(run.lstrip('r')):04}"), parallelize=parallelize)
