"""Reconstructions of simulated hits against the truth; a table, and JSON.

Ten hits on a detector with gap, hole and saturation. Each is reconstructed by one small run, moved
onto the known density (shift, twin, phase, fractions of a pixel) and compared with it: by
correlation, and by the correlation of the complex spectra in the band from the edge of the missing
centre to size/6. The last two columns are the scores of a uniform ball of the same area, which
says how easy the object is.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.metrics import band_correlation, correlation
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.events.formats.simulated.diffraction import Detector, diffraction, shapes, truth
from spring_mpi.model.alignment import register
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.settings import Settings

# Shape and diameter; hit i is drawn with seed 1000 + i. Fixed before any setting was tuned.
HITS = (
    ("sphere", 34.0), ("spheroid", 44.0), ("polyhedron", 38.0), ("aggregate", 46.0),
    ("hollow", 36.0), ("core_shell", 40.0), ("branched", 48.0), ("polyhedron", 30.0),
    ("aggregate", 38.0), ("branched", 40.0),
)  # fmt: skip
CROPSIZE, SIZE = 256, 128
HOLE_EDGE = 3.5  # binned pixels


@dataclass(frozen=True)
class Score:
    """How one reconstruction compares with the truth."""

    hit: int
    shape: str
    error: float
    members: int
    resolution_px: float | None
    area: int
    area_true: int
    correlation: float
    band: float
    ball_correlation: float
    ball_band: float
    seconds: float


def main() -> None:
    """Reconstruct the hits, print the table, write the JSON that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photons", type=float, default=1e6, help="scattered by each hit")
    parser.add_argument("--popsize", type=int, default=16)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--supportsize", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    settings = (
        Settings()
        .set("global", "popsize", arguments.popsize)
        .set("global", "generations", arguments.generations)
        .set("init", "supportsize", arguments.supportsize)
    )
    work = partial(scored, settings=settings, photons=arguments.photons, seed=arguments.seed)
    with ProcessPoolExecutor(arguments.processes) as pool:
        scores = list(pool.map(work, range(len(HITS))))
    print(table(scores))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(score) for score in scores], indent=2) + "\n")


def scored(hit: int, *, settings: Settings, photons: float, seed: int) -> Score:
    """Simulate a hit, reconstruct it and compare."""
    shape, diameter = HITS[hit]
    detector, random = Detector(), np.random.default_rng(1000 + hit)
    density = shapes()[shape](diameter, random)
    frame = detector.record(diffraction(density, detector, photons), random)
    pattern = Pattern(
        frame, detector.excluded(), detector.center, (1, hit), CROPSIZE, SIZE,
        detector.satvalue, gain=detector.gain,
    )  # fmt: skip
    result = reconstruct(pattern, settings, backend=make_backend("cpu"), seed=seed)
    known = truth(density, SIZE)
    area = int(np.count_nonzero(known > 0.1 * known.max()))
    return Score(
        hit, shape, result.error, result.members, result.resolution_px, result.support_px, area,
        *compared(result.data, known), *compared(ball(area), known), result.provenance.seconds,
    )  # fmt: skip


def compared(density: NDArray[np.floating], known: NDArray[np.floating]) -> tuple[float, float]:
    """Correlation and band correlation of a density, moved onto the known one."""
    moved = register(density, known, subpixel=True).move(density)
    return correlation(moved, known), band_correlation(moved, known, HOLE_EDGE, SIZE / 6)


def ball(area: int) -> NDArray[np.float32]:
    """The projection of a uniform ball with that area."""
    axis = np.arange(SIZE) - SIZE // 2
    squared = axis[:, None] ** 2 + axis[None, :] ** 2
    return np.sqrt(np.maximum(area / np.pi - squared, 0)).astype(np.float32)


def table(scores: list[Score]) -> str:
    """The scores, a line each."""
    rows = [[field.name for field in fields(Score)]]
    for score in scores:
        rows.append(
            [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in astuple(score)]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)


if __name__ == "__main__":
    main()
