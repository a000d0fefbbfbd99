"""What a reader finds in a source, as arrays; also run by a Python with a facility's package.

``adapter_dump.py READER OUT DATASET SOURCE...``; ``-`` for no dataset. Several sources are read in
turn, event by event. No server of the facility is asked. Ranks of a launch may not be joined by it.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.reading.loader import Loader


def dumped(
    reader: str, dataset: str | None, sources: Sequence[str], root: str = "."
) -> dict[str, NDArray[Any]]:
    """Pids and flags of each source's events; their frames, masks and modules from the last on."""
    indexes = [build_index(one, reader=reader, dataset=dataset, root=root) for one in sources]
    out: dict[str, NDArray[Any]] = {}
    for number, index in enumerate(indexes):
        out |= {f"{number}|pids": index.pids, f"{number}|flags": index.flags}
    places = ((event, one) for event in reversed(range(max(map(len, indexes)))) for one in indexes)
    with Loader() as loader:
        for event, index in places:
            if event < len(index):
                ref, key = index.ref(event), f"{indexes.index(index)}|{index.pid(event)}"
                try:
                    frame = loader.frame(ref)
                except SourceError as fault:
                    out[f"{key}|fault"] = np.array(str(fault))
                    continue
                out[f"{key}|data"] = frame.data
                out[f"{key}|modules"] = np.array(frame.info.get("modules", ()), int)
                if frame.mask is not None:
                    out[f"{key}|mask"] = frame.mask
    return out


def without_servers() -> None:
    """Whatever psana asks of LCLS's servers fails as it does with a fault of theirs."""
    requests: Any = import_module("requests")

    class Answer:
        status_code = 404
        ok = False
        text = reason = ""

        def raise_for_status(self) -> None:
            raise requests.HTTPError("no server is asked")

    requests.get = lambda *arguments, **options: Answer()
    # A package that psana imports and needs only at LCLS.
    sys.modules["krtc"] = types.ModuleType("krtc")
    sys.modules["krtc"].KerberosTicket = object  # type: ignore[attr-defined]


def main(reader: str, out: str, dataset: str, *sources: str) -> None:
    """Save what is found; a fault of the source is the array ``fault``."""
    if reader == "psana":
        without_servers()
    found: dict[str, Any]
    try:
        found = dumped(reader, None if dataset == "-" else dataset, sources)
    except SourceError as fault:
        found = {"fault": np.array(str(fault))}
    if "mpi4py.MPI" in sys.modules:
        assert sys.modules["mpi4py.MPI"].COMM_WORLD.Get_size() == 1
    if os.environ.get("OMPI_COMM_WORLD_RANK", "0") == "0":
        np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
