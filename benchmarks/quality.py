"""The engine judged by simulated patterns whose truth is known.

``run`` reconstructs patterns, and writes a line of JSON for each: scores against the truth, and
what the result says of itself. ``tables`` reads such files; ``compare`` sets them against the first
of them, pattern by pattern. Sets of seeds are disjoint: development and validation are for tuning,
test is looked at when nothing is tuned any more.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from known_truth.comparing import compared
from known_truth.conditions import CLASSES
from known_truth.hard import SEEDS, budgets, comparison, small_supports
from known_truth.robustness import picture
from known_truth.runs import Row, Search, read, run, single_thread
from known_truth.sample import SETS
from known_truth.tables import all_tables

COUNTS = {
    **dict.fromkeys(CLASSES, 25), "standard": 10, "usual": 10, "thin": 10, "dim": 75,
    "very_dim": 30, "blank": 40, "polarity": 30, "double_far": 45, "centre": 60,
    "unmasked_gap": 40, "mixture": 60, "coherence": 35,
}  # fmt: skip
"""Patterns of each class unless said otherwise: somewhat more than a third go wrong."""


def main() -> None:
    """Run what is asked for."""
    single_thread()
    arguments = _parser().parse_args()
    arguments.action(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(required=True)
    _add_run(actions.add_parser("run", help="reconstruct patterns"))
    tables = actions.add_parser("tables", help="tables of what was reconstructed")
    tables.add_argument("files", nargs="+", type=Path, metavar="FILE")
    tables.set_defaults(action=_tables)
    compare = actions.add_parser("compare", help="searches, pattern by pattern")
    compare.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="the first: others' base"
    )
    compare.set_defaults(action=_compare)
    hard = actions.add_parser("hard", help="memetic against conventional search")
    hard.add_argument("--seeds", type=int, default=SEEDS)
    hard.add_argument("--processes", type=int, default=1)
    hard.set_defaults(action=_hard)
    maps = actions.add_parser("map", help="a picture of where right answers end")
    maps.add_argument("file", type=Path, metavar="FILE.png")
    maps.add_argument("--processes", type=int, default=1)
    maps.set_defaults(action=lambda given: print(picture(given.file, given.processes)))
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", choices=("development", "validation", "test"), required=True)
    parser.add_argument("--classes", nargs="+", choices=CLASSES, default=list(CLASSES))
    parser.add_argument("--seeds", type=int, help="of each class; default: COUNTS")
    parser.add_argument("--first", type=int, default=0, help="seed within the set")
    parser.add_argument("--engine-seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--popsize", type=int, default=16)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--setting", nargs=2, action="append", default=[],
                        metavar=("SECTION.KEY", "VALUE"), help="another setting")  # fmt: skip
    parser.add_argument("--pattern", nargs=2, action="append", default=[],
                        metavar=("ARGUMENT", "VALUE"), help="of Pattern")  # fmt: skip
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--jsonl", type=Path, metavar="FILE", required=True,
                        help="lines are appended; what it has is not done again")  # fmt: skip
    parser.set_defaults(action=_run)


def _run(arguments: argparse.Namespace) -> None:
    first = SETS[arguments.set] + arguments.first
    counts = {fault: arguments.seeds or COUNTS[fault] for fault in arguments.classes}
    # Class by class within a seed, so that a run that is stopped has something of every class.
    samples = [
        (fault, first + number)
        for number in range(max(counts.values()))
        for fault, count in counts.items()
        if number < count
    ]
    for seed in arguments.engine_seeds:
        search = Search(
            arguments.popsize, arguments.generations, seed, _changes(arguments.setting),
            {name: yaml.safe_load(value) for name, value in arguments.pattern},
        )  # fmt: skip
        for row in run(samples, search, arguments.jsonl, arguments.processes):
            print(_told(row), flush=True)


def _changes(given: Sequence[tuple[str, str]]) -> tuple[tuple[str, str, Any], ...]:
    changes = []
    for name, value in given:
        section, _, key = name.partition(".")
        changes.append((section, key, yaml.safe_load(value)))
    return tuple(changes)


def _told(row: Row) -> str:
    is_right = "right" if row["right"] else "wrong"
    reasons = "; ".join(row["reasons"])
    return (
        f"{row['class']:12s} {row['seed']:6d} {is_right} {row['corr']:.3f} {row['band']:.3f} "
        f"{row['verdict']} {reasons}"
    )


def _compare(arguments: argparse.Namespace) -> None:
    first, *others = arguments.files
    print("\n".join(compared(read(first), {file.stem: read(file) for file in others})))


def _tables(arguments: argparse.Namespace) -> None:
    print(all_tables([row for file in arguments.files for row in read(file)]))


def _hard(arguments: argparse.Namespace) -> None:
    for part in (
        comparison(arguments.processes, arguments.seeds),
        small_supports(arguments.processes, seeds=arguments.seeds),
        budgets(arguments.processes),
    ):
        for line in part:
            print(line, flush=True)


if __name__ == "__main__":
    main()
