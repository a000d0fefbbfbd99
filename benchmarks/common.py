"""What the benchmarks share: options, statistics of rounds, the machine, and the report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spring_mpi.launch.devices import processor_name

Figures = Mapping[str, float]


def options(description: str) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark; the description's first line is shown."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def summary(
    label: str, rounds: Sequence[float], best: Callable[[Sequence[float]], float]
) -> dict[str, float]:
    """Median and best of several rounds; ``best`` is ``min`` or ``max``."""
    return {f"{label}, median": statistics.median(rounds), f"{label}, best": best(rounds)}


def seconds_of(action: Callable[[], object]) -> float:
    """How long an action takes, by the clock on the wall."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def peak_memory() -> float:
    """The most memory that this process held so far, MB."""
    # Linux counts in kB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> dict[str, Any]:
    """Where the figures were measured, and how busy it is: load is that of the last minute."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def report(title: str, figures: Figures, file: Path | None) -> None:
    """Print machine and figures, and write them as JSON where asked for."""
    here = machine()
    print(", ".join(f"{key} {value}" for key, value in here.items()))
    print(title)
    width = max(map(len, figures))
    for label, value in figures.items():
        print(f"  {label:{width}s} {value:12.4g}")
    if file:
        content = {"title": title, "machine": here, "figures": figures}
        file.write_text(json.dumps(content, indent=1) + "\n")
