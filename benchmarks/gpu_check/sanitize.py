"""The project's benchmark on a GPU, and a small job under each tool of compute-sanitizer."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from device import REPORT, gpu_backend, sanitizer, small_job

BENCH = """
import runpy, sys
sys.path[:0] = [{here!r}, "benchmarks"]
import device
device.share_stream()
sys.argv[0] = "benchmarks/engine.py"
runpy.run_path("benchmarks/engine.py", run_name="__main__")
"""


_OPTIONS = "--devices cuda --sizes 256 512 1024 --effort 60 --rounds 4 --starts 3"
# The stand-in has no transforms of its own.
_FAKE_OPTIONS = (
    "--devices reference --sizes 64 --effort 1 --rounds 1 --starts 1 --job 64 4 2 --pack 1 2"
)


def step_engine(arguments: argparse.Namespace) -> dict[str, Any]:
    """The project's own benchmark, with one stream for all its backends.

    Its table has both ways of transforming; its job and packs go by the last one, two-pass.
    """
    file, program = arguments.out / "engine.json", BENCH.format(here=str(Path(REPORT).parent))
    options = (_FAKE_OPTIONS if arguments.fake else _OPTIONS).split()
    command = [sys.executable, "-c", program, *options, "--json", str(file)]
    try:
        done = subprocess.run(command, cwd=arguments.work, timeout=arguments.budget - 3)
        code = done.returncode
    except subprocess.TimeoutExpired:
        code = 124
    found = json.loads(file.read_text()) if file.exists() else {}
    return {
        "told": f"jobs/h {found.get('packs')}", "failed": f"exit code {code}" if code else None,
        "us per iteration and individual": found.get("iterations"),
        "distances": found.get("distances"),
    }  # fmt: skip


def step_tiny(arguments: argparse.Namespace) -> dict[str, Any]:
    """A little of everything, for tools that make it slow."""
    for two_pass, constraint, mode in (
        (False, "positive", "threshold"), (False, "complex", "area"),
        (True, "positive", "area"), (True, "complex", "threshold"),
    ):  # fmt: skip
        more = {"object__constraint": constraint, "SW__mode": mode, "IA__it": 3}
        small_job(gpu_backend(two_pass), 64, 4, 3, **more)
    small_job(gpu_backend(), 33, 5, 2, IA__it=3)
    return {}


def step_memcheck(arguments: argparse.Namespace) -> dict[str, Any]:
    """Accesses outside of arrays."""
    return sanitized(arguments, ["memcheck"])


def step_racecheck(arguments: argparse.Namespace) -> dict[str, Any]:
    """Races, reads of what was not written, and divergent barriers."""
    return sanitized(arguments, ["racecheck", "initcheck", "synccheck"])


def sanitized(arguments: argparse.Namespace, tools: list[str]) -> dict[str, Any]:
    """What the tools of compute-sanitizer say of the tiny step."""
    program, end = sanitizer(), time.monotonic() + arguments.budget - 3
    if program is None or arguments.fake:
        return {"skipped": True, "why": "there is no compute-sanitizer here"}
    tiny = [sys.executable, REPORT, "step", "tiny"]
    # Without it first: everything is compiled then.
    subprocess.run(tiny, cwd=arguments.work, timeout=arguments.budget - 5, check=True)
    codes: dict[str, Any] = {}
    for tool in tools:
        left = end - time.monotonic()
        if left < 10:
            codes[tool] = "no time left"
            continue
        watched = [program, "--tool", tool, "--error-exitcode", "9", "--print-limit", "30", *tiny]
        try:
            done = subprocess.run(
                watched, cwd=arguments.work, capture_output=True, text=True, timeout=left
            )
            codes[tool] = done.returncode
            print(f"==== {tool}\n{(done.stdout + done.stderr)[-8000:]}", flush=True)
        except subprocess.TimeoutExpired as fault:
            codes[tool] = "timed out"
            print(str(fault.stdout)[-2000:], flush=True)
    failed = [tool for tool, code in codes.items() if code == 9]
    return {"told": str(codes), "failed": failed or None}
