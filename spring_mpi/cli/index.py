"""``spring-index``: builds, describes, measures and checks an event index."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ..errors import SourceError
from ..launch.communicator import Communicator, connect
from . import add_transport, command, command_parser, leave, positive
from .index_views import describe, duplicates, list_events, show_event

if TYPE_CHECKING:
    from ..events.index.event_index import EventIndex
    from ..events.index.wanted import Wanted

_EXAMPLE = """\
example:
  spring-index build 'run34/*.cxi' -o run34.index.h5
  spring-index build run34.h5 --dataset /data --pid /train --pid /pulse -o run34.index.h5
  mpirun -n 9 spring-index stats run34.index.h5 --lit 200
  spring-index info run34.index.h5

build, stats and check share their work among the ranks of a launcher: rank 0 and N-1 workers;
--transport local does all of it here
"""

Action = Callable[[argparse.Namespace, Communicator], int]


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 1 where data are at fault, 2 where something must be mended."""
    arguments = _parser().parse_args(argv)
    return int(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("spring-index", __doc__, _EXAMPLE)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_build(commands)
    _add(commands, "info", describe, "describe an index", "index.h5")
    listing = _add(commands, "ls", list_events, "list events: pid, flags, step, source",
                   "index.h5 --limit 1000")  # fmt: skip
    listing.add_argument("--limit", type=positive, default=100, metavar="N",
                         help="events to list at most (default: %(default)s)")  # fmt: skip
    show = _add(commands, "show", show_event, "read one event and describe it",
                "index.h5 71-1-14546865407")  # fmt: skip
    show.add_argument("event", metavar="EVENT", help="its pid, numbers joined by -")
    _add_stats(commands)
    check = _add(commands, "check", partial(_on_ranks, _check),
                 "read every event, list what is wrong; exit code 1 if anything is",
                 "index.h5 --headers")  # fmt: skip
    check.add_argument("--headers", action="store_true",
                       help="only compare sizes and times and open every file")  # fmt: skip
    add_transport(check)
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    """A command on an index."""
    parser = commands.add_parser(
        name, help=text, description=text, epilog=f"example: spring-index {name} {example}"
    )
    parser.add_argument("index", metavar="INDEX.h5")
    parser.set_defaults(run=run)
    return parser


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = commands.add_parser("build", help="build an index from data files", epilog="example: "
                                "spring-index build 'run34/*.cxi' -o index.h5")  # fmt: skip
    build.set_defaults(run=partial(_on_ranks, _build))
    add_transport(build)
    build.add_argument("source", nargs="+", metavar="SOURCE",
                       help="file, pattern in quotes, or exp=NAME:run=N")  # fmt: skip
    build.add_argument("-o", "--output", default="index.h5", metavar="FILE",
                       help="the index (default: %(default)s)")  # fmt: skip
    build.add_argument("--reader", default="auto", help="name of the reader, or FILE.py:FUNCTION")
    build.add_argument("--dataset", metavar="PATH", help="dataset of the frames")
    build.add_argument("--pid", action="append", metavar="PATH",
                       help="dataset of integers, one per event; repeatable")  # fmt: skip
    build.add_argument("--run", type=int, dest="run_number", metavar="N",
                       help="number of the run, from 0 on")  # fmt: skip
    build.add_argument("--fresh", action="store_true",
                       help="scan all sources, also those that did not change since the index "
                       "that is there was built")  # fmt: skip
    build.add_argument("--root", default=".", metavar="FOLDER",
                       help="where relative sources start (default: here)")  # fmt: skip


def _add_stats(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    stats = _add(commands, "stats", partial(_on_ranks, _stats),
                 "images of sum, mean, std and max; sum and lit pixels of every event, kept in "
                 "the index for events.where", "index.h5 --lit 200 -o run34.images.h5")  # fmt: skip
    stats.add_argument("--lit", type=_finite, default=1.0, metavar="N",
                       help="raw value at and above which a pixel is lit "
                       "(default: %(default)g)")  # fmt: skip
    stats.add_argument("--gain-stage", type=int, choices=(0, 1, 2), metavar="N",
                       help="of raw frames with gain stages count the pixels in this one, 0 = the "
                       "highest gain, by their values without the bits of the stage")  # fmt: skip
    stats.add_argument("-o", "--output", metavar="FILE",
                       help="the images (default: INDEX.images.h5)")  # fmt: skip
    add_transport(stats)


def _finite(text: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(number := float(text)):
            return number
    raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")


def _on_ranks(action: Action, arguments: argparse.Namespace) -> int:
    """Exit code of an action of rank 0, with which the other ranks share its work."""
    from ..launch.sharing import dismiss, serve

    communicator = connect(arguments.transport)
    if communicator.rank > 0:
        serve(communicator)
        return 0
    try:
        return action(arguments, communicator)
    finally:
        # Whatever happens here, the other ranks must not wait for ever.
        dismiss(communicator)
        if communicator.has_lost_ranks:
            print("a rank died; run the command again", file=sys.stderr)
            leave(2)


def _build(arguments: argparse.Namespace, communicator: Communicator) -> int:
    from ..events.index.build import build
    from ..events.index.remarks import remarks
    from ..events.index.wanted import wanted_sources

    output = arguments.output
    wanted = wanted_sources(
        arguments.source,
        reader=arguments.reader,
        dataset=arguments.dataset,
        pid=arguments.pid,
        run=arguments.run_number,
        root=arguments.root,
    )
    known = None if arguments.fresh else _earlier(output, wanted)
    built = build(wanted, communicator, known)
    index = built.index
    index.save(output)
    if known is None:
        print(f"{output}: {len(index)} events in {len(index.sources)} sources")
    else:
        gone = f", {built.gone} gone" if built.gone else ""
        print(f"{output}: {built.kept} sources as before, {built.scanned} scanned{gone}; "
              f"{len(index)} events")  # fmt: skip
        if known.statistics and not index.statistics:
            print(f"sums and lit pixels are dropped, since the sources changed; "
                  f"measure them: spring-index stats {quote(output)}", file=sys.stderr)  # fmt: skip
    for sentence in remarks(index):
        print(sentence, file=sys.stderr)
    if count := duplicates(index):
        print(f"{count} events share their pid with others", file=sys.stderr)
    return 0


def _earlier(path: str, wanted: Wanted) -> EventIndex | None:
    """The index that is there, if the wanted one can be built upon it; else why not is told."""
    from ..events.index.loading import read_index
    from ..events.index.writing import is_index

    if not is_index(path):
        return None
    try:
        index = read_index(path)
    except SourceError as fault:
        print(f"{fault}; all sources are scanned", file=sys.stderr)
        return None
    if wanted.has_options_of(index.wanted):
        return index
    told = f"{path} was built with other options, by {index.wanted.command}"
    print(f"{told}; all sources are scanned", file=sys.stderr)
    return None


def _stats(arguments: argparse.Namespace, communicator: Communicator) -> int:
    from dataclasses import replace

    from ..events.index.columns import Statistics
    from ..events.index.loading import load_index
    from ..events.survey.statistics import measure, write_images

    index = load_index(arguments.index)
    index.check()
    output = Path(arguments.output or Path(arguments.index).with_suffix(".images.h5"))
    found = measure(index, arguments.lit, communicator, arguments.gain_stage)
    for fault in found.faults:
        print(fault, file=sys.stderr)
    if not found.planes:
        print(f"{arguments.index}: no event could be read", file=sys.stderr)
        return 1
    write_images(output, found.planes, index)
    columns = Statistics(found.sum, found.lit, arguments.lit)
    replace(index, statistics=columns).save(arguments.index)
    measured = len(index) - len(found.faults)
    print(f"{output}: {measured} of {len(index)} events; sums and lit pixels in {arguments.index}")
    return 1 if found.faults else 0


def _check(arguments: argparse.Namespace, communicator: Communicator) -> int:
    from ..events.index.loading import load_index
    from ..events.index.remarks import remarks
    from ..events.survey.checking import faults

    index = load_index(arguments.index)
    for sentence in remarks(index):
        print(sentence)
    is_whole = True
    for fault in faults(index, communicator, headers=arguments.headers):
        is_whole = False
        print(fault)
    if is_whole:
        what = "opened" if arguments.headers else "read"
        print(f"{len(index)} events in {len(index.sources)} sources: all {what}, no fault found")
    return 0 if is_whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
