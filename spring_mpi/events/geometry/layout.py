"""Where each pixel of a detector is, and the image that its modules make; nothing is interpolated.

Positions are in metres in the laboratory frame: z along the beam, y up, x completes a right-handed
system, so it points left for somebody who looks along the beam; x = y = 0 is the beam. The image
is what that person sees: rows grow downwards (-y), columns to the right (-x).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError
from ..formats.bits import has_bits, lacks_bits
from .flags import Extents, ValueFlag, only_in

LARGEST = 2**25
"""Pixels of the largest stack and of the largest image: twice a detector of 16 megapixels."""

# A panel may lie half a pixel off the grid: then rounding must not depend on the last digit.
_TIE = 2.0**-10


@dataclass(frozen=True)
class FileMask:
    """A mask that a geometry file names, with the two bit patterns that give it its meaning."""

    file: str | None
    """HDF5 file; None: the source of the event."""
    dataset: str
    good_bits: int
    """A pixel is excluded unless all of these are set."""
    bad_bits: int
    """A pixel is excluded if one of these is set."""
    places: tuple[Extents, ...] = ()
    """The panels of the stack for which it holds; none: all."""

    @property
    def meaning(self) -> str:
        """Which values are excluded, for people."""
        return f"what has a bit of {self.bad_bits} or lacks one of {self.good_bits}"

    def excluded(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True where a pixel is excluded; same shape as ``values``."""
        found = has_bits(values, self.bad_bits) | lacks_bits(values, self.good_bits)
        return only_in(self.places, found) if self.places else found


