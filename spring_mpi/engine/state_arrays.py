"""The state of an evolution as arrays, as a checkpoint has them: names, parts, and joined ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .backend import Arrays

FITNESS, IS_FINISHING = "scores", "is_finishing"
"""Names of arrays."""
NO_AREA = -1
"""What stands for the target area of an archive that has none."""


def finishing(arrays: Arrays) -> Arrays:
    """What `Evolution.save` gave of a problem, where its finishing generations begin.

    In area mode the archive starts anew: searches that ended at different areas go on alike.
    """
    return {
        **arrays,
        "history": np.empty((0, arrays["history"].shape[1])),
        "archive.area": np.array(NO_AREA),
        IS_FINISHING: np.array(True),
    }


def named(part: str, arrays: Arrays) -> Arrays:
    """The arrays of a part of the state, under names that tell the part."""
    return {f"{part}.{name}": array for name, array in arrays.items()}


def part_of(part: str, arrays: Arrays) -> Arrays:
    """The inverse of `named`, among the arrays of all parts."""
    prefix = f"{part}."
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def side_by_side(problems: Sequence[Arrays]) -> Arrays:
    """The arrays of all problems as those of one state."""
    if len(problems) == 1:
        return problems[0]
    return {
        name: np.concatenate([arrays[name] for arrays in problems], axis=int(name == "history"))
        for name, array in problems[0].items()
        if array.ndim
    }
