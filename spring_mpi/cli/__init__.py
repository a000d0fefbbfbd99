"""The commands, one small module each, and what they share."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ..errors import SpringError


def guarded(run: Callable[[], int]) -> int:
    """The exit code of ``run``; 2 after a fault of the user, told on stderr; 130 after Ctrl-C."""
    try:
        return run()
    except SpringError as fault:
        print(fault, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
