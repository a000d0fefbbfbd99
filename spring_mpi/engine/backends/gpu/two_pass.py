"""Iterations in two sweeps over memory, by the kernels of ``two_pass.cu``; 2^k from 64 to 2048."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...algorithms import Rule
from .iteration import Block
from .machine import THREADS, Array, Machine
from .workspace import Workspace

_ROWS = {2048: 2}
_LANES = {1024: 2, 2048: 1}
_USUAL = 4
"""Rows of a block, and columns of a tile, where not by size: fewer of long ones fit 48 KiB."""


def has_two_passes(size: int) -> bool:
    """Whether there are kernels for that size: what a block needs fits its 48 KiB."""
    return 64 <= size <= 2048 and size & (size - 1) == 0


class TwoPasses:
    """See `spring_mpi.engine.backends.gpu.iteration.Iteration`.

    Parameters
    ----------
    lower, upper
        The bounds of every modulus of every problem, (problems, size, size), zero frequency at
        [0, 0]; where densities are real it must be Friedel-symmetric.
    popsize
        Individuals of a problem; even where there are several and densities are real.
    """

    def __init__(
        self,
        machine: Machine,
        workspace: Workspace,
        lower: NDArray[np.float32],
        upper: NDArray[np.float32],
        *,
        popsize: int,
        is_real: bool,
        is_positive: bool,
    ) -> None:
        size = lower.shape[-1]
        self._size, self._is_real, self._is_positive = size, is_real, is_positive
        self._workspace = workspace
        self._rows, lanes = _ROWS.get(size, _USUAL), _LANES.get(size, _USUAL)
        self._grid = (size // lanes, size // self._rows)
        self._kernels = machine.module(
            "two_pass.cu", N=size, LANES=lanes, ROWS=self._rows, PAIRED=int(is_real),
            THREADS=THREADS,
        )  # fmt: skip
        asarray = machine.xp.asarray
        self._lower, self._upper = (
            asarray(np.stack([in_tiles(moduli, lanes) for moduli in bound]))
            for bound in (lower, upper)
        )
        # A pair of real densities is one image.
        self._images = -(-popsize // 2) if is_real else popsize
        roots = np.exp(-2j * np.pi * np.arange(size) / size)
        self._roots = asarray(roots.astype(np.complex64))

    def prepared(self, density: Array, support: Array, rule: Rule, first: int) -> Block:
        count = len(density)
        images = -(-count // 2) if self._is_real else count
        first_image = np.int32(first // 2 if self._is_real else first)
        half = self._workspace.images(images)
        (tiles, row_blocks), individuals = self._grid, np.int32(count)
        numbers = (
            np.float32(rule.a), np.float32(rule.b),
            np.int32(rule.reflected), np.int32(self._is_positive),
        )  # fmt: skip

        def iterate(times: int) -> None:
            rows = (row_blocks, images)
            self._kernels("first_rows", rows, half, density, individuals, self._roots)
            for step in range(times):
                self._kernels(
                    "column_pass", (tiles, images), half, self._lower, self._upper, self._roots,
                    first_image, np.int32(self._images),
                )  # fmt: skip
                self._kernels(
                    "row_pass", rows, half, density, support, individuals, self._roots, *numbers,
                    np.int32(step == times - 1),
                )  # fmt: skip

        return iterate


def in_tiles(image: NDArray[np.float32], lanes: int) -> NDArray[np.float32]:
    """A spectrum (size, size) as the column pass has it: (size / lanes, size, lanes).

    Rows and columns are in bit-reversed order.
    """
    size = len(image)
    order = bit_reversed(size)
    tiles = image[order][:, order].reshape(size, size // lanes, lanes)
    return np.ascontiguousarray(tiles.transpose(1, 0, 2))


def bit_reversed(size: int) -> NDArray[np.int64]:
    """The numbers below a power of two, their bits read backwards."""
    order = np.zeros(1, np.int64)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order
