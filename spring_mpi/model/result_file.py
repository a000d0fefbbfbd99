"""The layout of a result file: HDF5, CXI 1.6 names where CXI has one (cxidb.org/cxi.html)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from ..system.hdf5 import new_file, reading
from .settings import Settings
from .verdict import Verdict

_log = logging.getLogger(__name__)

_IMAGE, _DETECTOR = "entry_1/image_1", "entry_1/instrument_1/detector_1"
_ANALYSIS, _PROCESS, _EVENT = "entry_1/analysis", "entry_1/process_1", "entry_1/event"
_FIGURES = f"{_ANALYSIS}/figures"
_OF_ONE_POPULATION = (
    "an earlier version took it within one population, which says nothing of how right it is"
)
_CXI_VERSION = 160

# (field of the result or its provenance, dataset, units)
_LAYOUT = (
    ("data", f"{_IMAGE}/data", "sqrt(photons)"),
    ("support", f"{_IMAGE}/support", "1 = support"),
    ("best", f"{_IMAGE}/best", "sqrt(photons)"),
    ("std", f"{_IMAGE}/std", "sqrt(photons)"),
    ("support_frequency", f"{_IMAGE}/support_frequency", "1"),
    ("intensity", f"{_DETECTOR}/data", "photons"),
    ("mask", f"{_DETECTOR}/mask", "1 = excluded"),
    ("sigma", f"{_IMAGE}/sigma", "sqrt(photons)"),
    ("weak_modes", f"{_IMAGE}/weak_modes", "1"),
    ("verdict", f"{_ANALYSIS}/verdict", ""),
    ("score", f"{_ANALYSIS}/score", "1"),
    ("reasons", f"{_ANALYSIS}/reasons", ""),
    ("is_interior_determined", f"{_ANALYSIS}/is_interior_determined", ""),
    ("resolution_px", f"{_ANALYSIS}/resolution_px", "pixels"),
    ("resolution_reason", f"{_ANALYSIS}/resolution_reason", ""),
    ("agreement", f"{_ANALYSIS}/agreement", "1"),
    ("generations_run", f"{_ANALYSIS}/generations_run", "1"),
    ("error", f"{_ANALYSIS}/error", "1"),
    ("orientation_sureness", f"{_ANALYSIS}/orientation_sureness", "1"),
    ("error_history", f"{_ANALYSIS}/error_history", "1"),
    ("members", f"{_ANALYSIS}/members", "1"),
    ("prtf", f"{_ANALYSIS}/prtf/value", "1"),
    ("ring_correlation", f"{_ANALYSIS}/ring_correlation", "1"),
    ("settings", f"{_PROCESS}/settings", ""),
    ("command", f"{_PROCESS}/command", ""),
    ("seed", f"{_PROCESS}/seed", ""),
    ("fingerprint", f"{_PROCESS}/fingerprint", ""),
    ("backend", f"{_PROCESS}/backend", ""),
    ("device", f"{_PROCESS}/device", ""),
    ("started", f"{_PROCESS}/started", "seconds since 1970"),
    ("seconds", f"{_PROCESS}/seconds", "s"),
    ("warnings", f"{_PROCESS}/warnings", ""),
    ("masks", f"{_PROCESS}/masks", ""),
    ("pid", f"{_EVENT}/pid", ""),
    ("name", f"{_EVENT}/name", ""),
    ("tag", f"{_EVENT}/tag", ""),
    ("source", f"{_EVENT}/source", ""),
    ("center", f"{_PROCESS}/center", "pixels of the frame"),
    ("center_origin", f"{_PROCESS}/center_origin", ""),
    ("satvalue", f"{_PROCESS}/satvalue", "raw units"),
    ("estimated_gain", f"{_PROCESS}/estimated_gain", "raw units per photon"),
    ("contradictions", f"{_PROCESS}/contradictions", ""),
    ("supportsize", f"{_PROCESS}/supportsize", "pixels of the density"),
)

_EARLIER_SUPPORT = f"{_IMAGE}/mask"
"""Where earlier versions have the support, and their readers look for it."""

_NEEDED = ("data", "support", "best", "intensity", "mask", "settings", "pid", "name")
"""Fields without which a file is no result; versions differ in the others."""

READ_FAULTS = (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError,
               yaml.YAMLError)  # fmt: skip
"""What `read` raises for files that are damaged or hold something else."""


def write(values: Mapping[str, Any], path: Path) -> None:
    """Write all fields of a result and its provenance, completely or not at all."""
    with new_file(path) as file:
        file["cxi_version"] = _CXI_VERSION
        file[f"{_PROCESS}/program"] = "spring-mpi"
        file[f"{_PROCESS}/version"] = _version()
        for field, name, units in _LAYOUT:
            if values[field] is not None:
                _write_dataset(file, name, _stored(values[field]), units)
        for name, figure in values["figures"].items():
            file[f"{_FIGURES}/{name}"] = figure
        file[_EARLIER_SUPPORT] = file[f"{_IMAGE}/support"]  # a hard link
        radius = np.arange(len(values["prtf"]))
        _write_dataset(file, f"{_ANALYSIS}/prtf/q", radius, "pixels of the pattern")


def read(path: Path) -> dict[str, Any]:
    """The values that `write` was given; raises `READ_FAULTS`."""
    with reading(path) as file:
        values = {field: _value(file, name) for field, name, _ in _LAYOUT if name in file}
        if "support" not in values and _EARLIER_SUPPORT in file:
            values["support"] = _value(file, _EARLIER_SUPPORT)
        values["figures"] = {
            name: float(file[_FIGURES][name][()]) for name in file.get(_FIGURES, ())
        }
    if missing := [name for field, name, _ in _LAYOUT if field in _NEEDED and field not in values]:
        raise ValueError(f"it has no /{missing[0]}")
    values["pid"] = tuple(values["pid"].tolist())
    if "center" in values:
        values["center"] = tuple(values["center"].tolist())
    for field in ("warnings", "masks", "reasons", "contradictions"):
        values[field] = tuple(values.get(field, "").splitlines())
    values["settings"] = _settings(values["settings"])
    return values | _judgement(values)


def _judgement(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says of its own worth, as a result has it."""
    if "verdict" not in values:
        unjudged = {"verdict": None, "resolution_px": None, "generations_run": ()}
        return {**unjudged, "resolution_reason": _OF_ONE_POPULATION}
    return {
        "verdict": Verdict(values["verdict"]),
        "generations_run": tuple(map(int, values.get("generations_run", ()))),
    }


