"""What tests of the engine share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.hostmachine import Builder, HostMachine

from spring_mpi.engine.backends.cpu import cpu_backend
from spring_mpi.engine.backends.host import HostBackend
from spring_mpi.engine.native import load


@pytest.fixture(scope="session")
def host_machine(
    tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> HostMachine:
    """The CUDA kernels on this processor."""
    return HostMachine(Builder(tool("g++"), tmp_path_factory.mktemp("kernels")))


@pytest.fixture(scope="session")
def native(tool: Callable[[str], str]) -> Callable[..., HostBackend]:
    """``native(say=..., threads=...)``: the backend with the kernels in C that were installed."""
    library = load()
    if library is None:
        tool("cc")
        pytest.fail("there is a compiler, but the kernels were not built: install again")
    return lambda say=print, threads=1: cpu_backend(library, say, threads=threads)
