"""Runs under an interpreter with psana 4: what it reads of xtc2 files, as arrays in an npz file.

``psana_dump.py dump FILE CONFIGURED OUT``: all of a file, named by the Configure of another (or
the same); ``psana_dump.py events FOLDER EXPERIMENT RUN OUT``: the events of a run that
its small data point to, read from the last to the first.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# A package that psana imports and needs only at SLAC.
sys.modules["krtc"] = types.ModuleType("krtc")
sys.modules["krtc"].KerberosTicket = object  # type: ignore[attr-defined]

_CONFIGURE = 2


def values_of(dgram: Any) -> Iterator[tuple[str, Any]]:
    """``detector|segment|algorithm|field`` and value, of all that a datagram holds."""
    for detector, segments in vars(dgram).items():
        if detector.startswith("_") or detector == "software":
            continue
        for segment, algorithms in segments.items():
            for algorithm, fields in vars(algorithms).items():
                for name, value in vars(fields).items() if algorithm != "_xtc" else ():
                    read = np.asarray(getattr(value, "value", value))
                    # Without a value it is the meaning of an enumeration, or of psana's own.
                    if read.dtype.kind != "O":
                        yield f"{detector}|{segment}|{algorithm}|{name}", read


def dump(path: str, configured: str, out: str) -> None:
    """Every datagram of a file, numbered, with time and service."""
    from psana import dgram  # type: ignore[attr-defined]

    config = dgram.Dgram(file_descriptor=os.open(configured, os.O_RDONLY))
    found = [config] if path == configured else []
    if path != configured:
        descriptor = os.open(path, os.O_RDONLY)
        offset = 0
        while offset < os.path.getsize(path):
            extent = int.from_bytes(os.pread(descriptor, 4, offset + 20), "little")
            one = dgram.Dgram(
                file_descriptor=descriptor, config=config, offset=offset, size=12 + extent
            )
            found.append(one)
            offset += 12 + extent
    else:
        while True:
            try:
                one = dgram.Dgram(config=config)
            except StopIteration:
                break
            config = one if one.service() == _CONFIGURE else config
            found.append(one)
    save(out, found)


def events(folder: str, experiment: str, run: str, out: str) -> None:
    """The events of a run by random access."""
    from psana import DataSource  # type: ignore[attr-defined]
    from psana.psexp.ds_base import DataSourceBase  # type: ignore[import-not-found]

    # It asks a server at SLAC, which there is only there.
    DataSourceBase._get_file_info_from_db = lambda *args, **keywords: {}
    source = DataSource(exp=experiment, run=int(run), dir=folder, skip_calib_load="all")
    one = next(source.runs())
    with one.build_table() as is_built:
        assert is_built
        times = sorted(one._ts_table, reverse=True)
        found = [one.event(time)._dgrams[0] for time in times]
    save(out, found)


def save(out: str, dgrams: list[Any]) -> None:
    """Write the values under ``number|key``."""
    arrays: dict[str, Any] = {
        f"{number}|{key}": np.asarray(value)
        for number, one in enumerate(dgrams)
        for key, value in values_of(one)
    }
    arrays["records"] = np.array([[one.service(), one.timestamp()] for one in dgrams], np.uint64)
    np.savez(out, **arrays)


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {"dump": dump, "events": events}
    commands[sys.argv[1]](*sys.argv[2:])
