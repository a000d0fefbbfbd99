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
class RelayedWarning:
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
    def of(cls, record: logging.LogRecord) -> RelayedWarning:
        """A record of `logging`."""
        text = record.getMessage().strip()
        kind = f"{record.pathname}:{record.lineno}"
        if record.name == _LIBRARIES:
            # File, line, category and text; then the line of the program, with two spaces.
            text = "\n".join(line for line in text.splitlines() if not line.startswith("  "))
            kind = ":".join(text.split(":")[:2])
        return cls(record.created, record.levelname, record.name, text, kind)


@dataclass
class SeenWarnings:
    """Which warnings were passed on already: every text once, of one kind only a few."""

    _texts: set[str] = field(default_factory=set)
    _kinds: Counter[str] = field(default_factory=Counter)

    def admitted(self, said: RelayedWarning) -> RelayedWarning | None:
        """What is to be passed on, and is taken to be; the last one of a kind says that it is."""
        if said.text in self._texts or self._kinds[said.kind] >= _MOST_OF_A_KIND:
            return None
        self._texts.add(said.text)
        self._kinds[said.kind] += 1
        is_last = self._kinds[said.kind] == _MOST_OF_A_KIND
        return replace(said, text=f"{said.text} {_NO_MORE}") if is_last else said


@contextmanager
def relaying_warnings(
    tell: Callable[[RelayedWarning], None], once: SeenWarnings | None = None
) -> Iterator[None]:
    """Within, every warning goes to ``tell``, and nowhere else; the innermost of several has it.

    Parameters
    ----------
    tell
        Called in the thread that warns.
    once
        What was told before; default: nothing.
    """
    root, listener = logging.getLogger(), _Listener(tell, once or SeenWarnings())
    outer = [handler for handler in root.handlers if isinstance(handler, _Listener)]
    for handler in outer:
        root.removeHandler(handler)
    root.addHandler(listener)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(bool(outer))
        root.removeHandler(listener)
        for handler in outer:
            root.addHandler(handler)


def repeat_warning(said: RelayedWarning) -> None:
    """A warning of another process is one of this process."""
    record = logging.makeLogRecord(
        {"name": said.logger, "created": said.time, "levelname": said.level,
         "levelno": logging.getLevelNamesMapping()[said.level], "msg": said.text, "said": said}
    )  # fmt: skip
    logging.getLogger(said.logger).handle(record)


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[RelayedWarning], None], once: SeenWarnings) -> None:
        super().__init__(logging.WARNING)
        self._tell, self._once = tell, once

    def emit(self, record: logging.LogRecord) -> None:
        said: RelayedWarning = getattr(record, "said", None) or RelayedWarning.of(record)
        if told := self._once.admitted(said):
            self._tell(told)
