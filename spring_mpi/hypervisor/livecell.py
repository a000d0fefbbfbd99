"""The live log as the output of a notebook cell, renewed until all jobs have ended."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Event, Thread

from ..errors import SpringError
from .letters import Reply
from .mailbox import Client

_PERIOD, _TIMEOUT = 1.0, 10.0


def in_notebook() -> bool:
    """Whether a kernel shows what cells display; IPython in a terminal has none."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class LiveCell:
    """The live log as the output of a notebook cell, renewed until all jobs have ended."""

    def __init__(self, client: Client, lines: tuple[str, ...], period: float = _PERIOD) -> None:
        self._client, self._lines, self._period = client, lines, period
        display = import_module("IPython.display").display
        self._output = display(_bundle(lines), raw=True, display_id=True)
        self._ended = Event()
        self._thread = Thread(target=self._renew, name="livelog", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Renew it no more."""
        self._ended.set()
        self._thread.join(_PERIOD)

    def _renew(self) -> None:
        was_busy = not self._is_idle
        try:
            while not self._ended.wait(self._period):
                self._show(self._ask("livelog").lines)
                if was_busy and self._is_idle and self._is_queue_empty():
                    return
                was_busy = was_busy or not self._is_idle
        except SpringError as fault:
            self._show((str(fault),))

    def _ask(self, verb: str) -> Reply:
        return self._client.ask(verb, {}, timeout=_TIMEOUT)

    def _show(self, lines: tuple[str, ...]) -> None:
        if lines != self._lines:
            self._lines = lines
            self._output.update(_bundle(lines), raw=True)

    @property
    def _is_idle(self) -> bool:
        return self._lines[-1:] == ("IDLE",)

    def _is_queue_empty(self) -> bool:
        """Between two jobs, while a child starts, the log is idle, too."""
        return not self._ask("info").data["waiting"]


def _bundle(lines: tuple[str, ...]) -> dict[str, str]:
    return {"text/plain": "\n".join(lines)}
