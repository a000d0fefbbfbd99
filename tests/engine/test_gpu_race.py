"""No race in the CUDA kernels: each thread is a fiber of ThreadSanitizer, and the order is random.

The other tests run threads in ascending order on the processor, where a missing barrier may not
show.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.hostmachine import kernels

from spring_mpi.engine.backends.gpu.cupy import kernel_source

HELPERS = Path(__file__).parents[1] / "helpers"
OPTIONS = (
    "-std=c++20", "-O1", "-g", "-w", "-fsanitize=thread", "-ffp-contract=off",
    "-fno-strict-aliasing",
)  # fmt: skip
SMALL = {"N": 64, "LANES": 4, "ROWS": 4, "THREADS": 64}
Race = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def race(tool: Callable[[str], str], tmp_path: Path) -> Race:
    """``race(source, without, **constants)``: runs the kernels, one barrier left out if asked."""

    def run(
        source: str, without: int | None = None, **constants: int
    ) -> subprocess.CompletedProcess[str]:
        text = kernel_source(source)
        if without is not None:
            place = list(re.finditer(r"__syncthreads\(\);", text))[without]
            text = f"{text[: place.start()]};{text[place.end() :]}"
        (tmp_path / source).write_text(text)
        program = tmp_path / "race"
        defined = [f"-D{name}={value}" for name, value in constants.items()]
        main = HELPERS / f"{source.removesuffix('.cu')}_race.cpp"
        folders = ["-I", str(tmp_path), "-I", str(HELPERS)]
        built = [tool("g++"), *OPTIONS, *folders, *defined, str(main), "-o", str(program)]
        subprocess.run(built, check=True)
        variables = {"TSAN_OPTIONS": "history_size=7:halt_on_error=1"}
        done = subprocess.run([program], env=variables, capture_output=True, text=True)
        if "unexpected memory mapping" in done.stderr:
            # The sanitizer's own memory is in the way where addresses are very random.
            command = [tool("setarch"), "-R", str(program)]
            done = subprocess.run(command, env=variables, capture_output=True, text=True)
        return done

    return run


@pytest.mark.parametrize(
    ("source", "constants"),
    [
        ("two_pass.cu", {**SMALL, "PAIRED": 1}),
        pytest.param("two_pass.cu", {**SMALL, "PAIRED": 0}, marks=pytest.mark.long),
        pytest.param("two_pass.cu", {**SMALL, "N": 128, "PAIRED": 1}, marks=pytest.mark.long),
        ("kernels.cu", {"N": 21}),
        pytest.param("kernels.cu", {"N": 32}, marks=pytest.mark.long),
    ],
)
def test_no_kernel_races(race: Race, source: str, constants: dict[str, int]) -> None:
    """Nor do threads wait at different barriers, nor does one rely on memory that none wrote."""
    done = race(source, **constants)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", ["kernels.cu", "two_pass.cu"])
def test_every_kernel_runs_there(source: str) -> None:
    program = (HELPERS / f"{source.removesuffix('.cu')}_race.cpp").read_text()
    assert [name for name in kernels(source) if f"launch({name}," not in program] == []


@pytest.mark.parametrize(
    ("source", "barrier", "constants"),
    [
        ("kernels.cu", 0, {"N": 21}),
        ("two_pass.cu", 1, {**SMALL, "PAIRED": 1}),
    ],
)
def test_a_missing_barrier_is_found(
    race: Race, source: str, barrier: int, constants: dict[str, int]
) -> None:
    """By the sanitizer, or by wrong numbers, or by a crash."""
    assert race(source, barrier, **constants).returncode != 0
