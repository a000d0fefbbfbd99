"""SPRING's eight example files, simulated: ``python -m spring_mpi.events.examples FOLDER``.

Two detectors, A with pids of three numbers and B with two, four shots each.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import SourceError, SpringError
from ..system.files import replace_file
from ..system.streams import standard_streams
from .formats.simulated.diffraction import Detector, diffraction, shapes

_SHOTS = {
    "A_1": ((197, 10, 14558540587), "aggregate"),
    "A_2": ((250, 23, 14565026066), "polyhedron"),
    "A_3": ((71, 1, 14546865407), "spheroid"),
    "A_4": ((19, 7, 14541946795), "branched"),
    "B_1": ((190, 1769647347), "hollow"),
    "B_2": ((190, 1769647415), "sphere"),
    "B_3": ((192, 1769681022), "core_shell"),
    "B_4": ((193, 1769703958), "aggregate"),
}
_DETECTOR = Detector(
    shape=(1040, 1036), center=(517.5, 521.5), gap=(516, 524), hole_radius=16.0, field=1024
)
_PHOTONS = 1e7


def write_examples(folder: Path) -> list[Path]:
    """Write the files; keys pattern, mask (1 = excluded), center (row, column), pid.

    Made for ``cropsize=1024, size=256, satvalue=3e4``.

    Raises
    ------
    SourceError
        If the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / f"example_{name}.npz", *_SHOTS[name]) for name in _SHOTS]
    except OSError as fault:
        raise SourceError(
            f"cannot write examples into {folder}: {fault.strerror or fault}; name another folder"
        ) from fault


def _write(path: Path, pid: tuple[int, ...], shape: str) -> Path:
    random = np.random.default_rng(pid)
    density = shapes()[shape](random.uniform(50, 80), random)
    frame = _DETECTOR.record(diffraction(density, _DETECTOR, _PHOTONS), random)
    content = io.BytesIO()
    np.savez_compressed(
        content, pattern=frame, mask=_DETECTOR.excluded().astype(np.uint8),
        center=np.array(_DETECTOR.center), pid=np.array(pid),
    )  # fmt: skip
    replace_file(path, content.getbuffer())
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 2 where the folder cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m spring_mpi.events.examples",
        description="Write SPRING's eight example files, simulated.",
        epilog="example: python -m spring_mpi.events.examples examples/data",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("examples/data"), metavar="FOLDER",
        help="where they are written (default: %(default)s)",
    )  # fmt: skip
    with standard_streams():
        try:
            for path in write_examples(parser.parse_args(argv).folder):
                print(path, flush=True)
        except SpringError as fault:
            print(fault, file=sys.stderr)
            return 2
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