def _write_dataset(file: h5py.File, name: str, value: Any, units: str) -> None:
    # Profiles and numbers would grow by their chunks.
    compression = "gzip" if np.ndim(value) >= 2 and np.size(value) else None
    dataset = file.create_dataset(name, data=value, compression=compression)
    if units:
        dataset.attrs["units"] = units


def _stored(value: Any) -> Any:
    """The value as HDF5 can hold it."""
    if isinstance(value, Settings):
        return yaml.safe_dump(value.to_dict(), sort_keys=False)
    if isinstance(value, tuple):
        is_text = all(isinstance(item, str) for item in value)
        is_whole = all(isinstance(item, int) for item in value)
        kind = np.int64 if is_whole else np.float64
        return "\n".join(value) if is_text else np.array(value, kind)
    return str(value) if isinstance(value, Verdict) else value


def _value(file: h5py.File, name: str) -> Any:
    dataset = file[name]
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    value = dataset.asstr()[()] if is_text else dataset[()]
    return value.item() if isinstance(value, np.generic) else value


def _settings(text: str) -> Settings:
    """Settings of which only those that differ from the defaults count as given.

    Keys that only another version has are told, and left out.
    """
    settings, unknown = Settings(), []
    defaults = settings.to_dict()
    for section, keys in yaml.safe_load(text).items():
        for key, value in keys.items():
            if key not in defaults.get(section, {}):
                unknown.append(f"{section}.{key}: {value}")
            elif value != defaults[section][key]:
                settings.set(section, key, value)
    if unknown:
        _log.warning("a result has settings of another version: %s", ", ".join(unknown))
    return settings


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("spring-mpi")
    except PackageNotFoundError:
        return "unknown"
