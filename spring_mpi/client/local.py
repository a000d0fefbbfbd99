"""The local hypervisor: a process on this machine that runs what a notebook submits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from ..errors import LaunchError
from ..launch.environment import PARENT
from ..rundir.disk_space import fault_text
from ..rundir.lock import Lock
from ..rundir.mailbox import Client
from ..system.files import write_new

_START_SECONDS, _END_SECONDS = 30.0, 15.0
"""The end has to be long enough for running children to be stopped and files to be closed."""
_LOOK_EVERY = 0.05
_LINES_QUOTED = 10
_OWN_KEYS = ("name", "events")
"""In a config, what tells our campaign from those of `spring-batch`."""
_ELSEWHERE = "another folder with hv.start(output=...)"


class LocalHypervisor:
    """A hypervisor on this machine, in a process of its own that ends with ours."""

    def __init__(self, rundir: Path, workers: int) -> None:
        self.rundir, self._workers = rundir, workers
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ensure(self) -> None:
        """Start it, unless it is alive.

        Raises
        ------
        LaunchError
            If that is not possible, or the run directory is that of another campaign.
        """
        if self.is_alive:
            return
        _refuse_foreign(self.rundir)
        try:
            self._begin()
        except OSError as fault:
            raise LaunchError(
                f"the local hypervisor could not be started: {fault_text(fault)}; its config is "
                "written into a temporary folder: free the disk, or name another folder in TMPDIR"
            ) from fault

    def _begin(self) -> None:
        with tempfile.TemporaryDirectory(prefix="spring-") as folder:
            config, output = Path(folder, "interactive.yaml"), Path(folder, "output")
            # JSON is YAML, too.
            write_new(config, json.dumps(_config(self.rundir), ensure_ascii=False).encode())
            self._process = self._launch(config, output)
            try:
                self._await(self._process.pid, output)
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """End it in order, by force where it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _launch(self, config: Path, output: Path) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "spring_mpi.cli.batch", str(config),
            "--serve", "--workers", str(self._workers), "--transport", "local",
        ]  # fmt: skip
        with open(output, "wb") as stream:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=os.environ | {PARENT: str(os.getpid())},
                start_new_session=True,  # a notebook's interrupt goes to its whole process group
            )

    def _await(self, pid: int, output: Path) -> None:
        """Wait until the process holds the run directory and answers."""
        deadline = time.monotonic() + _START_SECONDS

        def rest(seconds: float) -> None:
            if not self.is_alive or time.monotonic() > deadline:
                raise LaunchError(self._failure(output))
            time.sleep(seconds)

        control = self.rundir / "control"
        while (Lock(control / "lock").holder() or {}).get("pid") != pid:
            rest(_LOOK_EVERY)
        # It may still refuse what an earlier campaign left in the run directory.
        Client(control, sleep=rest).ask("info", {}, timeout=_START_SECONDS)

    def _failure(self, output: Path) -> str:
        said = output.read_text("utf-8", "replace").splitlines()[-_LINES_QUOTED:]
        reason = "\n".join(said) or f"it was not ready within {_START_SECONDS:g} s"
        return (
            f"the local hypervisor could not be started in {self.rundir}: {reason}\n"
            f"Mend that, or choose {_ELSEWHERE}"
        )


def _config(rundir: Path) -> dict[str, Any]:
    """A campaign without a job of its own."""
    return {
        "name": "interactive",
        "output": str(rundir),
        "data": {"reader": "simulate", "source": "events=1"},
        "events": {"slice": "0:0"},
        "pattern": {"cropsize": 256, "size": 256},
    }


def _refuse_foreign(rundir: Path) -> None:
    """Raise `LaunchError` if the run directory is that of a campaign with jobs of its own."""
    path, ours = rundir / "config.yaml", _config(rundir)
    try:
        found = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, yaml.YAMLError) as fault:
        raise LaunchError(f"cannot read {path}: {fault}; choose {_ELSEWHERE}") from fault
    if not isinstance(found, dict) or any(found.get(key) != ours[key] for key in _OWN_KEYS):
        raise LaunchError(
            f"{rundir} is the run directory of another campaign (see its config.yaml); choose "
            f"{_ELSEWHERE}, or steer that campaign while it runs: hv.attach({str(rundir)!r})"
        )
