"""The layout of a result file: HDF5, CXI 1.6 names where CXI has one (cxidb.org/cxi.html)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from .result import Provenance, Result
from .settings import Settings

_IMAGE, _DETECTOR = "entry_1/image_1", "entry_1/instrument_1/detector_1"
_ANALYSIS, _PROCESS, _EVENT = "entry_1/analysis", "entry_1/process_1", "entry_1/event"
_CXI_VERSION = 160


def write(result: Result, path: Path) -> None:
    """Write all of a result and flush it to the disk."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = _CXI_VERSION
        for name, value, units in _datasets(result):
            compression = "gzip" if np.ndim(value) == 2 else None
            dataset = file.create_dataset(name, data=value, compression=compression)
            if units:
                dataset.attrs["units"] = units
        file[f"{_ANALYSIS}/prtf"].attrs["resolution_px"] = result.resolution_px
    with open(path, "rb+") as written:
        os.fsync(written.fileno())


def _datasets(result: Result) -> Iterator[tuple[str, Any, str]]:
    """(name, value, units) of every dataset."""
    origin = result.provenance
    yield f"{_IMAGE}/data", result.data, "sqrt(photons)"
    yield f"{_IMAGE}/mask", result.mask, "1 = support"
    yield f"{_IMAGE}/best", result.best, "sqrt(photons)"
    yield f"{_IMAGE}/std", result.std, "sqrt(photons)"
    yield f"{_IMAGE}/support_frequency", result.support_frequency, ""
    yield f"{_DETECTOR}/data", result.intensity, "photons"
    yield f"{_DETECTOR}/mask", result.excluded, "1 = excluded"
    yield f"{_ANALYSIS}/error", result.error, ""
    yield f"{_ANALYSIS}/error_history", result.error_history, ""
    yield f"{_ANALYSIS}/members", result.members, ""
    yield f"{_ANALYSIS}/prtf/q", np.arange(len(result.prtf)), "pixels of the pattern"
    yield f"{_ANALYSIS}/prtf/value", result.prtf, ""
    yield f"{_ANALYSIS}/ring_correlation", result.ring_correlation, ""
    yield f"{_PROCESS}/program", "spring-mpi", ""
    yield f"{_PROCESS}/version", _version(), ""
    yield f"{_PROCESS}/command", origin.command, ""
    yield f"{_PROCESS}/settings", yaml.safe_dump(result.settings.to_dict(), sort_keys=False), ""
    yield f"{_PROCESS}/seed", origin.seed, ""
    yield f"{_PROCESS}/fingerprint", origin.fingerprint, ""
    yield f"{_PROCESS}/backend", origin.backend, ""
    yield f"{_PROCESS}/device", origin.device, ""
    yield f"{_PROCESS}/started", origin.started, "seconds since 1970"
    yield f"{_PROCESS}/seconds", origin.seconds, "s"
    yield f"{_PROCESS}/warnings", "\n".join(origin.warnings), ""
    yield f"{_EVENT}/pid", np.array(result.pid, np.int64), ""
    yield f"{_EVENT}/name", result.name, ""
    yield f"{_EVENT}/tag", result.tag, ""
    yield f"{_EVENT}/source", origin.source, ""


def read(path: Path) -> Result:
    """The result that `write` wrote; KeyError where a dataset is missing."""
    with h5py.File(path, "r") as file:
        values = {name: _value(file, name) for name in _names(file)}
        resolution_px = float(file[f"{_ANALYSIS}/prtf"].attrs["resolution_px"])
    image, analysis = _below(values, _IMAGE), _below(values, _ANALYSIS)
    process, event = _below(values, _PROCESS), _below(values, _EVENT)
    return Result(
        name=event["name"],
        pid=tuple(int(number) for number in event["pid"]),
        tag=event["tag"],
        data=image["data"],
        mask=image["mask"],
        best=image["best"],
        std=image["std"],
        support_frequency=image["support_frequency"],
        intensity=values[f"{_DETECTOR}/data"],
        excluded=values[f"{_DETECTOR}/mask"],
        error=float(analysis["error"]),
        error_history=analysis["error_history"],
        prtf=analysis["prtf/value"],
        ring_correlation=analysis["ring_correlation"],
        resolution_px=resolution_px,
        members=int(analysis["members"]),
        settings=Settings.from_mapping(yaml.safe_load(process["settings"])),
        provenance=Provenance(
            seed=int(process["seed"]),
            backend=process["backend"],
            device=process["device"],
            started=float(process["started"]),
            seconds=float(process["seconds"]),
            warnings=tuple(process["warnings"].splitlines()),
            command=process["command"],
            fingerprint=process["fingerprint"],
            source=event["source"],
        ),
    )


def _names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(
        lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return names


def _value(file: h5py.File, name: str) -> Any:
    dataset = file[name]
    return dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]


def _below(values: dict[str, Any], group: str) -> dict[str, Any]:
    return {
        name[len(group) + 1 :]: value for name, value in values.items() if name.startswith(group)
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spring-mpi")
    except PackageNotFoundError:
        return "unknown"
