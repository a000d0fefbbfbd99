"""The steps of gpu_check.sh: tests, bits, times and campaigns on a GPU, each within its own time.

``run`` does them all, a process each (some side by side), and writes report.json after every one.
``step NAME`` is what such a process runs; its output ends with a line ``RESULT {json}``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import bits
import campaign
import sanitize
import smoke
import suite
import times
from device import REPORT

_MOST_LOG = 150_000
"""Characters of a step's output that are kept."""
_SHORTEST = 8.0
"""Seconds; with less left a step is not begun."""


@dataclass(frozen=True)
class Step:
    """One step; those of one group run side by side."""

    name: str
    group: int
    seconds: float
    """At most."""
    action: Callable[[argparse.Namespace], dict[str, Any]]
    """Returns what it found; what stands under ``failed`` makes it fail."""


STEPS = (
    Step("env", 0, 25, smoke.step_env),
    Step("native", 1, 120, smoke.step_native),
    Step("smoke", 1, 90, smoke.step_smoke),
    Step("suite", 2, 100, suite.step_suite),
    Step("operations", 2, 150, suite.step_operations),
    Step("bits", 2, 110, bits.step_bits),
    Step("campaign", 2, 110, campaign.step_campaign),
    Step("times", 3, 100, times.step_times),
    Step("memcheck", 4, 80, sanitize.step_memcheck),
    Step("engine", 5, 100, sanitize.step_engine),
    Step("racecheck", 6, 90, sanitize.step_racecheck),
)
TINY = Step("tiny", 0, 60, sanitize.step_tiny)
"""What memcheck and racecheck watch."""


@dataclass
class Process:
    """A step at work."""

    step: Step
    process: subprocess.Popen[bytes]
    output: Path
    began: float
    limit: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def is_late(self) -> bool:
        return self.process.poll() is None and self.seconds >= self.limit

    def kill(self) -> None:
        """End it and all that it left behind."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # it waits for the driver; no more can be done
            self.process.wait(5)

    def dump(self) -> None:
        """Let it and its children write where they are, as Python does on SIGABRT."""
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGABRT)
            self.process.wait(1.5)


class Run:
    """All steps, and the report that grows with them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments, self._began, self._out = arguments, time.monotonic(), arguments.out
        self._running: list[Process] = []
        self._steps: dict[str, dict[str, Any]] = {}
        self._report = {
            "commit": os.environ.get("SPRING_GPU_COMMIT", ""),
            "fake": arguments.fake,
            "steps": self._steps,
        }
        self._log = self._out / "steps.log"
        self._log.write_text("")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def all(self) -> int:
        """Run the steps; the exit code: 1 some failed, 2 something is missing, 3 no GPU."""
        wanted = set(filter(None, self._arguments.only.split(","))) | {"env"}
        chosen = [step for step in STEPS if wanted == {"env"} or step.name in wanted]
        code = 0
        for _, group in groupby(chosen, lambda step: step.group):
            self._group(list(group))
            code = self._lacking()
            if code:
                break
        failed = any(step["state"] in ("failed", "timed out") for step in self._steps.values())
        code = code or int(failed)
        self._report |= {"exit": code, "seconds": round(time.monotonic() - self._began, 1)}
        self._write()
        print(self._summary())
        return code

    def _lacking(self) -> int:
        found = self._steps.get("env", {}).get("result", {})
        return 2 if found.get("missing") else 0 if found.get("gpus") else 3

    def _group(self, steps: list[Step]) -> None:
        for step in steps:
            # A dry run does a GPU's work on the processor.
            seconds = step.seconds * (4 if self._arguments.fake else 1)
            limit = min(seconds, self._left() - 3)
            if limit < _SHORTEST:
                self._steps[step.name] = {"state": "skipped", "why": "no time was left"}
            else:
                self._running.append(self._started(step, limit))
        while self._running:
            for running in list(self._running):
                late = running.is_late
                if late or running.process.poll() is not None:
                    self._finish(running, late)
            time.sleep(0.1)

    def _started(self, step: Step, limit: float) -> Process:
        arguments = self._arguments
        output = Path(tempfile.mkstemp(prefix=f"{step.name}.", suffix=".log")[1])
        command = [
            sys.executable, REPORT, "step", step.name, "--work", str(arguments.work),
            "--out", str(self._out), "--budget", str(limit), *["--fake"] * arguments.fake,
        ]  # fmt: skip
        variables = {"SPRING_GPU_PARTIAL": f"{output}.json", "PYTHONFAULTHANDLER": "1"}
        with output.open("w") as log:
            process = subprocess.Popen(
                command, env=os.environ | variables, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True, cwd=arguments.work,
            )  # fmt: skip
        return Process(step, process, output, time.monotonic(), limit)

    def _finish(self, running: Process, late: bool) -> None:
        seconds = running.seconds
        if late:
            running.dump()
        running.kill()
        self._running.remove(running)
        text = running.output.read_text(errors="replace")
        code = running.process.returncode
        result = _result(text, Path(f"{running.output}.json"))
        state = "timed out" if late else "failed" if code else "passed"
        self._steps[running.step.name] = {
            "state": "skipped" if result.get("skipped") else state,
            "code": code, "seconds": round(seconds, 1), "result": result,
        }  # fmt: skip
        if len(text) > _MOST_LOG:
            text = f"{text[: _MOST_LOG // 3]}\n[...]\n{text[-2 * _MOST_LOG // 3 :]}"
        with self._log.open("a") as log:
            log.write(f"\n==== {running.step.name}: {state}, {seconds:.1f} s, exit code {code}\n")
            log.write(text)
        self._write()

    def _left(self) -> float:
        return float(self._arguments.budget) - (time.monotonic() - self._began)

    def _stop(self, number: int, frame: object) -> None:
        for running in self._running:
            running.kill()
        self._report["stopped"] = f"by signal {number}"
        self._write()
        os._exit(143)

    def _write(self) -> None:
        aside = self._out / "report.new"
        aside.write_text(json.dumps(self._report, indent=1, default=float) + "\n")
        os.replace(aside, self._out / "report.json")
        (self._out / "summary.txt").write_text(self._summary() + "\n")

    def _summary(self) -> str:
        taken, budget = time.monotonic() - self._began, self._arguments.budget
        lines = [f"commit {self._report['commit']}, {taken:.0f} s of {budget:.0f}"]
        for name, step in self._steps.items():
            seconds = step.get("seconds", "")
            lines.append(f"{name:<16}{step['state']:<10}{seconds:>7}  {_said(step)}")
        return "\n".join(lines)


