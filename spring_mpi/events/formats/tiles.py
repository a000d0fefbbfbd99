"""Modules that a format gives side by side as one image, and as a stack where a geometry wants one.

A frame whose ``info["tiles"]`` has a `Tile` for each module is such an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Tile(NamedTuple):
    """The place of a module in an image."""

    corner: tuple[int, int]
    """(row, column) of its first pixel there, the one with the smallest numbers."""
    is_turned: bool
    """Whether it is turned by 180 degrees."""


def side_by_side(
    stack: NDArray[Any], tiles: Sequence[Tile], shape: tuple[int, ...]
) -> NDArray[Any]:
    """The image (rows, columns) of that shape in which the modules lie in their places.

    Parameters
    ----------
    stack
        (modules, rows, columns)
    """
    image = np.zeros(shape, stack.dtype)
    for module, tile in zip(stack, tiles, strict=True):
        image[_place(tile, module.shape)] = module[::-1, ::-1] if tile.is_turned else module
    return image


def stacked(image: NDArray[Any], tiles: Sequence[Tile], module: tuple[int, int]) -> NDArray[Any]:
    """The stack (modules, rows, columns) of an image's tiles; the inverse of `side_by_side`.

    Parameters
    ----------
    module
        (rows, columns) of a module.
    """
    planes = (image[_place(tile, module)] for tile in tiles)
    turned = (
        plane[::-1, ::-1] if tile.is_turned else plane
        for plane, tile in zip(planes, tiles, strict=True)
    )  # fmt: skip
    return np.stack(list(turned))


def _place(tile: Tile, module: tuple[int, ...]) -> tuple[slice, slice]:
    row, column = tile.corner
    return slice(row, row + module[0]), slice(column, column + module[1])
