"""Scratch memory of a device: for the transforms of as many individuals as it allows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ....errors import LaunchError
from .machine import Array, Machine

Value = TypeVar("Value")


@dataclass(frozen=True)
class Scratch:
    """Memory for the transforms of as many individuals as are worked on at once."""

    image: Array
    """(n, size, size) float32."""
    half: Array
    """(n, size, size // 2 + 1) complex64."""
    whole: Array
    """(n, size, size) complex64; none where densities are real."""


class Workspace:
    """Scratch for ``batch`` individuals; where memory does not suffice the batch is halved.

    Parameters
    ----------
    say
        Is told of every halving.
    """

    def __init__(
        self, machine: Machine, say: Callable[[str], None], size: int, batch: int, *, is_real: bool
    ) -> None:
        self._machine, self._say = machine, say
        self._size, self._batch, self._is_real = size, batch, is_real
        self._scratch: Scratch | None = None

    @property
    def scratch(self) -> Scratch:
        """Raises what the machine raises where its memory runs out."""
        if self._scratch is None:
            self._scratch = self._allocated()
        return self._scratch

    def spectra(self, count: int) -> tuple[Array, Array]:
        """Where the spectra of some densities, and then their inverses, go."""
        scratch = self.scratch
        if self._is_real:
            return scratch.half[:count], scratch.image[:count]
        return scratch.whole[:count], scratch.whole[:count]

    def images(self, count: int) -> Array:
        """Memory for complex images, one for each individual or for each pair of real ones."""
        scratch = self.scratch
        if self._is_real:
            pixels = scratch.half.reshape(-1)[: count * self._size**2]
            return pixels.reshape(count, self._size, self._size)
        return scratch.whole[:count]

    def in_batches(self, total: int, action: Callable[[slice], None]) -> None:
        """Do it to all individuals; an action takes its memory before it changes anything."""
        start = 0

        def act() -> int:
            stop = min(start + self._batch, total)
            action(slice(start, stop))
            return stop

        while start < total:
            start = self.with_memory(act)

    def with_memory(self, action: Callable[[], Value]) -> Value:
        """What the action returns, tried again with half the batch while memory runs out.

        Raises
        ------
        LaunchError
            If it does not even suffice for one individual at a time.
        """
        while True:
            try:
                return action()
            except self._machine.exhausted as fault:
                self._shrink(fault)

    def _shrink(self, fault: BaseException) -> None:
        self._scratch = None
        self._machine.release()
        device = self._machine.device
        if self._batch == 1:
            raise LaunchError(
                f"the memory of {device} does not suffice for a population of "
                f"{self._size} x {self._size} pixels; lower global.popsize or "
                f"workers.per_device ({fault})"
            ) from fault
        half = -(-self._batch // 2)
        # Even: real densities that belong together are worked on in one batch.
        self._batch = half + half % 2 if half > 1 else half
        self._say(f"memory is short on {device}: {self._batch} individuals at once from now on")

    def _allocated(self) -> Scratch:
        empty, count, size = self._machine.xp.empty, self._batch, self._size
        return Scratch(
            image=empty((count, size, size), np.float32),
            # Even, so that it also holds pairs of individuals as complex images.
            half=empty((count + count % 2, size, size // 2 + 1), np.complex64),
            whole=None if self._is_real else empty((count, size, size), np.complex64),
        )
