"""A private SLURM, all on this machine: the machine itself, in the partition ``single``, and two
virtual nodes with two stand-ins for GPUs each, in the partition ``gpus``, which is the default.

PMIx wants a node to bear the name of its machine, so that ``srun --mpi=pmix`` works in ``single``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers.campaigns import AS_ROOT

HOST = socket.gethostname().partition(".")[0]
NODES = (HOST, "n1", "n2")
_DEADLINE = 90.0
_DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = (*_DAEMONS, "munge", "sbatch", "srun", "scancel", "scontrol", "squeue", "sinfo")
_CONFIG = """
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
KillWait=5
MinJobAge=600
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 Gres=gpu:2
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 Gres=gpu:2
NodeName={host} NodeAddr=127.0.0.1 Port={ports[3]} CPUs=8
PartitionName=gpus Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
PartitionName=single Nodes={host} MaxTime=INFINITE State=UP
"""
_GRES = "NodeName=n[1-2] Name=gpu File=/dev/null\nNodeName=n[1-2] Name=gpu File=/dev/zero\n"


@dataclass
class Slurm:
    """The daemons, and the commands that reach them.

    Parameters
    ----------
    folder
        Of everything; its path is short, for it holds Unix sockets.
    """

    folder: Path
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands: no word of a cluster around us."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        path = os.pathsep.join([kept["PATH"], "/usr/sbin", "/sbin"])
        return kept | AS_ROOT | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        (self.folder / "state").mkdir()
        ports = _free_ports(4)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout
        (self.folder / "slurm.conf").write_text(
            _CONFIG.format(host=HOST, user=user.strip(),
                           ports=ports, folder=self.folder)
        )  # fmt: skip
        (self.folder / "gres.conf").write_text(_GRES)
        self._start_munge()
        self._spawn("slurmctld", "-D", "-c")
        for node in NODES:
            self._spawn("slurmd", "-D", "-c", "-N", node)
        self.wait_until(lambda: self.says("sinfo", "-h", "-N", "-o", "%T") == "idle\nidle\nidle")

    def _start_munge(self) -> None:
        key, sock = self.folder / "munge.key", self.folder / "munge.socket"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        self._spawn(
            "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
            f"--socket={sock}", f"--pid-file={self.folder}/munged.pid",
            f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        self.wait_until(lambda: self.says("munge", "-n", "-S", str(sock)).startswith("MUNGE"))

    def stop(self) -> None:
        """Cancel all jobs, wait until they are gone, and end the daemons."""
        self.says("scancel", *self.says("squeue", "-h", "-o", "%A").split())
        self.wait_until(lambda: not self.says("squeue", "-h", "-t", "R,CG"))
        for daemon in reversed(self._running):
            daemon.terminate()
        for daemon in self._running:
            daemon.wait(_DEADLINE)

    def says(self, *command: str) -> str:
        """What a command prints; empty where it fails."""
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=_DEADLINE
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def state(self, job: str) -> dict[str, str]:
        """Of a job, as ``scontrol show job`` tells."""
        words = self.says("scontrol", "-o", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def ended(self, job: str) -> tuple[str, str]:
        """Wait for the end of a job; its state and exit code."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        self.wait_until(lambda: self.state(job).get("JobState") in over)
        state = self.state(job)
        return state["JobState"], state["ExitCode"]

    def wait_until(self, what: Callable[[], bool]) -> None:
        """Until something is true; a failure after a time-out."""
        deadline = time.monotonic() + _DEADLINE
        while not what():
            if time.monotonic() > deadline:
                pytest.fail("timed out:\n" + self.says("squeue") + self._words())
            time.sleep(0.1)

    def _spawn(self, *command: str) -> None:
        with open(self.folder / f"{command[0]}.out", "ab") as out:
            self._running.append(
                subprocess.Popen(command, stdout=out, stderr=out, env=self.environment)
            )

    def _words(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
