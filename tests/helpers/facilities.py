"""The same shots in the formats of all facilities; shared by the tests of whole campaigns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from helpers.formats import xtc, xtc2
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.formats.flash import write_new
from helpers.formats.nexus import write_master
from helpers.formats.swissfel import write_channels
from numpy.typing import NDArray

from spring_mpi.events.formats.simulated.diffraction import Detector
from spring_mpi.events.formats.simulated.reader import SimulateReader

RUN = 34
SECONDS = 1000
TIMES = [SECONDS << 32 | 1000 * number for number in range(4)]
"""Time, train or pulse of each shot: numbers that every format can hold."""
FIDUCIALS = [0, 3, 6, 9]
"""Fiducial or pulse within the train, for formats whose pids have three numbers."""


@dataclass
class Shots:
    """Four simulated hits as integers, and what the detector excludes."""

    frames: NDArray[np.uint16] = field(default_factory=lambda: _frames())
    excluded: NDArray[np.uint8] = field(
        default_factory=lambda: Detector().excluded().astype(np.uint8)
    )


Write = Callable[[Path, Shots], dict[str, Any]]
"""Writes shots into a folder; returns the section ``data`` that reads them."""


def _frames() -> NDArray[np.uint16]:
    shots = SimulateReader().open("events=4:seed=7")
    frames = np.stack([shots.event("", row).data for row in range(4)])
    return np.clip(np.rint(frames), 0, 65535).astype(np.uint16)


def _with_mask(folder: Path, shots: Shots, **data: Any) -> dict[str, Any]:
    """For formats that bring no mask: one in a file of its own."""
    np.save(folder / "mask.npy", shots.excluded)
    return {"mask": {"file": "mask.npy", "bad": 1}, "run": RUN, **data}


def write_hdf5(folder: Path, shots: Shots) -> dict[str, Any]:
    """Plain HDF5, pids by two datasets."""
    with h5py.File(folder / "shots.h5", "w") as file:
        file["frames"], file["train"], file["pulse"] = shots.frames, TIMES, FIDUCIALS
        file["run"] = [RUN] * len(TIMES)
    pid = ["/run", "/train", "/pulse"]
    return _with_mask(folder, shots, source="shots.h5", dataset="/frames", pid=pid)


def write_short_pids(folder: Path, shots: Shots) -> dict[str, Any]:
    """The same, with pids of two numbers."""
    return write_hdf5(folder, shots) | {"pid": ["/run", "/train"]}


def write_cxi(folder: Path, shots: Shots) -> dict[str, Any]:
    """CXI with trains and pulses, and the mask beside the frames."""
    with h5py.File(folder / "shots.cxi", "w") as file:
        file["entry_1/data_1/data"], file["entry_1/data_1/mask"] = shots.frames, shots.excluded
        file["entry_1/trainId"], file["entry_1/pulseId"] = TIMES, FIDUCIALS
    return {"source": "shots.cxi", "run": RUN}


def write_xtc(folder: Path, shots: Shots) -> dict[str, Any]:
    """LCLS-I, one stream."""
    events = [
        xtc.Datagram(
            seconds=SECONDS, nanoseconds=time & 0xFFFFFFFF, fiducial=fiducial,
            content=xtc.segment(xtc.frame(frame)),
        )
        for time, fiducial, frame in zip(TIMES, FIDUCIALS, shots.frames, strict=True)
    ]  # fmt: skip
    path = folder / "e1-r0034-s00-c00.xtc"
    path.write_bytes(xtc.encode(xtc.run(*events, number=RUN)))
    return _with_mask(folder, shots, source="*.xtc", run=None, dataset="Tm6740")


def write_xtc2(folder: Path, shots: Shots) -> dict[str, Any]:
    """LCLS-II, one stream with its small data."""
    stream = xtc2.Stream(run=RUN).configure().begin()
    for time, frame in zip(TIMES, shots.frames, strict=True):
        stream.event(time, frame[None])
    stream.write(folder / "e1-r0034-s000-c000.xtc2", small=True)
    return _with_mask(folder, shots, source="*.xtc2", run=None, dataset="cam", reader="xtc2")


def write_euxfel(folder: Path, shots: Shots) -> dict[str, Any]:
    """European XFEL, corrected frames of a single module with their mask."""
    masks = np.repeat(shots.excluded[None], len(TIMES), axis=0)
    file = EuxfelFile(TIMES, run=RUN)
    file.image(MODULE.format(0), [1] * 4, shots.frames, FIDUCIALS, mask=masks)
    file.write(folder / "CORR-R0034-AGIPD00-S00000.h5")
    return {"source": "*.h5", "reader": "euxfel"}


def write_swissfel(folder: Path, shots: Shots) -> dict[str, Any]:
    """SwissFEL, a camera."""
    channels = {"CAM": (TIMES, shots.frames)}
    write_channels(folder / "run_0034.CAMERAS.h5", channels)
    return _with_mask(folder, shots, source="*.h5", run=None, dataset="CAM")


def write_flash(folder: Path, shots: Shots) -> dict[str, Any]:
    """FLASH, the layout since 2021."""
    write_new(folder / "flash_run0034_file1.h5", {"FL1/CAM": (TIMES, shots.frames)})
    return _with_mask(folder, shots, source="*.h5", run=None)


def write_nexus(folder: Path, shots: Shots) -> dict[str, Any]:
    """NeXus, a master with two data files, and its pixel mask."""
    blocks = [shots.frames[:3], shots.frames[3:]]
    master = write_master(folder / "run_master.h5", blocks, shots.excluded.astype(np.uint32))
    with h5py.File(master, "r+") as file:
        file["run"], file["time"] = [RUN] * len(TIMES), TIMES
    return {"source": "run_master.h5", "pid": ["/run", "/time"]}


THREE_NUMBERS: dict[str, Write] = {
    "cxi": write_cxi, "xtc": write_xtc, "euxfel": write_euxfel,
}  # fmt: skip
TWO_NUMBERS: dict[str, Write] = {
    "xtc2": write_xtc2, "swissfel": write_swissfel, "flash": write_flash, "nexus": write_nexus,
}  # fmt: skip
FORMATS = THREE_NUMBERS | TWO_NUMBERS