def _result(text: str, partial: Path) -> dict[str, Any]:
    """What a step found, or had found when it ended."""
    for line in reversed(text.splitlines()):
        if line.startswith("RESULT "):
            with suppress(ValueError):
                return dict(json.loads(line.removeprefix("RESULT ")))
    return dict(json.loads(partial.read_text()), unfinished=True) if partial.exists() else {}


def _said(step: dict[str, Any]) -> str:
    """A step's result in words."""
    found = step.get("result", {})
    words = [found.get(key) or step.get(key) for key in ("fault", "why", "failed", "told")]
    return next((str(word)[:400] for word in words if word), "")


def run_step(arguments: argparse.Namespace) -> int:
    """Run one step in this process."""
    step = {step.name: step for step in (*STEPS, TINY)}[arguments.name]
    try:
        result = step.action(arguments)
    except BaseException as fault:
        traceback.print_exc()
        result = {"fault": f"{type(fault).__name__}: {fault}"[:2000]}
    print("RESULT " + json.dumps(result, default=float), flush=True)
    failed = int(bool(result.get("failed") or result.get("fault")))
    if step is not TINY:  # tools look at how a process ends
        os._exit(failed)  # a broken device must not hold up the end
    return failed


def main() -> int:
    """Run all steps, or one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "step"])
    parser.add_argument("name", nargs="?")
    parser.add_argument("--work", type=Path, default=Path(os.environ.get("SPRING_GPU_WORK", ".")))
    parser.add_argument("--out", type=Path, default=Path("gpu-out"))
    parser.add_argument("--budget", type=float, default=450)
    parser.add_argument("--only", default="")
    parser.add_argument("--fake", action="store_true")
    arguments = parser.parse_args()
    return Run(arguments).all() if arguments.what == "run" else run_step(arguments)


if __name__ == "__main__":
    sys.exit(main())
