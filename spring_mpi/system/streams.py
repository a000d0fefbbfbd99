"""The standard streams of a command: closed, ASCII only, full, or with a reader that goes away."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, final

from ..errors import OutputError

_STANDARD = 3
"""Descriptors 0, 1 and 2: input, output, and what is said beside it."""


@contextmanager
def standard_streams() -> Iterator[None]:
    """Within, printing is safe: see `_Stdout` and `_Stderr`, which are put in place.

    Characters that a stream cannot show are escaped; one that was closed takes everything and
    keeps nothing. Streams that others have put in place already are left alone.
    """
    _occupy()
    before = sys.stdout, sys.stderr
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Stdout, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stderr, sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def print_exactly(text: str) -> None:
    """Print what another program will read: names of files as the file system has them."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(text))


def in_utf8() -> None:
    """Begin this process anew where its locale knows ASCII only: files have other names, too.

    Python takes UTF-8 in such a locale by itself, unless it is told not to.
    """
    is_ascii = codecs.lookup(sys.getfilesystemencoding()).name == "ascii"
    if is_ascii and sys.executable and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"  # children, too
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def silence(stream: TextIO) -> None:
    """Let a stream that cannot be written end nowhere.

    What its buffer still holds must not raise again when the interpreter ends.
    """
    _discard(stream.fileno())


class _Output(io.FileIO, ABC):
    """A standard stream that has one fault at most, and ends nowhere from then on."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, content: bytes | memoryview, /) -> int:  # type: ignore[override]
        try:
            # Launchers share a terminal that others have made non-blocking.
            while (written := super().write(content)) is None:
                select.select([], [self], [])
        except OSError as fault:
            _discard(self.fileno())
            self._give_up(fault)
            return len(content)
        return written

    @abstractmethod
    def _give_up(self, fault: OSError) -> None:
        """Raise what ends the command, if anything does."""


@final
class _Stdout(_Output):
    """Raises `SystemExit` with 0 where its reader has gone away, else `OutputError`."""

    def _give_up(self, fault: OSError) -> None:
        if isinstance(fault, BrokenPipeError):
            raise SystemExit(0)  # as for head, which has seen what it wanted
        raise OutputError(f"the output cannot be written: {fault.strerror}") from fault


@final
class _Stderr(_Output):
    """Never raises: that nobody listens stops no command."""

    def _give_up(self, fault: OSError) -> None:
        pass


def _text(kind: type[_Stdout] | type[_Stderr], stream: TextIO | None) -> TextIO:
    """A text stream in place of one of Python's; nowhere where that was closed."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    # Those two are Python's own choices; another one is a person's.
    is_ours = stream.errors in (None, "strict", "surrogateescape")
    output: _Output = kind(stream.fileno())
    return io.TextIOWrapper(
        io.BufferedWriter(output),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors="backslashreplace" if is_ours else stream.errors,
        line_buffering=bool(stream.line_buffering) or getattr(stream, "write_through", False),
    )


def _occupy() -> None:
    """Open the closed ones of the standard descriptors: else a data file would get the number.

    Libraries write their messages there, whatever it is.
    """
    for descriptor in range(_STANDARD):
        try:
            os.fstat(descriptor)
        except OSError:
            _discard(descriptor)


def _discard(descriptor: int) -> None:
    """Let a descriptor end nowhere, for children as well."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == descriptor:
        os.set_inheritable(descriptor, True)
        return
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
