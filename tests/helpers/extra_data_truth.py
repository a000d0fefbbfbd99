"""Run by a Python with extra_data: its example files, filled, and what it reads from them."""

from __future__ import annotations

import os
import sys
from typing import Any

import h5py
import numpy as np
from extra_data import RunDirectory
from extra_data.tests.mockdata import write_file
from extra_data.tests.mockdata.detectors import AGIPDModule, DSSCModule, LPDModule
from extra_data.tests.mockdata.jungfrau import JUNGFRAUModule
from extra_data.tests.mockdata.xgm import XGM

COUNTS = np.array([3, 0, 5, 1, 4], np.uint64)
MODULES = (0, 3, 15)
JUNGFRAU = "SPB_IRDA_JF4M/DET/JNGFR{:02}"
XGM_NAME = "SA1_XTD2_XGM/DOOCS/MAIN"
RUNS: dict[str, tuple[Any, str, str, bool]] = {
    "raw": (AGIPDModule, "SPB_DET_AGIPD1M-1/DET/{}CH0", "1.2", True),
    "old": (AGIPDModule, "SPB_DET_AGIPD1M-1/DET/{}CH0", "0.5", True),
    "lpd": (LPDModule, "FXE_DET_LPD1M-1/DET/{}CH0", "1.2", True),
    "dssc": (DSSCModule, "SCS_DET_DSSC1M-1/DET/{}CH0", "1.0", True),
    "corrected": (AGIPDModule, "SPB_DET_AGIPD1M-1/CORR/{}CH0", "1.3", False),
}


def main(folder: str) -> None:
    """Write all runs, read them, and save four numbers of every frame."""
    os.chdir(folder)
    for name, (kind, device, version, raw) in RUNS.items():
        os.mkdir(name)
        for number in MODULES:
            write_module(name, kind, device.format(number), number, version, raw)
    write_jungfrau()
    write_control("raw")
    for name in (*RUNS, "jungfrau"):
        np.savez(f"{name}.npz", **read(name))


def write_module(folder: str, kind: Any, device: str, number: int, version: str, raw: bool) -> None:
    """One module's file, whose third train is not to be trusted in files that can say so."""
    channel = "xtdf" if raw else "output"
    legacy = None if raw else device.replace("CORR", "DET")
    module = kind(
        device, frames_per_train=COUNTS, raw=raw, channel_name=channel, legacy_name=legacy
    )
    path = f"{folder}/RAW-R0238-{kind.__name__.removesuffix('Module')}{number:02}-S00000.h5"
    write_file(path, [module], ntrains=5, chunksize=4, format_version=version)
    fill(path, f"{device}:{channel}/image/data", number)
    if version != "0.5":
        with h5py.File(path, "r+") as file:
            file["INDEX/flag"][2] = 0


def write_jungfrau() -> None:
    """Two modules with sixteen memory cells."""
    os.mkdir("jungfrau")
    for number in (1, 8):
        path, device = f"jungfrau/RAW-R0012-JNGFR{number:02}-S00000.h5", JUNGFRAU.format(number)
        write_file(path, [JUNGFRAUModule(device)], ntrains=2, chunksize=1, format_version="1.0")
        fill(path, f"{device}:daqOutput/data/adc", number)


def write_control(folder: str) -> None:
    """A file of the control system."""
    path = f"{folder}/RAW-R0238-DA01-S00001.h5"
    write_file(path, [XGM(XGM_NAME)], ntrains=5, chunksize=4, format_version="1.2")
    with h5py.File(path, "r+") as file:
        file[f"CONTROL/{XGM_NAME}/pressure/pressure1/value"][:] = np.arange(5) + 0.5


def fill(path: str, key: str, number: int) -> None:
    """Frames that tell module, row, and plane or memory cell."""
    with h5py.File(path, "r+") as file:
        data = file[f"INSTRUMENT/{key}"]
        pixels = np.arange(int(np.prod(data.shape[1:]))).reshape(data.shape[1:]) % 9973
        for row in range(len(data)):
            data[row] = number * 1000 + row * 100 + pixels


def read(folder: str) -> dict[str, Any]:
    """By ``SOURCE|TRAIN|PULSE`` three pixels and the sum of the frame."""
    found = {}
    run = RunDirectory(folder, inc_suspect_trains=False)
    for source in sorted(name for name in run.all_sources if "/DET/" in name or "/CORR/" in name):
        if source in run.legacy_sources:
            continue
        for position, train in enumerate(run.train_ids):
            one = run[source].select_trains(np.s_[position : position + 1])
            for pulse, frame in frames(one):
                pixels = [frame[0, 0], frame[-1, -1], frame[1, 2], frame.sum(dtype=float)]
                found[f"{source}|{train}|{pulse}"] = pixels
    return found


def frames(source: Any) -> list[tuple[int, Any]]:
    """Pulse and frame of one train."""
    if "image.data" not in source:
        return list(enumerate(source["data.adc"].ndarray()[0]))
    data = source["image.data"].ndarray()
    ids = source["image.pulseId"].ndarray().ravel().tolist()
    return list(zip(ids, data[:, 0] if data.ndim == 4 else data, strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
