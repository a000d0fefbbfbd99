"""Packages of the facilities: imported when a source needs them, their faults told in one line."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from ....errors import SourceError
from ..wording import in_one_line


def package(name: str, advice: str) -> Any:
    """The facility's package of that name.

    Parameters
    ----------
    name
        As it is imported.
    advice
        How to install it, and which reader does without it.

    Raises
    ------
    SourceError
        If it is not installed, or cannot be imported.
    """
    try:
        found = importlib.import_module(name)
        if found.__file__ is None:
            raise ModuleNotFoundError("a folder of that name is no package", name=name)
        return found
    except (Exception, SystemExit) as fault:  # whatever a foreign package does wrong
        is_absent = isinstance(fault, ModuleNotFoundError) and fault.name == name
        state = "is not installed" if is_absent else f"cannot be imported ({in_one_line(fault)})"
        raise SourceError(
            f"reader {name} needs the package {name}, which {state}, for {sys.executable}: {advice}"
        ) from fault


@contextlib.contextmanager
def faults_told(source: str, name: str) -> Iterator[None]:
    """What a package raises becomes a `SourceError` that names the source and the package.

    psana ends the program for some faults (`SystemExit`); others are no `READ_FAULTS`.
    """
    try:
        yield
    except SourceError:
        raise
    except (Exception, SystemExit) as fault:
        raise SourceError(f"{source}: {name} cannot read it: {in_one_line(fault)}") from fault
