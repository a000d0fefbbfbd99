"""Events of the European XFEL: raw and corrected files of detector modules, and of cameras.

The format EXDF (European XFEL, EXtra-data: Data files format; versions 0.5 to 1.3). ``INDEX``
says for every train which rows a source has: ``first`` and ``count``, in files of 2017 ``first``,
``last`` and ``status``. Every detector module is in files of its own, as sequences S00000, ...

An event is found by train << 16 | its place among the frames of the train, in every file.
"""

from __future__ import annotations

import glob
import os
import re

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..hdf5.channels import choose, meant, row_numbers
from ..hdf5.contents import is_frames, readable_names
from ..hdf5.joined import JoinedHandle
from ..hdf5.opening import is_file_of, open_file
from ..hdf5.scanning import find_frames, incomplete
from ..hdf5.sizes import check_size
from ..reader import DAMAGED, INCOMPLETE, Extent, Facts, PidDatasets, Scan
from .absent import absent
from .file import TrainFile, cells_of
from .modules import module_of
from .parallel_gain import GAINS, of_gain, split_gain, stage_of
from .trains import PID_NAMES, PLACE_BITS, flags_of, ranges_of, run_of, trains_of

_RUN_OF_FILE = re.compile(r"-R\d{4}-")
_DETECTOR_FILE = re.compile(r"-(?:AGIPD|LPD|DSSC|JNGFR)\d\d-")


def _detector_of(dataset: str) -> str:
    """The same for all modules, whose sources are ``DETECTOR/DET/3CH0:xtdf`` and the like."""
    found = re.match(r"/INSTRUMENT/([^/]+)/", dataset)
    return found[1] if found else dataset


class EuxfelReader:
    """Frames of one detector module or camera; the pid is (run, train, pulse).

    ``dataset`` is the source's name, a pattern (``SPB_DET_AGIPD1M-1/DET/*CH0:xtdf``) or part of it
    (``AGIPD``), or the path of the frames; with ``@high``, ``@medium`` or ``@low`` at the end for
    an LPD in parallel gain. A file without detector, as those of the control
    system, has no events. Without pulse ids the pulse is the frame's place in its train.
    """

    needs_file = True
    facts = Facts(Extent.RUN, detector_of=_detector_of)

    def sniff(self, path: str) -> bool:
        """Whether the file has a list of trains and tells its sources."""
        return is_file_of(path, lambda file: "INDEX/trainId" in file and "METADATA" in file)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Trains, pulses and places of the frames.

        Trains that do not come from the facility's clock, or occur twice, are `DAMAGED`; those
        whose last frames are not in the file are `INCOMPLETE`.

        Raises
        ------
        SourceError
            If there is no such source, or several, or ``pid`` is given.
        """
        if pid:
            raise SourceError(f"{source}: the pid is {PID_NAMES}; leave 'pid' out")
        with open_file(source) as file:
            detectors, cameras = _frames(file)
            wanted, gain = split_gain(dataset)
            known = detectors + cameras if wanted else detectors
            if not detectors and not meant(wanted, known):
                nothing, trains = np.empty((0, 3), np.int64), trains_of(file)
                return Scan(
                    "", nothing, PID_NAMES, (0, 0, 0), "uint8", np.empty(0, np.uint64),
                    left_out=absent(file, run_of(file), trains, np.zeros_like(trains)),
                )  # fmt: skip
            return _scan(file, choose(file, known, wanted), gain)

    def open(self, source: str) -> JoinedHandle:
        """The file, ready for reading events by train and place."""
        return JoinedHandle(source, TrainFile, _beside, lambda dataset: stage_of(dataset)[0])


def _scan(file: h5py.File, name: str, gain: int | None) -> Scan:
    frames, trains, ranges = find_frames(file, name, 3, 4), trains_of(file), ranges_of(file, name)
    if ranges is None:
        raise SourceError(f"{file.filename}: INDEX says nothing of {name}")
    trains = trains[: len(ranges.count)]
    cells = cells_of(file, name) or 1
    in_file = np.clip(len(frames) - ranges.first, 0, ranges.count)
    there = in_file * (trains > 0)
    which, place = _expand(frames, there, cells)
    flags = flags_of(file, trains) | np.where(there < ranges.count, INCOMPLETE, 0)
    ids = file.get(f"{name.rpartition('/')[0]}/pulseId")
    known = isinstance(ids, h5py.Dataset) and cells == 1
    torn = incomplete(frames, len(frames))[ranges.first[which] + place // cells]
    pulses = row_numbers(ids, len(frames))[ranges.first[which] + place] if known else place
    flags = flags[which] | torn | np.where(pulses < 0, DAMAGED, 0)
    chosen, pulses = of_gain(f"{file.filename}: {name}", gain, which, place, pulses)
    which, place, pulses, flags = (column[chosen] for column in (which, place, pulses, flags))
    run = np.full_like(which, run_of(file))
    return Scan(
        name if gain is None else f"{name}@{GAINS[gain]}",
        np.stack([run, trains[which], pulses], axis=1),
        PID_NAMES,
        (len(which), *frames.shape[-2:]),
        str(frames.dtype),
        (trains[which] << PLACE_BITS | place).astype(np.uint64),
        flags.astype(np.uint32),
        is_part=module_of(name) is not None,
        left_out=absent(file, run_of(file), trains, in_file, name),
    )


def _expand(
    frames: h5py.Dataset, rows: NDArray[np.int64], cells: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every frame the position of its train, and its place in the train."""
    if rows.sum(dtype=object) > len(frames):
        raise ValueError(f"INDEX gives trains the same rows of {frames.name}; it is damaged")
    counts = rows * cells
    check_size(frames, (int(counts.sum()),), itemsize=8)
    if counts.max(initial=0) >= 1 << PLACE_BITS:
        raise ValueError(f"{counts.max()} frames of {frames.name} in one train are too many")
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def _frames(file: h5py.File) -> tuple[list[str], list[str]]:
    """The datasets with frames of detectors, and of cameras."""
    groups: list[str] = []

    def note(name: str, link: object) -> None:
        if name.endswith("/first"):
            groups.append(name.removesuffix("/first"))
        elif isinstance(link, h5py.SoftLink):
            # Corrected data have a second name, that of the raw data.
            groups.append(f"{name}/image")

    with readable_names():
        file["INDEX"].visititems_links(note)
    ends = {"/image": ("data",), "/data": ("adc", "image/pixels")}
    found = [
        f"/INSTRUMENT/{group}/{key}"
        for group in sorted(groups) for end, keys in ends.items() for key in keys
        if group.endswith(end) and is_frames(file.get(f"INSTRUMENT/{group}/{key}"), 3, 4)
    ]  # fmt: skip
    cameras = [name for name in found if name.endswith("/pixels")]
    return [name for name in found if name not in cameras], cameras


def _beside(path: str) -> list[str]:
    """The run's files that are of no detector: those of the control system."""
    folder, name = os.path.split(path)
    run = _RUN_OF_FILE.search(name)
    found = glob.glob(f"{glob.escape(folder)}/*{run[0]}*.h5") if run else []
    return [other for other in sorted(found) if other != path and not _DETECTOR_FILE.search(other)]
