"""Backends are complete, or made of others: no class of the engine changes what another does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import spring_mpi.engine
from spring_mpi.engine.backend import Backend
from spring_mpi.engine.backends.cpu import NativeOperators
from spring_mpi.engine.backends.gpu.backend import GpuBackend
from spring_mpi.engine.backends.gpu.cupy import CupyMachine
from spring_mpi.engine.backends.gpu.iteration import FusedIteration, Iteration
from spring_mpi.engine.backends.gpu.machine import Machine
from spring_mpi.engine.backends.gpu.two_pass import TwoPasses
from spring_mpi.engine.backends.host import HostBackend, Operators
from spring_mpi.engine.backends.reference import NumpyOperators


def classes() -> Iterator[type]:
    """All classes that the engine defines."""
    for module in pkgutil.walk_packages(spring_mpi.engine.__path__, "spring_mpi.engine."):
        if module.name.rpartition(".")[2].startswith("kernels_"):
            continue  # kernels in C are no modules of Python
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if found.__module__ == module.name:
                yield found


def test_no_class_overrides_a_method_of_another() -> None:
    """Nothing but protocols is inherited from, and those have no methods to override."""
    inherited = {
        (derived.__name__, base.__name__)
        for derived in classes()
        for base in derived.__mro__[1:]
        if base.__module__.startswith("spring_mpi.engine")
        and not getattr(base, "_is_protocol", False)
    }
    assert inherited == set()


@pytest.mark.parametrize(
    ("protocol", "complete"),
    [
        (Backend, HostBackend), (Backend, GpuBackend),
        (Operators, NumpyOperators), (Operators, NativeOperators),
        (Machine, CupyMachine), (Iteration, FusedIteration), (Iteration, TwoPasses),
    ],
)  # fmt: skip
def test_what_follows_a_protocol_does_all_of_it(protocol: type, complete: type) -> None:
    operations = {name for name in vars(protocol) if not name.startswith("_")}
    assert operations
    for name in operations:
        method = vars(complete)[name]
        expected = inspect.signature(getattr(protocol, name)).parameters
        assert list(inspect.signature(method).parameters) == list(expected)
