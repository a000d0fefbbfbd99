"""The result of a job: what was reconstructed, how well, and from what."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..drawing import figure_of
from ..errors import HeldFileError, SourceError
from .names import file_name
from .settings import Settings
from .verdict import Verdict, caption

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Image = NDArray[Any]


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from."""

    seed: int = 1
    backend: str = ""
    device: str = ""
    started: float = 0.0
    """Seconds since 1970."""
    seconds: float = 0.0
    """Duration of the reconstruction, without what interrupted it."""
    warnings: tuple[str, ...] = ()
    """Of the pattern's preparation."""
    masks: tuple[str, ...] = ()
    """What excluded pixels, and how many."""
    command: str = ""
    fingerprint: str = ""
    """Digest of event, preparation, settings and seed; see `spring_mpi.campaign.recipe`."""
    source: str = ""
    """File of the event."""
    center: tuple[float, float] | None = None
    """(row, column) of the zero frequency in the frame, pixels, as used; None: not recorded."""
    center_origin: str = ""
    """How it was found, see `spring_mpi.Pattern`."""
    satvalue: float | None = None
    """Raw value at and above which pixels count as saturated, as used; None: none do."""
    estimated_gain: float | None = None
    """Raw units per photon, as the noise of Friedel pairs says; None: it does not tell."""
    contradictions: tuple[str, ...] = ()
    """Where the frame says otherwise than what is used; see `spring_mpi.Pattern`."""
    supportsize: int | None = None
    """Linear size of the initial supports, pixels of the density, as used."""


_ABSENT: Mapping[str, Any] = {
    "tag": "",
    "std": np.empty((0, 0), np.float32),
    "support_frequency": np.empty((0, 0), np.float32),
    "error": math.nan,
    "error_history": np.empty((0, 0), np.float32),
    "prtf": np.empty(0),
    "ring_correlation": np.empty(0),
    "resolution_px": None,
    "members": 0,
    "verdict": None,
    "score": math.nan,
    "reasons": (),
    "is_interior_determined": None,
    "figures": {},
    "resolution_reason": "",
    "agreement": np.empty(0),
    "sigma": np.empty((0, 0), np.float32),
    "weak_modes": np.empty((0, 0, 0), np.float32),
    "generations_run": (),
}
"""Of results whose file does not hold it."""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """One reconstruction; images are (size, size), (row, column), centre of mass at the middle."""

    name: str
    pid: tuple[int, ...]
    tag: str
    data: Image
    """Mean of the aligned best individuals, float32 or complex64, sqrt(photons)."""
    support: NDArray[np.uint8]
    """1 = inside the support of more than half of them."""
    best: Image
    """The individual with the lowest fitness."""
    std: NDArray[np.float32]
    """Standard deviation over the averaged individuals."""
    support_frequency: NDArray[np.float32]
    """Share of the averaged individuals whose support holds the pixel."""
    intensity: NDArray[np.float32]
    """The prepared pattern, photons, zero frequency at [size // 2, size // 2]."""
    mask: NDArray[np.uint8]
    """1 = excluded, as masked or saturated, in the prepared pattern."""
    error: float
    """Relative distance of the best individual's moduli to the data."""
    error_history: NDArray[np.float32]
    """(generations, popsize)."""
    prtf: NDArray[np.float64]
    """Phase retrieval transfer function at radius 0, 1, ... pixels; nan where not measured, and
    everywhere when only one individual was averaged."""
    ring_correlation: NDArray[np.float64]
    """Between two islands, radius 0, 1, ... pixels; empty with one island."""
    resolution_px: float | None
    """Full period at which `agreement` falls below 0.5, pixels of the density; None where the
    verdict is not good, where no independent run was made, and where the runs agree nowhere."""
    members: int
    """How many individuals were averaged."""
    settings: Settings
    provenance: Provenance = field(default_factory=Provenance)
    verdict: Verdict | None = None
    """How far to believe it; None in results of versions that did not judge."""
    score: float = math.nan
    """For sorting within a verdict, 0 (no trust) to 1."""
    reasons: tuple[str, ...] = ()
    """Why the verdict is not good, or what else a person should know, a sentence each."""
    is_interior_determined: bool | None = None
    """Whether the data say how the density is spread within the support; None where not known."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """The figures of merit that the verdict was made from, by name."""
    resolution_reason: str = ""
    """Why there is no resolution; empty where there is one."""
    agreement: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """C(q) at radius 0, 1, ... pixels, from which the resolution is read: the least correlation
    with an independent run, times what noise leaves of it; empty where there was one run."""
    sigma: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    """Standard uncertainty of every pixel of ``data``, sqrt(photons)."""
    weak_modes: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))
    """(modes, size, size): features that the data do not determine, the weakest first, each with
    the norm 1."""
    generations_run: tuple[int, ...] = ()
    """Generations of each run; empty in results of versions that had one run of all generations."""
    orientation_sureness: float = math.nan
    """How sure the rule is that chose this one of the twins, 0 (by chance) to 1: how lopsided the
    reconstruction is along its longer axis, and along those that might be it; nan where not known.
    See `spring_mpi.model.alignment.orientation_sureness`."""

    def __repr__(self) -> str:
        rows, columns = self.data.shape
        return (
            f"<Result {self.name}: {rows} x {columns}, "
            f"{caption(self.verdict, self.score, self.error, self.resolution_px)}, "
            f"support {self.support_px} px>"
        )

    @property
    def support_px(self) -> int:
        """Area of the support, pixels."""
        return int(self.support.sum())

    def with_provenance(self, **changes: Any) -> Result:
        """The same result with other provenance."""
        return replace(self, provenance=replace(self.provenance, **changes))

    def save(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Write the file completely or not at all; default ``<workdir>/<name>.h5``.

        Raises
        ------
        OSError
            If the folder cannot be written or is full; no partial file is left.
        """
        from .result_file import write

        target = Path(path or Path(self.settings.global_.workdir) / f"{file_name(self.name)}.h5")
        write(vars(self) | vars(self.provenance), target)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Result:
        """Read a result file.

        Raises
        ------
        SourceError
            If the file is missing, damaged, or not a result.
        """
        from .result_file import READ_FAULTS, read

        if not Path(path).is_file():
            raise SourceError(f"{path}: there is no such file")
        try:
            values = read(Path(path))
        except HeldFileError:
            raise
        except READ_FAULTS as fault:
            if isinstance(fault, OSError) and fault.errno:  # says nothing of what is in it
                raise SourceError(f"{path} cannot be read: {fault.strerror}") from fault
            raise SourceError(f"{path} is not a result file of spring-mpi: {fault}") from fault
        # What a file of another version lacks is as if it had not been measured.
        origin = {
            known.name: values.pop(known.name)
            for known in fields(Provenance)
            if known.name in values
        }
        return cls(**{**_ABSENT, **values}, provenance=Provenance(**origin))

    def plot(self) -> Figure:
        """A figure: pattern, reconstruction, support, errors over generations, PRTF."""
        return figure_of(self)
