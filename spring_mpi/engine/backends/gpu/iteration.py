"""Iterations by transforms of the device's library, and one kernel in each of the two spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ...algorithms import Rule
from .machine import Array, Launch, Machine, blocks
from .workspace import Workspace

Block = Callable[[int], None]
"""Does so many iterations, without taking memory or waiting."""


class Iteration(Protocol):
    """A way to iterate."""

    def prepared(self, density: Array, support: Array, rule: Rule, first: int) -> Block:
        """What iterates those densities in place; takes its memory now.

        ``first`` is the number of the first of them in the whole population.
        """


class FusedIteration:
    """Transform, project, transform back, update: any size.

    Parameters
    ----------
    lower, upper
        The bounds of every modulus of a spectrum, of every problem.
    popsize
        Individuals of a problem.
    """

    def __init__(
        self,
        machine: Machine,
        workspace: Workspace,
        kernels: Launch,
        lower: Array,
        upper: Array,
        *,
        popsize: int,
        is_positive: bool,
    ) -> None:
        self._machine, self._workspace, self._kernels = machine, workspace, kernels
        self._lower, self._upper = lower, upper
        self._popsize, self._is_positive = popsize, is_positive

    def prepared(self, density: Array, support: Array, rule: Rule, first: int) -> Block:
        spectrum, projected = self._workspace.spectra(len(density))

        def iterate(count: int) -> None:
            for _ in range(count):
                self._machine.forward(density, spectrum)
                self._project(spectrum, first)
                self._machine.backward(spectrum, projected)
                self._update(density, projected, support, rule)

        return iterate

    def _project(self, spectrum: Array, first: int) -> None:
        pixels = self._lower[0].size
        self._kernels(
            "project", (blocks(pixels), len(spectrum)), spectrum, self._lower, self._upper,
            np.int32(first), np.int32(self._popsize),
            np.int64(pixels), np.float32(1 / spectrum.shape[1]),
        )  # fmt: skip

    def _update(self, density: Array, projected: Array, support: Array, rule: Rule) -> None:
        pixels = density[0].size
        self._kernels(
            "update_complex" if density.dtype.kind == "c" else "update_real",
            (blocks(pixels), len(density)), density, projected, support, np.int64(pixels),
            np.float32(rule.a), np.float32(rule.b),
            np.int32(rule.reflected), np.int32(self._is_positive),
        )  # fmt: skip
