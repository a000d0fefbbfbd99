"""The commands, one small module each, and what they share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ..errors import SpringError


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
    except KeyboardInterrupt:
        return 130


def positive(text: str) -> int:
    """The number on a command line; raises `argparse.ArgumentTypeError` below 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)
