"""Importing costs: a thousand ranks pay for what a worker loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "scipy", "h5py", "yaml", "matplotlib", "mpi4py", "cupy", "hdf5plugin")


def loaded(statement: str) -> list[str]:
    """Heavy libraries that a statement loads in a new interpreter."""
    code = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_package_is_light() -> None:
    """Importing the package loads nothing heavy."""
    assert loaded("import spring_mpi") == []


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("spring_mpi.cli.batch", ["numpy"]),
        ("spring_mpi.worker.rank", ["numpy"]),
        ("spring_mpi.events", []),
        ("spring_mpi.launch.communicator", []),
    ],
)
def test_worker_ranks_are_thin(module: str, allowed: list[str]) -> None:
    """What a worker rank runs loads no FFT, HDF5, YAML or plotting library."""
    assert loaded(f"import {module}") == allowed


def test_workers_know_no_rank0() -> None:
    """A worker rank and its child import nothing of rank 0 and nothing of the campaign."""
    code = (
        "import sys; from spring_mpi.worker import child, rank, runner;"
        "print(*[name for name in sys.modules if name.startswith("
        "('spring_mpi.rank0', 'spring_mpi.config', 'spring_mpi.campaign', 'spring_mpi.cli'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_public_names() -> None:
    """SPRING's names come from the top level."""
    import spring_mpi

    assert {"MPR", "Pattern", "Result", "Settings"} <= set(dir(spring_mpi))
    for name in set(spring_mpi.__all__) - {"hypervisor"}:
        assert getattr(spring_mpi, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Pfad'"):
        _ = spring_mpi.Pfad


def test_check_loads_no_engine(tmp_path: Path) -> None:
    """``--check`` prepares a pattern with nothing of the engine but what it asks of settings."""
    config = tmp_path / "c.yaml"
    config.write_text(
        "name: a\ndata: {source: 'events=1:seed=1', reader: simulate}\n"
        "pattern: {cropsize: 64, size: 64, center: [131, 135]}\n"
        "settings: {init: {supportsize: 20}}\n"
    )
    code = (
        "import sys; from spring_mpi.cli.batch import main; code = main(sys.argv[1:]);"
        "print(*[name for name in sys.modules if name.startswith(('spring_mpi.engine.',"
        "'spring_mpi.worker.runner'))], file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, str(config), "--check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "first event: " in done.stdout
    assert set(done.stderr.split()) <= {
        "spring_mpi.engine.algorithms", "spring_mpi.engine.requirements",
        "spring_mpi.engine.sequence",
    }  # fmt: skip
