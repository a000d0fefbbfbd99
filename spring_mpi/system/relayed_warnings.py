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

    def admitted(self, warning: RelayedWarning) -> RelayedWarning | None:
        """What is to be passed on, and is taken to be; the last one of a kind says that it is."""
        if warning.text in self._texts or self._kinds[warning.kind] >= _MOST_OF_A_KIND:
            return None
        self._texts.add(warning.text)
        self._kinds[warning.kind] += 1
        is_last = self._kinds[warning.kind] == _MOST_OF_A_KIND
        return replace(warning, text=f"{warning.text} {_NO_MORE}") if is_last else warning


@contextmanager
def relaying_warnings(
    tell: Callable[[RelayedWarning], None], seen: SeenWarnings | None = None
) -> Iterator[None]:
    """Within, every warning goes to ``tell``, and nowhere else; the innermost of several has it.

    Parameters
    ----------
    tell
        Called in the thread that warns.
    seen
        What was told before; default: nothing.
    """
    root, listener = logging.getLogger(), _Listener(tell, seen or SeenWarnings())
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


def repeat_warning(warning: RelayedWarning) -> None:
    """A warning of another process is one of this process."""
    record = logging.makeLogRecord(
        {"name": warning.logger, "created": warning.time, "levelname": warning.level,
         "levelno": logging.getLevelNamesMapping()[warning.level], "msg": warning.text,
         "relayed": warning}
    )  # fmt: skip
    logging.getLogger(warning.logger).handle(record)


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[RelayedWarning], None], seen: SeenWarnings) -> None:
        super().__init__(logging.WARNING)
        self._tell, self._seen = tell, seen

    def emit(self, record: logging.LogRecord) -> None:
        warning: RelayedWarning = getattr(record, "relayed", None) or RelayedWarning.of(record)
        if told := self._seen.admitted(warning):
            self._tell(told)
