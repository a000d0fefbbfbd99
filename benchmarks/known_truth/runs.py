"""Reconstructions of simulated patterns, each with its scores and what the result says of itself.

A row is a flat mapping that JSON can hold; a file has a line for each.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.errors import PatternError
from spring_mpi.model.result import Result
from spring_mpi.model.settings import Settings

from .sample import Sample, sample
from .scores import coverage, scores

Row = dict[str, Any]
_OBJECT = 0.1
"""Of the truth's maximum: what exceeds it is counted as its area."""


@dataclass(frozen=True)
class Search:
    """How each pattern is reconstructed."""

    popsize: int = 16
    generations: int = 20
    seed: int = 1
    changes: tuple[tuple[str, str, Any], ...] = ()
    """Other settings: (section, key, value)."""
    pattern: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the pattern in place of the sample's."""

    def settings(self, known: Sample) -> Settings:
        """The settings for a sample."""
        settings = known.settings(self.popsize, self.generations)
        for section, key, value in self.changes:
            settings.set(section, key, value)
        return settings


def run(
    samples: Iterable[tuple[str, int]], search: Search, file: Path, processes: int = 1
) -> Iterator[Row]:
    """Reconstruct patterns and append a line for each; those that the file has are left out."""
    done = {_identity(row) for row in read(file)} if file.exists() else set()
    left = [one for one in samples if (*one, search.seed) not in done]
    with file.open("a") as lines:
        for row in _rows(left, search, processes):
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            yield row


def read(file: Path) -> list[Row]:
    """The rows of a file; a last line that is not whole is left out."""
    lines = file.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _rows(left: list[tuple[str, int]], search: Search, processes: int) -> Iterator[Row]:
    work = partial(_row_of, search=search)
    if processes == 1:
        yield from map(work, left)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(work, left)


def _identity(row: Row) -> tuple[str, int, int]:
    return row["class"], row["seed"], row["engine_seed"]


def _row_of(one: tuple[str, int], search: Search) -> Row:
    return row_of(sample(*one), search)


def row_of(known: Sample, search: Search) -> Row:
    """Reconstruct a sample; a pattern that is refused has a row, too."""
    row = _described(known) | {"engine_seed": search.seed}
    began = time.process_time()
    try:
        result = _result(known, search)
    except PatternError as fault:
        return row | _refused(str(fault))
    row["cpu_seconds"] = round(time.process_time() - began, 3)
    return row | judged(known, result)


def _result(known: Sample, search: Search) -> Result:
    pattern = known.pattern(**search.pattern)
    backend = make_backend("cpu")
    return reconstruct(pattern, search.settings(known), backend=backend, seed=search.seed)


def _described(known: Sample) -> Row:
    magnitude = np.abs(known.truth)
    return {
        "class": known.fault, "seed": known.seed, "kind": known.conditions.kind,
        "photons": known.photons, "missing_speckles": known.missing_speckles,
        "extent": known.extent, "supportsize": known.supportsize, "hole_edge": known.hole_edge,
        "gain_is_right": known.conditions.gain_factor == 1,
        "is_complex": known.conditions.is_complex,
        "true_area": int(np.count_nonzero(magnitude > _OBJECT * magnitude.max())),
        "conditions": vars(known.conditions),
    }  # fmt: skip


def _refused(reason: str) -> Row:
    return {"verdict": "refused", "reasons": [reason], "right": False, "close": False,
            "corr": 0.0, "band": 0.0, "score": 0.0, "resolution_px": None}  # fmt: skip


def judged(known: Sample, result: Result) -> Row:
    """Scores of a result, and what it says of itself."""
    found = scores(result.data, known.truth, known.hole_edge)
    can = known.can_be_right
    row: Row = {
        "right": can and found.right, "close": can and found.close, "corr": found.corr,
        "band": found.band, "relative_error": found.error,
        "interior_error": _finite(found.interior),
        "scale": found.scale, "true_resolution": found.resolution, "support_px": result.support_px,
        "error": result.error, "members": result.members, "resolution_px": result.resolution_px,
        "verdict": str(result.verdict) if result.verdict else None, "score": _finite(result.score),
        "reasons": list(result.reasons), "resolution_reason": result.resolution_reason,
        "is_interior_determined": result.is_interior_determined,
        "figures": {name: _finite(value) for name, value in result.figures.items()},
        "generations_run": list(result.generations_run),
    }  # fmt: skip
    if result.sigma.size and result.support.any():
        within = coverage(result.data, known.truth, result.sigma, result.support > 0)
        row |= dict(zip(("one_sigma", "two_sigma", "sigma_ratio"), within, strict=True))
    return row


def _finite(value: float) -> float | None:
    """JSON knows no nan."""
    return float(value) if math.isfinite(value) else None


def single_thread() -> None:
    """One thread for whatever libraries would start more, in this process and its children."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
