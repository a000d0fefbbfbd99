"""``spring-index``: builds and describes an event index."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from ..events.build import build_index
from ..events.index import DUPLICATE, EventIndex
from ..events.storage import load_index
from ..names import pid_text
from . import guarded

_MOST_LISTED = 5
_EXAMPLE = """\
example:
  spring-index build 'run34/*.cxi' -o run34.index.h5
  spring-index build run34.h5 --dataset /data --pid /train --pid /pulse -o run34.index.h5
  spring-index info run34.index.h5
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 2 where something must be mended."""
    arguments = _parser().parse_args(argv)
    return guarded(partial(arguments.run, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spring-index",
        description=__doc__,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_build(commands)
    info = commands.add_parser("info", help="describe an index", epilog="example: spring-index "
                               "info index.h5")  # fmt: skip
    info.add_argument("index", metavar="INDEX.h5")
    info.set_defaults(run=_info)
    return parser


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = commands.add_parser("build", help="build an index from data files", epilog="example: "
                                "spring-index build 'run34/*.cxi' -o index.h5")  # fmt: skip
    build.set_defaults(run=_build)
    build.add_argument("source", nargs="+", metavar="SOURCE", help="file, or pattern in quotes")
    build.add_argument("-o", "--output", default="index.h5", metavar="FILE",
                       help="the index (default: %(default)s)")  # fmt: skip
    build.add_argument("--reader", default="auto", help="name of the reader, or FILE.py:FUNCTION")
    build.add_argument("--dataset", metavar="PATH", help="dataset of the frames")
    build.add_argument("--pid", action="append", metavar="PATH",
                       help="dataset of integers, one per event; repeatable")  # fmt: skip
    build.add_argument("--run", type=int, dest="run_number", metavar="N",
                       help="number of the run, from 0 on")  # fmt: skip
    build.add_argument("--root", default=".", metavar="FOLDER",
                       help="where relative sources start (default: here)")  # fmt: skip


def _build(arguments: argparse.Namespace) -> int:
    index = build_index(
        arguments.source,
        reader=arguments.reader,
        dataset=arguments.dataset,
        pid=arguments.pid,
        run=arguments.run_number,
        root=arguments.root,
    )
    index.save(arguments.output)
    print(f"{arguments.output}: {len(index)} events in {len(index.sources)} sources")
    duplicates = _duplicates(index)
    if duplicates:
        print(f"{duplicates} events share their pid with others", file=sys.stderr)
    return 0


def _info(arguments: argparse.Namespace) -> int:
    for name, text in _description(load_index(arguments.index)):
        print(f"{name + ':':<12}{text}")
    return 0


def _description(index: EventIndex) -> Iterator[tuple[str, str]]:
    yield "index", f"{index.file}, {_size_text(os.path.getsize(index.file))}"
    yield "events", str(len(index))
    yield "sources", f"{len(index.sources)}, {_size_text(sum(s.size for s in index.sources))}"
    yield "pid", ", ".join(index.pid_names)
    if len(index):
        yield "range", f"{pid_text(index.pid(0))} to {pid_text(index.pid(len(index) - 1))}"
    for kind in dict.fromkeys(index.frames):
        rows, columns = kind.shape
        yield "frames", f"{rows} x {columns} {kind.dtype} {kind.dataset}".rstrip()
    yield "duplicates", str(_duplicates(index))
    stale = list(index.stale())
    yield "stale", str(len(stale))
    yield from (("", f"  {change}") for change in stale[:_MOST_LISTED])
    if stale:
        yield "rebuild", f"{index.command} -o {index.file}"


def _duplicates(index: EventIndex) -> int:
    return int(((index.flags & DUPLICATE) != 0).sum())


def _size_text(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
