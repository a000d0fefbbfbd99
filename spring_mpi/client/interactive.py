"""SPRING's ``hv``: the verbs that steer a hypervisor from a notebook or a script."""

from __future__ import annotations

import atexit
import operator
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import LaunchError, RunDirectoryError
from ..rundir.lock import Lock
from ..rundir.mailbox import Client
from ..rundir.mailbox_messages import Reply
from ..rundir.spool import Submission, request, spool
from ..rundir.verbs import VERBS
from .livecell import LiveCell, in_notebook
from .local import LocalHypervisor

if TYPE_CHECKING:
    from ..rundir.campaign import Campaign

_MOVED = {"folder": "campaign.rundir", "result": "campaign.result"}


class Interactive:
    """Steers a campaign: that of a local hypervisor, started on first use, or an attached one.

    Every verb prints the hypervisor's reply, also where that is a refusal.

    Raises
    ------
    LaunchError
        From any verb, if the local hypervisor cannot be started.
    NoAnswerError
        From any verb, if the hypervisor does not answer in time.
    RunDirectoryError
        From any verb, if the run directory cannot be written, or the hypervisor of an attached
        campaign has ended.
    """

    def __init__(self) -> None:
        self._local = LocalHypervisor(Path("spring-hv").absolute(), workers=1)
        self._attached: Path | None = None
        self._cell: LiveCell | None = None

    def __dir__(self) -> list[str]:
        return [name for name in vars(type(self)) if not name.startswith("_")]

    def __getattr__(self, name: str) -> NoReturn:
        moved = f"; it is hv.{_MOVED[name]} now" if name in _MOVED else ""
        raise AttributeError(f"hv has no attribute {name!r}{moved}", name=name, obj=self)

    @property
    def campaign(self) -> Campaign:
        """The campaign that the verbs steer: its run directory, its results, what failed."""
        # Late: reading results needs libraries that steering does without.
        from ..rundir.campaign import Campaign

        return Campaign(self._rundir)

    @property
    def _rundir(self) -> Path:
        return self._attached or self._local.rundir

    def start(self, output: str | os.PathLike[str] = "spring-hv", workers: int = 1) -> None:
        """Start the local hypervisor now, and choose where; jobs left there are resumed.

        Without this call the first verb starts it, in ``./spring-hv`` with one worker.

        Parameters
        ----------
        output
            The run directory.
        workers
            How many jobs may run at once.

        Raises
        ------
        LaunchError
            If it runs in another run directory, cannot be started, or ``output`` is the run
            directory of another campaign.
        """
        rundir = Path(output).expanduser().absolute()
        if not self._local.is_alive:
            self._local = LocalHypervisor(rundir, workers)
        elif rundir != self._local.rundir:
            raise LaunchError(
                f"the local hypervisor runs in {self._local.rundir}; end it with hv.close() first"
            )
        self.detach()
        self._local.ensure()

    def attach(self, rundir: str | os.PathLike[str]) -> None:
        """Steer the campaign in that run directory, wherever it runs.

        Raises
        ------
        RunDirectoryError
            If no hypervisor runs there.
        """
        folder = Path(rundir).expanduser().absolute()
        _require_hypervisor(folder)
        self.detach()
        self._attached = folder

    def detach(self) -> None:
        """Leave an attached campaign alone; it goes on, the verbs steer the local hypervisor."""
        self._end_cell()
        self._attached = None

    def close(self) -> None:
        """Detach, and end the local hypervisor; its jobs are resumed when it starts again."""
        self.detach()
        self._local.end()

    def append(self, mpr: Submission) -> None:
        """Submit a job at the back of the queue; nothing is printed when it is accepted."""
        self._submit("append", mpr)

    def prepend(self, mpr: Submission) -> None:
        """Submit a job at the front of the queue; the running ones go on."""
        self._submit("prepend", mpr)

    def remove(self, item: int | str) -> None:
        """Take waiting jobs out of the queue.

        Parameters
        ----------
        item
            A position in `info` (int), or a name, or a pattern of names as in `fnmatch`.
        """
        if isinstance(item, str):
            self._tell("remove", item=item, name=item.isdecimal())
        else:
            self._tell("remove", item=str(operator.index(item)), name=False)

    def stop(self, name: str | None = None) -> None:
        """Stop the running job of that name, or all; the next ones in the queue start."""
        self._tell("stop", name=name)

    def kill(self) -> None:
        """Remove all waiting jobs and stop the running ones."""
        self._tell("kill")

    def info(self, everything: bool = False) -> None:
        """Print what runs and what waits; of a long queue only the head, or everything."""
        self._tell("info", all=everything)

    def livelog(self) -> None:
        """Print the progress; in a notebook the cell is renewed, also while nothing runs.

        It is renewed until the next call, `detach` or `close`, or after an hour of nothing to do.
        """
        self._end_cell()
        lines = self._ask("livelog").lines
        if in_notebook():
            self._cell = LiveCell(self._rundir, lines)
        else:
            _print(lines)

    def liveplot(self) -> None:
        """Say that pictures of running jobs come later."""
        print("Pictures of running jobs come later; hv.livelog() shows their progress.")

    def _submit(self, verb: str, mpr: Submission) -> None:
        if not isinstance(mpr, Submission):
            raise TypeError(f"hv.{verb} takes an MPR object, not a {type(mpr).__name__}")
        self._ensure()
        file = spool(mpr.pattern, self._rundir / "spool")
        reply = self._ask(verb, **request(mpr, file))
        if reply.refused:
            file.unlink(missing_ok=True)
            _print(reply.lines)

    def _tell(self, verb: str, **arguments: Any) -> None:
        _print(self._ask(verb, **arguments).lines)

    def _ask(self, verb: str, **arguments: Any) -> Reply:
        message = VERBS[verb].checked(arguments)
        self._ensure()
        return Client(self._rundir / "control").ask(verb, message)

    def _ensure(self) -> None:
        if self._attached is None:
            self._local.ensure()
        else:
            _require_hypervisor(self._attached)

    def _end_cell(self) -> None:
        if self._cell is not None:
            self._cell.end()
            self._cell = None


@cache
def shared() -> Interactive:
    """The one of this process, with which its local hypervisor ends."""
    steering = Interactive()
    atexit.register(steering.close)
    return steering


def _require_hypervisor(rundir: Path) -> None:
    """Raise `RunDirectoryError` where none is alive, rather than wait for an answer."""
    lock = Lock(rundir / "control" / "lock")
    if not lock.is_held():
        dead = lock.holder()
        why = "it has no control/lock"
        if dead:
            why = f"process {dead['pid']} on {dead['host']} has died"
        raise RunDirectoryError(
            f"no hypervisor runs in {rundir} ({why}); start one with spring-batch, or name another "
            "run directory"
        )


def _print(lines: tuple[str, ...]) -> None:
    if lines:
        print("\n".join(lines))
