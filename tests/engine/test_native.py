"""The kernels in C: which object is taken, what they refuse, and that they stay in their memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.physics import bounds_of, lumps, noise, settings_of

import spring_mpi.engine.native as native_package
from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.backends.cpu import NativeOperators
from spring_mpi.engine.backends.host import Individual
from spring_mpi.engine.native import VARIABLE, _declared, _usable, load
from spring_mpi.errors import LaunchError
from spring_mpi.model.settings import IA, Settings

SOURCES = Path(native_package.__file__).parent
FLAGS = {
    "generic": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mavx2"],
}
SCRIPT = """
from helpers.physics import *
from test_cpu import CUTS, data_of
from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.crossover import crossover_plan
from spring_mpi.engine.backend import Problem
from spring_mpi.model.settings import IA, Settings
backend = make_backend("cpu", threads=2)
for constraint in ("positive", "real", "complex"):
    settings = settings_of(object__constraint=constraint, global__popsize=5, DE__CR=0.5)
    backend.load([Problem(data_of(64, constraint), 1)], settings)
    population = backend.create(0)
    for algorithm in ("ER", "RAAR"):
        backend.iterate(population, rule(algorithm, IA()), 2)
    for cut in CUTS.values():
        backend.shrinkwrap(population, cut)
    backend.register(population, np.array([2] * 5))
    backend.crossover(population, crossover_plan(settings, [1], 1))
    print(round(float(backend.errors(population).sum()), 2), end=" ")
print(backend.name)
"""


def run(environment: dict[str, str], script: str = SCRIPT) -> str:
    """What the script prints in a process of its own; nothing may be said on stderr."""
    tests = Path(__file__).parent
    paths = [str(SOURCES.parents[2]), str(tests), str(tests.parent)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def expected() -> str:
    """What numpy and scipy print."""
    return run({VARIABLE: "none"})


def agree(printed: str, expected: str) -> None:
    """The kernels were used, and all errors are the reference's to 2 %."""
    *errors, name = printed.split()
    assert name == "cpu"
    assert np.array(errors, float) == pytest.approx(
        np.array(expected.split()[:-1], float), rel=0.02
    )


def test_none_takes_the_reference(expected: str) -> None:
    assert expected.split()[-1] == "reference"


@pytest.mark.parametrize("instruction_set", native_package.INSTRUCTION_SETS)
def test_one_instruction_set_can_be_forced(
    native: Callable[..., Any], instruction_set: str, expected: str
) -> None:
    """And gives the same errors; where it cannot be had, that is said."""
    if instruction_set not in _usable(SOURCES):
        with pytest.raises(LaunchError, match=f"{VARIABLE}={instruction_set} cannot be had here"):
            load({VARIABLE: instruction_set})
        return
    agree(run({VARIABLE: instruction_set}), expected)


def test_the_best_instruction_set_is_taken(native: Callable[..., Any], tmp_path: Path) -> None:
    """Among those that were built and that the processor has."""
    usable = _usable(SOURCES)
    for name in usable:
        shutil.copy(SOURCES / f"kernels_{name}.so", tmp_path)
    for name in usable:
        library = load({}, tmp_path)
        assert library is not None
        assert Path(library._name).name == f"kernels_{name}.so"
        (tmp_path / f"kernels_{name}.so").unlink()
    assert load({}, tmp_path) is None


def test_an_outdated_object_is_told() -> None:
    """Here this very process, which lacks all functions of ours."""
    with pytest.raises(LaunchError, match=r"has no grid_new.*install again"):
        _declared(ctypes.CDLL(None))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(LaunchError, match=f"{VARIABLE}=sse9 cannot be had here; what can: .*none"):
        load({VARIABLE: "sse9"})


def test_without_objects_the_reference_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As after an installation without a compiler; people are told."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(native_package, "_HERE", tmp_path)
    said: list[str] = []
    assert make_backend("cpu", said.append).name == "reference"
    assert len(said) == 1
    assert "the reference backend is used" in said[0]
    assert "compiler" in said[0]


@pytest.fixture
def kernels(native: Callable[..., Any]) -> NativeOperators:
    library = load()
    assert library is not None
    return NativeOperators(library, bounds_of(lumps(64)), Settings())


SOUND = np.zeros((64, 64), np.float32)


def unaligned() -> np.ndarray:
    return np.zeros(SOUND.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(64, 64)


def read_only() -> np.ndarray:
    array = SOUND.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (unaligned(), "take aligned arrays"),
        (read_only(), "an array is read-only"),
        (np.zeros((64, 65), np.float32), r"float32 \(64, 64\), this is float32 \(64, 65\)"),
        (np.zeros((0, 64), np.float32), r"this is float32 \(0, 64\)"),
        (np.zeros((64, 64)), "this is float64"),
        (np.zeros((64, 64), np.complex64), "this is complex64"),
        (np.zeros((64, 128), np.float32)[:, ::2], "strided"),
    ],
)
def test_arrays_that_c_must_not_see_are_refused(
    kernels: NativeOperators, density: np.ndarray, message: str
) -> None:
    support = np.zeros((64, 64), bool)
    sound = Individual(SOUND.copy(), support)
    unsound = Individual(density, support)
    for individuals in ([unsound], [sound, unsound]):
        with pytest.raises(ValueError, match=message):
            kernels.iterate(individuals, rule("ER", IA()), 1)


def test_wrong_supports_and_sizes_are_refused(kernels: NativeOperators) -> None:
    wrong = Individual(SOUND.copy(), np.zeros((64, 64), np.uint8))
    with pytest.raises(ValueError, match=r"arrays of bool \(64, 64\), this is uint8"):
        kernels.iterate([wrong], rule("ER", IA()), 1)
    with pytest.raises(ValueError, match="no kernels for the size 48"):
        NativeOperators(load(), bounds_of(lumps(48)), Settings())


def test_complex_densities_are_no_pair(native: Callable[..., Any]) -> None:
    settings = settings_of(object__constraint="complex")
    kernels = NativeOperators(load(), bounds_of(lumps(64)), settings)
    one = Individual(noise(64, 1, is_complex=True).astype(np.complex64), np.ones((64, 64), bool))
    with pytest.raises(ValueError, match="2 individuals are too many"):
        kernels.iterate([one, one], rule("ER", IA()), 1)


@pytest.mark.parametrize("rank", [0, -1], ids=["best", "generic"])
def test_sanitizers_find_nothing(
    native: Callable[..., Any], tool: Callable[[str], str], tmp_path: Path, rank: int, expected: str
) -> None:
    """No access outside the arrays, nothing undefined, in any operation."""
    instruction_set = _usable(SOURCES)[rank]
    library = tmp_path / "kernels_generic.so"
    command = [
        tool("gcc"), "-std=gnu11", "-O1", "-shared", "-fPIC", "-fno-strict-aliasing", "-Wno-psabi",
        "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *FLAGS[instruction_set],
        *map(str, sorted(SOURCES.glob("*.c"))), "-o", str(library), "-lm",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    runtime = subprocess.run(
        [command[0], "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    )
    patched = (
        "import spring_mpi.engine.native as n, pathlib\n"
        f"n._HERE = pathlib.Path({str(tmp_path)!r})\n{SCRIPT}"
    )
    variables = {"LD_PRELOAD": runtime.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
    agree(run({**variables, VARIABLE: "generic"}, patched), expected)
