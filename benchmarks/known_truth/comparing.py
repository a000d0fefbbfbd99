"""Ways of searching compared pattern by pattern: the same patterns and seeds, other settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from .runs import Row
from .statistics import bootstrap

_LEAST = 1e-5
"""Added to 1 - corr, so that ratios of tiny ones do not count."""


def compared(first: Sequence[Row], others: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """A table of other searches against the first one, with intervals of 95 % over patterns.

    Only patterns count that both have, with the same seed of the engine.
    """
    yield "| search | patterns | right | right, difference | close, difference | 1 - corr, ratio |"
    yield "|---|---|---|---|---|---|"
    for name, rows in others.items():
        pairs = paired(first, rows)
        if not pairs:
            yield f"| {name} | 0 | | | | |"
            continue
        right = np.mean([row["right"] for both in pairs.values() for _, row in both])
        ratio = np.exp(interval(pairs, lambda row: float(np.log(1 - row["corr"] + _LEAST))))
        yield (
            f"| {name} | {len(pairs)} | {right:.3f} | {_text(pairs, 'right')} "
            f"| {_text(pairs, 'close')} | {ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}] |"
        )


Pairs = Mapping[tuple[str, int], Sequence[tuple[Row, Row]]]


def paired(first: Sequence[Row], other: Sequence[Row]) -> Pairs:
    """By class and seed of the pattern: the rows of both searches, for each seed of the engine."""
    known = {_identity(row): row for row in first}
    pairs = defaultdict(list)
    for row in other:
        if _identity(row) in known:
            pairs[row["class"], row["seed"]].append((known[_identity(row)], row))
    return pairs


def interval(pairs: Pairs, value: Callable[[Row], float]) -> tuple[float, float, float]:
    """Mean of what the other search has more of, and its interval."""
    differences = np.array(
        [np.mean([value(row) - value(base) for base, row in both]) for both in pairs.values()]
    )
    return (float(differences.mean()), *bootstrap(differences[:, None]))


def _text(pairs: Pairs, name: str) -> str:
    mean, low, high = interval(pairs, lambda row: float(row[name]))
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def _identity(row: Row) -> tuple[str, int, int]:
    return row["class"], row["seed"], row["engine_seed"]