@dataclass(frozen=True, eq=False)
class Geometry:
    """The places of all pixels, and of each in the image; made by `lay_out`."""

    positions: NDArray[np.float32]
    """(modules, rows, columns, 3): x, y, z of each pixel's centre, metres; nan: not known."""
    pixel: tuple[float, float]
    """Distance of two rows and of two columns of the image, metres."""
    gather: NDArray[np.int32]
    """(image rows, image columns): position in the flattened stack, -1 where there is no pixel."""
    excluded: NDArray[np.bool_]
    """(image rows, image columns): True where there is no pixel, or one that is not to be used."""
    center: tuple[float, float]
    """(row, column) of the beam in the image, 0.0 = centre of its first pixel."""
    lost: int
    """Pixels without a place of their own, as a nearer one has it."""
    is_part: bool = False
    """The file speaks of some pixels only; the stack may be larger."""
    masks: tuple[FileMask, ...] = ()
    """What else excludes pixels."""
    flags: tuple[ValueFlag, ...] = ()
    """What excludes pixels by their raw values."""
    unread: tuple[tuple[str, str], ...] = ()
    """What the file says of the pixels' worth and is not read, and what to do."""
    first_module: int | None = None
    """Number of the module of the first panel, if the user says it."""

    def __post_init__(self) -> None:
        for array in (self.positions, self.gather, self.excluded):
            array.flags.writeable = False

    def __str__(self) -> str:
        rows, columns = self.gather.shape
        row, column = self.center
        return (
            f"{' x '.join(map(str, self.shape))} pixels make an image of {rows} x {columns}, "
            f"with the beam at ({row:.1f}, {column:.1f}); "
            f"{self.lost} pixels find no place of their own"
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(modules, rows, columns) of the stack."""
        modules, rows, columns, _ = self.positions.shape
        return modules, rows, columns

    def is_stack(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of that shape is a stack of this detector rather than an image of it."""
        full = (1, *shape) if len(shape) == 2 else shape
        return full == self.shape or (shape != self.gather.shape and self._takes(full))

    def assemble(
        self, stack: NDArray[Any], modules: Sequence[int] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The image of a stack; every value is that of one pixel, unchanged.

        Parameters
        ----------
        stack
            (modules, rows, columns); (rows, columns) of a single module. The modules may
            also be the last axis, as in raw frames of the CSPAD 2x2.
        modules
            Which modules the stack holds, 0 = that of the first panel; None: all of them.

        Returns
        -------
        tuple
            The image, (rows, columns), 0 where there is no pixel; and what it excludes, True where
            there is no pixel, a missing module, or a pixel that the geometry says is bad.

        Raises
        ------
        PatternError
            If the stack is not of this detector.
        """
        planes, missing = self._whole(stack, modules)
        excluded = self.excluded if missing is None else self.excluded | missing
        return self._image(planes), excluded

    def without_flags(self) -> Geometry:
        """The same for raw values that hold gain stages, which no limit can be compared with."""
        if not self.flags:
            return self
        remedy = "it is not compared with raw values that hold gain stages: use a mask (data.mask)"
        unread = ((str(flag), remedy) for flag in self.flags)
        return replace(self, flags=(), unread=(*self.unread, *unread))

    def flagged(
        self, stack: NDArray[Any], modules: Sequence[int] | None = None
    ) -> list[tuple[ValueFlag, NDArray[np.bool_]]]:
        """For each of `flags` the pixels of the image that it excludes; arguments as `assemble`."""
        if not self.flags:
            return []
        planes, missing = self._whole(stack, modules)
        found = []
        for flag in self.flags:
            marked = self._image(flag.marked(planes))
            found.append((flag, marked if missing is None else marked & ~missing))
        return found

    def _image(self, planes: NDArray[Any]) -> NDArray[Any]:
        """The image of all modules, 0 or False where there is no pixel."""
        image = np.take(planes.reshape(-1), self.gather, mode="clip")
        image[self.gather < 0] = 0
        return image

    def _whole(
        self, stack: NDArray[Any], modules: Sequence[int] | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """The stack of all modules, and the pixels of the image that it lacks; None: none."""
        if modules is None:
            return self._planes(stack), None
        planes, missing = self._spread(stack, modules)
        return planes, missing[self.gather // (self.shape[1] * self.shape[2])]

    def _planes(self, stack: NDArray[Any]) -> NDArray[Any]:
        modules, rows, columns = self.shape
        if stack.ndim == 2:
            stack = stack[np.newaxis]
        elif stack.shape == (rows, columns, modules) != self.shape:
            stack = np.moveaxis(stack, -1, 0)
        if not self._takes(stack.shape):
            least = "at least " if self.is_part else ""
            raise PatternError(
                f"frame is {stack.shape}, but the geometry is of {least}{self.shape}, "
                "(modules, rows, columns)"
            )
        return stack[:modules, :rows, :columns]

    def _takes(self, shape: tuple[int, ...]) -> bool:
        if self.is_part and len(shape) == 3:
            return all(map(operator.ge, shape, self.shape))
        return shape == self.shape

    def _spread(
        self, stack: NDArray[Any], modules: Sequence[int]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The stack of all modules, and which of them it lacks."""
        stack = stack[np.newaxis] if stack.ndim == 2 else stack
        numbers = [int(number) for number in modules]
        known = set(range(self.shape[0]))
        if stack.shape != (len(numbers), *self.shape[1:]) or len(known & {*numbers}) < len(numbers):
            raise PatternError(
                f"frame is {stack.shape} with the modules {numbers}, but the geometry is of "
                f"{self.shape}, (modules, rows, columns)"
            )
        planes = np.zeros(self.shape, stack.dtype)
        planes[numbers] = stack
        missing = np.ones(self.shape[0], np.bool_)
        missing[numbers] = False
        return planes, missing


def lay_out(
    positions: NDArray[np.float64],
    pixel: tuple[float, float],
    bad: NDArray[np.bool_],
    *,
    grid: NDArray[np.float64] | None = None,
    is_part: bool = False,
    masks: tuple[FileMask, ...] = (),
    flags: tuple[ValueFlag, ...] = (),
    unread: tuple[tuple[str, str], ...] = (),
) -> Geometry:
    """Give every pixel the place in the image that is nearest to it.

    The lines of the grid pass through the beam. Of several pixels at one place the nearest one gets
    it, and one that is not bad before one that is. The centre is where the beam is on the average
    over the pixels that are not bad, so that it is exact for a single panel.

    Parameters
    ----------
    positions, pixel, is_part, masks, flags, unread
        As in `Geometry`.
    bad
        (modules, rows, columns): True for pixels not to be used.
    grid
        (modules, rows, columns, 2): x and y that stand for the positions in the image; None: their
        own. Pixels that are no squares have such a grid.

    Raises
    ------
    ValueError
        If no pixel has a place, or the image were too large.
    """
    places = (positions if grid is None else grid)[..., 1::-1].reshape(-1, 2)
    index = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(index):
        raise ValueError("places no pixel")
    true = -places[index] / pixel
    cells, size = _cells(true)
    offsets, is_bad = cells - true, bad.reshape(-1)[index]
    center = offsets[is_bad.all() | ~is_bad].mean(axis=0)
    # Rounding moves no pixel as far as 10 asks for, so that bad ones come after all others.
    distance = ((offsets - center) ** 2).sum(axis=1) + 10.0 * is_bad
    order = np.argsort(-distance, kind="stable")
    gather = np.full(size, -1, np.int32)
    # Of equal places the last one counts.
    gather[cells[order, 0], cells[order, 1]] = index[order]
    is_hole = gather < 0
    return Geometry(
        positions=positions.astype(np.float32),
        pixel=pixel,
        gather=gather,
        excluded=is_hole | np.take(bad.reshape(-1), gather, mode="clip"),
        center=(float(center[0]), float(center[1])),
        lost=len(index) - int(np.count_nonzero(~is_hole)),
        is_part=is_part,
        masks=masks,
        flags=flags,
        unread=unread,
    )


def _cells(places: NDArray[np.float64]) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """(row, column) of the nearest places of the grid, the first ones 0, and the image's size."""
    lower = np.floor(places + _TIE)
    first = lower.min(axis=0)
    rows, columns = lower.max(axis=0) - first + 1
    if rows * columns > LARGEST:
        raise ValueError(f"makes an image of {rows:.3g} x {columns:.3g} pixels, too many to hold")
    return (lower - first).astype(np.int64), (int(rows), int(columns))
