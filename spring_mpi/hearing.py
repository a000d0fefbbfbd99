"""What `logging` and `warnings` are told in this process, passed on to where people look."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

_MOST_OF_A_KIND = 20
_NO_MORE = "(more warnings of this kind are not told)"
_LIBRARIES = "py.warnings"
"""The logger that `logging.captureWarnings` uses."""


@dataclass(frozen=True)
class Said:
    """A warning, as it is passed on between processes."""

    time: float
    """Seconds since 1970."""
    level: str
    """``WARNING`` or more, as in `logging`."""
    logger: str
    """Name of the logger, as in `logging`."""
    text: str
    kind: str
    """The line of a program that warned."""

    @classmethod
    def of(cls, record: logging.LogRecord) -> Said:
        """A record of `logging`."""
        text = record.getMessage().strip()
        kind = f"{record.pathname}:{record.lineno}"
        if record.name == _LIBRARIES:
            # File, line, category and text; then the line of the program, with two spaces.
            text = "\n".join(one for one in text.splitlines() if not one.startswith("  "))
            kind = ":".join(text.split(":")[:2])
        return cls(record.created, record.levelname, record.name, text, kind)


@dataclass
class Once:
    """Which warnings were passed on already: every text once, of one kind only a few."""

    _texts: set[str] = field(default_factory=set)
    _kinds: Counter[str] = field(default_factory=Counter)

    def admitted(self, said: Said) -> Said | None:
        """What is to be passed on, and is taken to be; the last one of a kind says that it is."""
        if said.text in self._texts or self._kinds[said.kind] >= _MOST_OF_A_KIND:
            return None
        self._texts.add(said.text)
        self._kinds[said.kind] += 1
        is_last = self._kinds[said.kind] == _MOST_OF_A_KIND
        return replace(said, text=f"{said.text} {_NO_MORE}") if is_last else said


@contextmanager
def listening(tell: Callable[[Said], None], once: Once | None = None) -> Iterator[None]:
    """Within, every warning goes to ``tell``, and nowhere else; the innermost listener has it.

    Parameters
    ----------
    tell
        Called in the thread that warns.
    once
        What was told before; default: nothing.
    """
    root, listener = logging.getLogger(), _Listener(tell, once or Once())
    outer = [one for one in root.handlers if isinstance(one, _Listener)]
    for one in outer:
        root.removeHandler(one)
    root.addHandler(listener)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(bool(outer))
        root.removeHandler(listener)
        for one in outer:
            root.addHandler(one)


def pass_on(said: Said) -> None:
    """A warning of another process is one of this process."""
    record = logging.makeLogRecord(
        {"name": said.logger, "created": said.time, "levelname": said.level,
         "levelno": logging.getLevelNamesMapping()[said.level], "msg": said.text, "said": said}
    )  # fmt: skip
    logging.getLogger(said.logger).handle(record)


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[Said], None], once: Once) -> None:
        super().__init__(logging.WARNING)
        self._tell, self._once = tell, once

    def emit(self, record: logging.LogRecord) -> None:
        said: Said = getattr(record, "said", None) or Said.of(record)
        if told := self._once.admitted(said):
            self._tell(told)
