"""SPRING's eight example files, simulated: ``python -m spring_mpi.events.examples FOLDER``.

Two detectors, A with pids of three numbers and B with two, four shots each.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from .simulation import Detector, diffraction, shapes

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
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"example_{name}.npz", *_SHOTS[name]) for name in _SHOTS]


def _write(path: Path, pid: tuple[int, ...], shape: str) -> Path:
    random = np.random.default_rng(pid)
    density = shapes()[shape](random.uniform(50, 80), random)
    frame = _DETECTOR.record(diffraction(density, _DETECTOR, _PHOTONS), random)
    np.savez_compressed(
        path, pattern=frame, mask=_DETECTOR.excluded().astype(np.uint8),
        center=np.array(_DETECTOR.center), pid=np.array(pid),
    )  # fmt: skip
    return path


def main() -> int:
    """Write the examples into the folder named on the command line."""
    for path in write_examples(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/data")):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
