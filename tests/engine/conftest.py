"""What tests of the engine share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hostmachine import Builder, HostMachine


@pytest.fixture(scope="session")
def host_machine(
    tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> HostMachine:
    """The CUDA kernels on this processor."""
    return HostMachine(Builder(tool("g++"), tmp_path_factory.mktemp("kernels")))
