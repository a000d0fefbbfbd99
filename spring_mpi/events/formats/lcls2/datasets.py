"""Names that users may give to the values of an xtc2 file, and what they stand for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...gain_stages import RawForm, coding_of
from ..wording import listed
from .layout import Block, Field

_MOST_NAMED = 8


@dataclass(frozen=True)
class Dataset:
    """One field of a detector, in all its segments."""

    name: str
    """``detector.algorithm.field``."""
    field: Field
    blocks: Mapping[int, Block]
    """The block of each segment, by its source."""

    @property
    def is_frames(self) -> bool:
        """Whether a segment is (rows, columns) or (modules, rows, columns) of numbers."""
        return self.field.rank in (2, 3) and not self.field.is_text

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.field.dtype

    @property
    def raw(self) -> RawForm | None:
        """What its values are, if they are as the detector gave them."""
        block = next(iter(self.blocks.values()))
        bits = coding_of(block.kind, self.dtype) or coding_of(block.detector, self.dtype)
        is_raw = bits or (block.algorithm == "raw" and self.dtype.kind in "iu")
        return RawForm(bits) if is_raw else None


def datasets_of(names: Mapping[int, Block]) -> dict[str, Dataset]:
    """All that the names of a Configure declare, by full name, in their order."""
    found: dict[str, tuple[Field, dict[int, Block]]] = {}
    for source, block in names.items():
        for field in block.fields:
            name = f"{block.detector}.{block.algorithm}.{field.name}"
            found.setdefault(name, (field, {}))[1][source] = block
    return {name: Dataset(name, *parts) for name, parts in found.items()}


def matching(known: Mapping[str, Dataset], text: str | None) -> list[Dataset]:
    """What a text stands for: one full name, else every detector, algorithm or field called so.

    Without a text all there are.
    """
    if text is None:
        return list(known.values())
    if text in known:
        return [known[text]]
    return [dataset for dataset in known.values() if text in _short_names(dataset)]


def told(known: Iterable[Dataset], text: str | None = None) -> str:
    """What there is, for a message; with a text, what it may have been meant for."""
    names = [dataset.name for dataset in known]
    near = difflib.get_close_matches(text, names, n=1) if text else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}it holds {listed(names, _MOST_NAMED) or 'nothing'}"


def _short_names(dataset: Dataset) -> tuple[str, str, str]:
    detector, algorithm, field = dataset.name.split(".", 2)
    return detector, f"{detector}.{algorithm}", field
