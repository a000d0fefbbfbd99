"""Writes files of the European XFEL: a module's frames, or a control system's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

MODULE = "SPB_DET_AGIPD1M-1/DET/{}CH0:xtdf"
PADDING = 4


@dataclass
class EuxfelFile:
    """What goes into one file; every source has rows for some of the trains."""

    trains: Sequence[int]
    run: int | None = 34
    version: str = "1.2"
    good: Sequence[int] | None = None
    """``INDEX/flag``, by default all 1."""
    groups: dict[str, tuple[Sequence[int], dict[str, NDArray[Any]]]] = field(default_factory=dict)
    """By ``SOURCE/GROUP``: rows in each train, and datasets by key."""
    control: dict[str, NDArray[Any]] = field(default_factory=dict)
    """By ``SOURCE``, then the value of each train."""

    def image(
        self, source: str, counts: Sequence[int], data: NDArray[Any],
        pulses: Sequence[int] | NDArray[Any], **others: NDArray[Any],
    ) -> EuxfelFile:  # fmt: skip
        """Add frames of a detector module; returns the file."""
        ids = np.array(pulses, np.uint64).reshape(-1, 1)
        self.groups[f"{source}/image"] = counts, {"data": data, "pulseId": ids, **others}
        return self

    def write(self, path: Path, *, old: bool = False, **options: Any) -> Path:
        """The file; ``old`` with first, last and status in its index, as in 2017."""
        with h5py.File(path, "w") as file:
            self._write_head(file)
            for group, (counts, datasets) in self.groups.items():
                _write_index(file["INDEX"], group, counts, old)
                for key, values in datasets.items():
                    chosen = options if key in ("data", "adc") else {}
                    file.create_dataset(f"INSTRUMENT/{group}/{key}", data=values, **chosen)
            for source, values in self.control.items():
                _write_index(file["INDEX"], source, [1] * len(self.trains), old)
                file[f"CONTROL/{source}/actual/value"] = values
        return path

    def _write_head(self, file: h5py.File) -> None:
        padding = [0] * PADDING
        file["INDEX/trainId"] = np.array([*self.trains, *padding], np.uint64)
        good = [1] * len(self.trains) if self.good is None else self.good
        file["INDEX/flag"] = np.array([*good, *padding], np.int32)
        file["METADATA/dataFormatVersion"] = np.array([self.version.encode()])
        if self.run is not None:
            file["METADATA/runNumber"] = np.array([self.run], np.uint32)


def _write_index(index: h5py.Group, name: str, counts: Sequence[int], old: bool) -> None:
    count = np.array([*counts, *[0] * PADDING], np.uint64)
    first = np.cumsum(count, dtype=np.uint64) - count
    columns: Mapping[str, NDArray[Any]] = {"first": first, "count": count}
    if old:
        last = np.where(count > 0, first + count - 1, first)
        columns = {"first": first, "last": last, "status": (count > 0).astype(np.uint32)}
    for key, values in columns.items():
        index[f"{name}/{key}"] = values
