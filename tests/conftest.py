"""What all tests share: recorded data, required tools, and small campaigns."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers.campaigns import Campaign, children, is_gone, make_campaign
from hypothesis import settings

pytest_plugins = ["helpers.configs"]

# Laws hold for the same examples every time, however slow the machine; seeds vary on request.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def missing(what: str) -> None:
    """Skip for want of a tool; fail where the environment promises that all are there."""
    if os.environ.get("SPRING_TEST_REQUIRE_ALL"):
        pytest.fail(f"{what} is required here, but not installed")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C reaches the processes of tests, also of those that run in a shell's background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded data that SPRING_TEST_DATA names."""
    folder = os.environ.get("SPRING_TEST_DATA")
    if not folder:
        pytest.skip("SPRING_TEST_DATA names no folder with recorded data")
    return Path(folder).resolve(strict=True)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """``tool(name)``: the path of a program, or a skipped test."""

    def find(name: str) -> str:
        if (path := shutil.which(name)) is None:
            missing(name)
        return str(path)

    return find


@pytest.fixture(scope="session")
def launcher() -> list[str]:
    """The command that starts MPI ranks, all but their number."""
    beside = Path(sys.executable).with_name("mpirun")
    mpirun = str(beside) if beside.exists() else shutil.which("mpirun")
    if mpirun is None or find_spec("mpi4py") is None:
        missing("mpirun with mpi4py")
    return [str(mpirun), "--oversubscribe", "--bind-to", "none", "-n"]


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Campaign]:
    """``small(**sections)``: a campaign of four simulated hits that takes a second or two."""
    return lambda **sections: make_campaign(tmp_path, sections)


@pytest.fixture
def small_mpi(small: Callable[..., Campaign], launcher: list[str]) -> Callable[..., Campaign]:
    """As ``small``, and able to run over several ranks."""

    def make(**sections: Any) -> Campaign:
        campaign = small(**sections)
        campaign.launcher = launcher
        return campaign

    return make


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    """No test leaves a child of its own behind."""
    before = set(children(os.getpid()))
    yield
    left = [pid for pid in set(children(os.getpid())) - before if not is_gone(pid)]
    assert left == []


@pytest.fixture(autouse=True)
def _notice_signal_as_usual() -> None:
    """Commands that ran within this process ignore it, and children would inherit that."""
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
