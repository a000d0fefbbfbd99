"""Where right answers end: shares over support, missing speckles and photons, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.mpr import reconstruct

from .conditions import ordinary
from .sample import SETS, Sample, sample_of
from .scores import scores

KINDS = ("polyhedron", "blob", "aggregate", "hollow", "core_shell", "branched")
SUPPORTS = (0.7, 0.85, 1.25, 1.8, 2.5)
SPECKLES = (0.5, 1.5, 2.5, 3.5, 5.0)
PHOTONS = (3.0, 3.5, 4.0, 4.5, 5.0, 6.0)
"""Powers of ten."""
_SMALL, _LARGE = 25.0, 36.0
"""Extents: the smaller one leaves room for a support 2.5 times as large."""


@dataclass(frozen=True)
class Cell:
    """One pattern: a kind of particle under conditions that are otherwise ordinary."""

    kind: str
    photons: float
    support: float = 1.25
    missing: float = 1.0
    extent: float = _LARGE

    def sample(self) -> Sample:
        """The pattern; cells of a kind hold the same particle."""
        seed = SETS["hard"] + 1000 + KINDS.index(self.kind)
        random = np.random.default_rng(seed)
        conditions = replace(
            ordinary(random, (self.kind,)), extent=self.extent, support=self.support,
            photons=10**self.photons, missing=self.missing, saturation=0.8,
        )  # fmt: skip
        return sample_of(conditions, "map", seed, random)

    def is_right(self) -> bool:
        """Whether one run of 16 individuals and up to 20 generations finds the object."""
        known = self.sample()
        settings = known.settings().set("global", "runs", 1)
        result = reconstruct(known.pattern(), settings, backend=make_backend("cpu"), seed=1)
        return scores(result.data, known.truth, known.hole_edge).right


def shares(cells: Sequence[Sequence[Sequence[Cell]]], processes: int) -> NDArray[np.float64]:
    """The share of right ones in each place of a map, (rows, columns)."""
    flat = [cell for row in cells for place in row for cell in place]
    if processes == 1:
        found = list(map(Cell.is_right, flat))
    else:
        with ProcessPoolExecutor(processes) as pool:
            found = list(pool.map(Cell.is_right, flat))
    by_place = np.array(found, np.float64).reshape(len(cells), len(cells[0]), -1)
    return np.asarray(by_place.mean(axis=2))


def picture(file: Path, processes: int) -> str:
    """Draw both maps; what they show as text."""
    supports = [
        [[Cell(k, p, support=s, extent=_SMALL) for k in KINDS] for p in PHOTONS] for s in SUPPORTS
    ]
    speckles = [[[Cell(k, p, missing=m) for k in KINDS] for p in PHOTONS] for m in SPECKLES]
    maps = shares(supports, processes), shares(speckles, processes)
    _draw(file, maps)
    named = zip(("support", "speckles"), (SUPPORTS, SPECKLES), maps, strict=True)
    return "\n".join(
        f"{name} {value}: " + " ".join(f"{share:.2f}" for share in row)
        for name, values, table in named
        for value, row in zip(values, table, strict=True)
    )


def _draw(file: Path, maps: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    labels = (
        ("start support / extent of the object", SUPPORTS),
        ("speckles hidden by the missing centre", SPECKLES),
    )
    for axis, table, (label, values) in zip(axes, maps, labels, strict=True):
        shown = axis.imshow(table, origin="lower", vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
        axis.set_xticks(range(len(PHOTONS)), [f"$10^{{{power:g}}}$" for power in PHOTONS])
        axis.set_yticks(range(len(values)), [f"{value:g}" for value in values])
        axis.set_xlabel("photons in the pattern")
        axis.set_ylabel(label)
        for row, column in product(*map(range, table.shape)):
            axis.text(column, row, f"{table[row, column]:.1f}", ha="center", va="center", size=8)
    figure.colorbar(shown, ax=axes, label=f"share of right answers, {len(KINDS)} objects")
    figure.savefig(file, dpi=110)
    plt.close(figure)
