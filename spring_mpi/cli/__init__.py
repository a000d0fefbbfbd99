"""The commands, one small module each, and what they share."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, NoReturn, Protocol

from ..errors import SpringError
from ..system.relayed_warnings import RelayedWarning, relaying_warnings
from ..system.streams import in_utf8, standard_streams


class Command(Protocol):
    """The ``main`` of a command."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """The exit code; without ``argv`` as a process of its own, with its own arguments."""


def command(run: Callable[[Sequence[str] | None], int]) -> Command:
    """A command that tells faults in a line or two, whatever its streams are like.

    Every entry point goes through here: see `guarded`, `standard_streams` and `relaying_warnings`.
    """

    @wraps(run)
    def main(argv: Sequence[str] | None = None) -> int:
        if argv is None:
            in_utf8()
        with standard_streams(), relaying_warnings(_warn):
            # Twice: what the second one tells shows at the very end.
            return guarded(lambda: _flushed(lambda: guarded(lambda: run(argv))))

    return main


def _warn(warning: RelayedWarning) -> None:
    print(f"{warning.level.lower()}: {warning.text}", file=sys.stderr)


def _flushed(run: Callable[[], int]) -> int:
    """The exit code of ``run``, once all that it printed has left."""
    try:
        return run()
    finally:
        sys.stdout.flush()


def guarded(run: Callable[[], int]) -> int:
    """The exit code of ``run``; 130 after Ctrl-C, 2 after what the user can mend.

    That is a `SpringError`, or a file that the operating system refuses; told on stderr.
    """
    try:
        return run()
    except SpringError as fault:
        print(fault, file=sys.stderr)
        return 2
    except OSError as fault:
        where = "" if fault.filename is None else f"{fault.filename}: "
        print(f"{where}{fault.strerror or fault}", file=sys.stderr)
        return 2
    except UnicodeEncodeError as fault:
        if not re.search("[\ud800-\udfff]", fault.object):
            raise
        # What Python makes of bytes that are no text.
        print(
            f"{fault.object!r} is a name that is not UTF-8, and cannot be written down; rename it",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130


class _Version(argparse.Action):
    """Prints the version, which is looked up only then: every rank parses a command line."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"{parser.prog} {version('spring-mpi')}")
        parser.exit()


def command_parser(prog: str, description: str | None, epilog: str) -> argparse.ArgumentParser:
    """The parser of a command, with what all commands have: examples as written, ``--version``."""
    parser = argparse.ArgumentParser(
        prog=prog, description=description, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version, then stop")
    return parser


def leave(code: int) -> NoReturn:
    """End at once, with what was printed: MPI would wait for ranks that are dead."""
    with suppress(SystemExit, SpringError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def positive(text: str) -> int:
    """The number on a command line; raises `argparse.ArgumentTypeError` below 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def add_transport(parser: argparse.ArgumentParser) -> None:
    """The option of every command that may use MPI."""
    parser.add_argument(
        "--transport", choices=("auto", "mpi", "local"), default="auto",
        help="auto: MPI where a launcher started several tasks; local: never",
    )  # fmt: skip
