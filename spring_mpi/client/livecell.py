"""The live log as the output of a notebook cell, renewed while there may be something to see."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event, Thread

from ..errors import RunDirectoryError, SpringError
from ..rundir.lock import Lock
from ..rundir.mailbox import Client

_PERIOD, _TIMEOUT = 1.0, 10.0
"""Seconds."""
_IDLE_LOOKS = 3600
"""An hour, after which the notebook has probably been left."""


def in_notebook() -> bool:
    """Whether a kernel shows what cells display; IPython in a terminal has none."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class LiveCell:
    """The live log as the output of a notebook cell, renewed by a thread.

    It ends with its hypervisor, or when it was idle at so many looks in a row that the notebook
    has probably been left.

    Parameters
    ----------
    rundir
        The run directory of the campaign.
    lines
        What is shown first.
    period
        Seconds between two looks.
    """

    def __init__(
        self,
        rundir: Path,
        lines: tuple[str, ...],
        *,
        period: float = _PERIOD,
        idle_looks: int = _IDLE_LOOKS,
    ) -> None:
        self._rundir, self._lines = rundir, lines
        self._period, self._idle_looks = period, idle_looks
        self._client, self._lock = Client(rundir / "control"), Lock(rundir / "control" / "lock")
        # Late: only a notebook has IPython, and there it is loaded already.
        from IPython.display import display

        self._output = display(_bundle(lines), raw=True, display_id=True)
        self._ended = Event()
        self._thread = Thread(target=self._renew, name="livelog", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Renew it no more."""
        self._ended.set()
        self._thread.join(_PERIOD)

    def _renew(self) -> None:
        idle = 0
        while idle < self._idle_looks and not self._ended.wait(self._period):
            try:
                self._show(self._look())
            except SpringError as fault:
                self._show((str(fault),))
                return
            idle = idle + 1 if self._lines[-1:] == ("IDLE",) else 0

    def _look(self) -> tuple[str, ...]:
        # One that ended would let us wait for an answer.
        if not self._lock.is_held():
            raise RunDirectoryError(f"no hypervisor runs in {self._rundir} any more")
        return self._client.ask("livelog", {}, timeout=_TIMEOUT).lines

    def _show(self, lines: tuple[str, ...]) -> None:
        if lines != self._lines:
            self._lines = lines
            self._output.update(_bundle(lines), raw=True)


def _bundle(lines: tuple[str, ...]) -> dict[str, str]:
    return {"text/plain": "\n".join(lines)}
