"""Simulated events: a run of hits and blanks that needs no file, ``events=64:seed=7``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..reader import Facts, Frame, PidDatasets, Scan, refuse_names
from .diffraction import Detector, diffraction, shapes

# The pids of the pages that users know; these events are always hits.
_KNOWN_PIDS = (
    (197, 10, 14558540587), (250, 23, 14565026066), (71, 1, 14546865407), (19, 7, 14541946795),
)  # fmt: skip
_HITS = 0.4
_BLANK_PHOTONS = 200.0
_MOST_EVENTS = 10_000_000
_MOST_PHOTONS = 1e12
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Run:
    """What the text of a source says."""

    events: int = 64
    seed: int = 7
    photons: float = 1e6
    """Scattered onto the detector by a hit."""

    @classmethod
    def parse(cls, text: str) -> Run:
        """From ``key=value`` joined by ``:``.

        Raises
        ------
        SourceError
            For an unknown key or a value that is no number in range.
        """
        given = dict(part.partition("=")[::2] for part in text.split(":"))
        unknown = set(given) - set(cls.__dataclass_fields__)
        if unknown:
            raise SourceError(
                f"{text}: unknown {', '.join(sorted(unknown))}; a simulated run has "
                f"{', '.join(cls.__dataclass_fields__)}"
            )
        try:
            run = cls(
                int(given.get("events", cls.events)),
                int(given.get("seed", cls.seed)),
                float(given.get("photons", cls.photons)),
            )
        except ValueError as fault:
            raise SourceError(f"{text}: {fault}") from fault
        run.verify(text)
        return run

    def verify(self, text: str) -> None:
        """Raise `SourceError` for a value out of range."""
        limits = {
            "events": (1, _MOST_EVENTS), "seed": (0, _LARGEST_SEED), "photons": (1, _MOST_PHOTONS),
        }  # fmt: skip
        for name, (least, most) in limits.items():
            if not least <= getattr(self, name) <= most:
                raise SourceError(f"{text}: {name} must be {least} to {most:g}")


class SimulateReader:
    """Frames of `Detector`, (264, 272); datasets ``mask`` (1 = excluded) and ``center``."""

    needs_file = False
    facts = Facts(is_simulated=True)

    def sniff(self, path: str) -> bool:
        """Whether the text describes a simulated run."""
        return re.match(r"events=\d+(:|$)", path) is not None

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """The pids; they depend on the seed and the row alone."""
        refuse_names("simulated", dataset, pid)
        run = Run.parse(source)
        pids = np.empty((run.events, 3), np.int64)
        rows = np.arange(run.events)
        pids[:, 0] = 20 + run.seed + rows // 1000
        pids[:, 1] = rows % 1000
        pids[:, 2] = 14540000000 + 1201 * rows
        known = min(len(_KNOWN_PIDS), run.events)
        pids[:known] = _KNOWN_PIDS[:known]
        shape = (run.events, *Detector().shape)
        return Scan("", pids, ("run", "train", "pulse"), shape, "float32")

    def open(self, source: str) -> SimulateHandle:
        """The run, ready for single events."""
        return SimulateHandle(Run.parse(source))


class SimulateHandle:
    """Makes the event of a row when it is asked for."""

    def __init__(self, run: Run) -> None:
        self._run, self._detector = run, Detector()

    def event(self, dataset: str, row: int) -> Frame:
        """A hit or a blank; ``info`` tells the particle's shape and diameter."""
        random = np.random.default_rng([self._run.seed, row])
        if row >= len(_KNOWN_PIDS) and random.random() > _HITS:
            rows, columns = self._detector.shape
            light = np.full((rows, columns), _BLANK_PHOTONS / (rows * columns))
            return Frame(self._detector.record(light, random), info={"shape": "blank"})
        names = list(shapes())
        name, diameter = names[(row + 3) % len(names)], float(random.uniform(30, 48))
        density = shapes()[name](diameter, random)
        light = diffraction(density, self._detector, self._run.photons)
        info = {"shape": name, "diameter": diameter, "density": density}
        return Frame(self._detector.record(light, random), info=info)

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """``mask`` (264, 272) or ``center`` (2,)."""
        fields = {
            "mask": self._detector.excluded().astype(np.uint8),
            "center": np.array(self._detector.center),
        }
        if dataset not in fields:
            raise KeyError(f"no dataset {dataset!r} in a simulated run; known: mask, center")
        return fields[dataset]

    def close(self) -> None:
        """Nothing is open."""
