"""Tables of many reconstructions: verdict, ranking, resolution, uncertainty.

*Right* is what `Scores.right` says; a pattern that is refused counts as not good.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from .runs import Row
from .statistics import ranking, share, wilson

WITHIN = 1.3
"""Of the true resolution, in both directions."""
COARSE = 2.6
"""Pixels: what is beyond can be told from the finest, 2 px, by more than `WITHIN`."""
FEW_SPECKLES = 2.5


def all_tables(rows: Sequence[Row]) -> str:
    """All tables as text."""
    parts = (
        overview, by_class, verdict, resolutions, resolution_by_kind, uncertainty,
        by_engine_seed, wrong_good,
    )  # fmt: skip

    return "\n\n".join("\n".join(part(rows)) for part in parts)


def good(rows: Sequence[Row]) -> list[Row]:
    """Those that are called good."""
    return [row for row in rows if row["verdict"] == "good"]


def right(rows: Sequence[Row]) -> list[Row]:
    """Those that are."""
    return [row for row in rows if row["right"]]


def overview(rows: Sequence[Row]) -> Iterator[str]:
    """How many patterns, and of which kind."""
    dim = sum(1e4 <= row["photons"] < 1e5 for row in rows)
    seconds = np.mean([row.get("cpu_seconds", np.nan) for row in rows if "cpu_seconds" in row])
    wrong = 1 - share([row["right"] for row in rows])
    yield f"{len(rows)} patterns, {wrong:.1%} of them wrong, {dim} with 10^4 to 10^5 photons"
    yield f"{seconds:.2f} CPU seconds each; close (L2): {share([r['close'] for r in rows]):.1%}"


def by_class(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each class."""
    yield (
        f"{'class':14s} {'n':>4s} {'right':>6s} {'close':>6s} {'good':>5s} {'doubt':>5s} "
        f"{'bad':>5s} {'refused':>7s} {'right of good':>13s} {'wrong called good':>17s}"
    )
    for name, group in sorted(_grouped(rows, "class").items()):
        verdicts = Counter(row["verdict"] for row in group)
        trusted = good(group)
        yield (
            f"{name:14s} {len(group):4d} {len(right(group)):6d} "
            f"{sum(row['close'] for row in group):6d} {verdicts['good']:5d} "
            f"{verdicts['doubtful']:5d} {verdicts['bad']:5d} {verdicts['refused']:7d} "
            f"{_of(len(right(trusted)), len(trusted)):>13s} "
            f"{_of(len(trusted) - len(right(trusted)), len(group) - len(right(group))):>17s}"
        )


def verdict(rows: Sequence[Row]) -> Iterator[str]:
    """Precision and recall of good, what bad is worth, and the scores as a ranking."""
    trusted, true = good(rows), right(rows)
    wrong = [row for row in rows if not row["right"]]
    few = [row for row in true if row["missing_speckles"] <= FEW_SPECKLES]
    many = [row for row in true if row["missing_speckles"] > FEW_SPECKLES]
    rejected = [row for row in rows if row["verdict"] == "bad"]
    plain = [row for row in trusted if not row["is_complex"]]
    few_real = [row for row in few if not row["is_complex"]]
    yield from (
        _line("precision of good", len(right(trusted)), len(trusted)),
        _line("  without complex objects", len(right(plain)), len(plain)),
        _line(f"recall up to {FEW_SPECKLES} speckles", len(good(few)), len(few)),
        _line("  without complex objects", len(good(few_real)), len(few_real)),
        _line("recall beyond", len(good(many)), len(many)),
        _line("wrong called good", len(good(wrong)), len(wrong)),
        _line("right among bad", len(right(rejected)), len(rejected)),
    )
    ranks = {"good": 2, "doubtful": 1}
    scored = [row for row in rows if row["score"] is not None]
    order = [ranks.get(row["verdict"], 0) + row["score"] / 2 for row in scored]
    flags = [row["right"] for row in scored]
    yield f"area under ROC, score alone: {ranking([row['score'] for row in scored], flags):.3f}"
    yield f"area under ROC, verdict then score: {ranking(order, flags):.3f}"


def resolutions(rows: Sequence[Row]) -> Iterator[str]:
    """How far the resolution is right among the good ones."""
    trusted = good(rows)
    told = [row for row in trusted if row["resolution_px"] is not None]
    coarse = [row for row in told if row["true_resolution"] > COARSE]
    yield _line("good ones with a resolution", len(told), len(trusted))
    for name, group in (("all good", told), (f"truth beyond {COARSE} px", coarse)):
        close = [row for row in group if _is_within(row["resolution_px"], row)]
        fixed = [row for row in group if _is_within(2.0, row)]
        fine = sum(row["resolution_px"] * WITHIN < row["true_resolution"] for row in group)
        yield _line(f"resolution within {WITHIN}, {name}", len(close), len(group))
        yield f"  too fine {_of(fine, len(group))}, 'always 2.00 px' {_of(len(fixed), len(group))}"


def resolution_by_kind(rows: Sequence[Row]) -> Iterator[str]:
    """The same, kind by kind of particle."""
    told = [row for row in good(rows) if row["resolution_px"] is not None]
    for kind, group in sorted(_grouped(told, "kind").items()):
        close = sum(_is_within(row["resolution_px"], row) for row in group)
        fine = sum(row["resolution_px"] * WITHIN < row["true_resolution"] for row in group)
        yield f"  {kind:11s} within {_of(close, len(group))}, too fine {fine}"


def uncertainty(rows: Sequence[Row]) -> Iterator[str]:
    """Coverage within the support over right, good ones whose given gain is right."""
    group = [row for row in right(good(rows)) if row["gain_is_right"] and "one_sigma" in row]
    if not group:
        yield "no uncertainties"
        return
    weights = [row["support_px"] for row in group]
    for key, ideal in (("one_sigma", 0.683), ("two_sigma", 0.954), ("sigma_ratio", 1.0)):
        values = [row[key] for row in group]
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
        pooled = np.average(values, weights=weights)
        yield (
            f"{key:12s} pooled {pooled:.3f} (ideal {ideal}), over {len(group)} patterns "
            f"10 % {low:.2f}, median {middle:.2f}, 90 % {high:.2f}"
        )


def by_engine_seed(rows: Sequence[Row]) -> Iterator[str]:
    """What other random numbers of the engine change."""
    for seed, group in sorted(_grouped(rows, "engine_seed").items()):
        trusted, true = good(group), right(group)
        yield (
            f"engine seed {seed}: right {_of(len(true), len(group))}, precision "
            f"{_of(len(right(trusted)), len(trusted))}, recall {_of(len(good(true)), len(true))}"
        )


def wrong_good(rows: Sequence[Row]) -> Iterator[str]:
    """Every wrong answer that is called good."""
    yield "wrong ones called good:"
    for row in good(rows):
        if not row["right"]:
            yield (
                f"  {row['class']} {row['seed']} ({row['kind']}): corr {row['corr']:.3f}, band "
                f"{row['band']:.3f}, {row['missing_speckles']:.1f} speckles missing, "
                f"{row['photons']:.2g} photons"
            )


def _is_within(claimed: float, row: Row) -> bool:
    return bool(1 / WITHIN <= claimed / row["true_resolution"] <= WITHIN)


def _grouped(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def _of(count: int, total: int) -> str:
    return f"{count}/{total}" + (f" = {count / total:.2f}" if total else "")


def _line(name: str, count: int, total: int) -> str:
    low, high = wilson(count, total)
    return f"{name}: {_of(count, total)} [{low:.3f}, {high:.3f}]"
