"""Faults that a person can mend: commands print them in one or two lines, without a traceback.

::

    SpringError
    ├── ConfigError        the config file, all its problems at once
    ├── SettingsError      a setting that cannot be        (also ValueError)
    ├── PatternError       a frame that cannot be prepared (also ValueError)
    ├── SourceError        a file that cannot be read      (also OSError)
    │   ├── StaleIndexError    it changed since it was indexed
    │   └── HeldFileError      another program has it open for writing
    ├── UnsavedError       a result that cannot be saved; it is not lost (also OSError)
    ├── UnknownPidError    no such event in the index      (also KeyError)
    ├── RunDirectoryError  the run directory cannot be used
    ├── NoAnswerError      no hypervisor answers
    ├── MessageError       a message to the hypervisor that it does not take
    ├── OutputError        stdout cannot be written
    └── LaunchError        the launcher, MPI or a device is not what was asked for
"""

from __future__ import annotations

from collections.abc import Sequence


class SpringError(Exception):
    """Base of all faults that are the user's to mend; its text says what, where and what to do."""

    def __str__(self) -> str:
        # KeyError and OSError, which some subclasses also are, would print repr(args).
        return " ".join(str(arg) for arg in self.args)


class ConfigError(SpringError):
    """A config file with problems; ``problems`` holds one line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class SettingsError(SpringError, ValueError):
    """A setting that does not exist, has the wrong type or lies outside its range."""


class PatternError(SpringError, ValueError):
    """A frame that cannot become a pattern: wrong shape, no valid pixel, nothing measured."""


class SourceError(SpringError, OSError):
    """A data file that is missing, truncated, or not what the reader expects."""


class StaleIndexError(SourceError):
    """A data file that changed since it was indexed."""


class HeldFileError(SourceError):
    """A data file that another program has open for writing."""


class UnsavedError(SpringError, OSError):
    """A result that was computed and cannot be saved; ``result`` is that `spring_mpi.Result`."""

    def __init__(self, reason: str, result: object) -> None:
        super().__init__(reason)
        self.result = result


class UnknownPidError(SpringError, KeyError):
    """An event that the index does not hold."""


class RunDirectoryError(SpringError):
    """A run directory that cannot be written, is in use, or holds another campaign."""


class NoAnswerError(SpringError):
    """A hypervisor that did not answer in time, or not in a way that can be read."""


class MessageError(SpringError):
    """A message to the hypervisor whose verb or arguments are none that it takes."""


class OutputError(SpringError):
    """What a command prints cannot be written, such as into a file on a full disk."""


class LaunchError(SpringError):
    """A launcher, an MPI library or a device that is not what was asked for."""
