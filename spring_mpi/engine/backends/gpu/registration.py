"""Registration of many densities at once, by their cross-correlations on the device.

The same peaks as in `spring_mpi.model.alignment.register`: both twins are tried, equal peaks
prefer no twin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....model.alignment import TWIN_MARGIN
from ...backend import Flags
from .machine import Array, Machine


@dataclass(frozen=True)
class Motions:
    """How every density of a batch moves onto its target."""

    moves: NDArray[np.int32]
    """(n, 3): twin or not, then the shift by rows and by columns."""
    factors: NDArray[np.float32]
    """(n, 2): real and imaginary part of the factor of modulus 1."""

    def at_rest(self, where: Flags) -> Motions:
        """The motions, but none where the flag is set."""
        chosen = where[:, None]
        return replace(
            self,
            moves=np.where(chosen, np.int32(0), self.moves),
            factors=np.where(chosen, np.array([1, 0], np.float32), self.factors),
        )


def motions(machine: Machine, spectra: Array, targets: Array, scratch: Array) -> Motions:
    """The motions of densities onto targets, both given by their spectra.

    ``scratch`` takes the correlations, (n, size, size) of the densities' type.
    """
    straight = _peaks(machine, spectra.conj() * targets, scratch)
    mirrored = _peaks(machine, spectra * targets, scratch)
    is_twin = np.abs(mirrored[1]) > np.abs(straight[1]) * TWIN_MARGIN
    places, values = (np.where(is_twin, *pair) for pair in zip(mirrored, straight, strict=True))
    modulus, size = np.abs(values), scratch.shape[1]
    factors = np.divide(values, modulus, out=np.ones_like(values), where=modulus > 0)
    moves = np.stack([is_twin, places // size, places % size], axis=1)
    turns = np.stack([factors.real, factors.imag], axis=1)
    return Motions(moves.astype(np.int32), turns.astype(np.float32))


def _peaks(
    machine: Machine, spectra: Array, scratch: Array
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Where the modulus of the correlations is greatest, and their values there."""
    machine.backward(spectra, scratch)
    flat = scratch.reshape(len(scratch), -1)
    places = machine.xp.abs(flat).argmax(axis=1)
    values = flat[machine.xp.arange(len(flat)), places]
    return machine.host(places), machine.host(values)
