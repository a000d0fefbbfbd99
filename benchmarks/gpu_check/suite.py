"""The project's tests on a GPU: its own, and those that run kernels on the processor otherwise."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PYTEST = (
    sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "120",
    "--durations=5",
)  # fmt: skip


def step_suite(arguments: argparse.Namespace) -> dict[str, Any]:
    """The project's own tests of the GPU."""
    wanted = "compile or recorded" if arguments.fake else "on_a_gpu or compile"
    return run_pytest(arguments, [str(arguments.work / "tests/engine/test_cupy.py"), "-k", wanted])


SHIM = '''"""In place of tests/helpers/hostmachine.py: its tests on the real machine, the GPU."""
from __future__ import annotations
import numpy as np
from spring_mpi.engine.backends.gpu.cupy import CupyMachine


class Builder:
    """Nothing to build: CuPy compiles."""

    def __init__(self, *parts):
        pass


class HostMachine(CupyMachine):
    name = "host"

    shared = None

    def __init__(self, builder):
        super().__init__(0)
        # Tests make several machines; each would make its own stream the current one.
        HostMachine.shared = self._stream = HostMachine.shared or self._stream
        self._stream.use()
        self.builder, self.released, self.device = builder, 0, "this processor"

    def module(self, source, **constants):
        launch = super().module(source, **constants)

        def adapted(kernel, grid, *arguments):
            """Tests that call a kernel themselves have numpy's arrays, and read them afterwards."""
            hosts = [given for given in arguments if type(given) is np.ndarray]
            devices = {id(host): self.xp.array(host) for host in hosts}
            launch(kernel, grid, *[devices.get(id(given), given) for given in arguments])
            for host in hosts:
                host[...] = self.host(devices[id(host)])

        return adapted

    def release(self):
        super().release()
        self.released += 1


class SmallMachine(HostMachine):
    def __init__(self, builder, most):
        super().__init__(builder)
        self._most = most

    def forward(self, images, spectra):
        if len(images) > self._most:
            raise self.exhausted(1, 1)
        super().forward(images, spectra)
'''


FIXTURE = """
import pytest
from helpers.hostmachine import Builder, HostMachine


@pytest.fixture(scope="session")
def host_machine():
    return HostMachine(Builder())
"""


def step_operations(arguments: argparse.Namespace) -> dict[str, Any]:
    """The operations' tests, made for kernels on the processor, on the GPU."""
    work = arguments.work
    folder = work / "tests_gpu"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(work / "tests", folder)
    (folder / "engine/conftest.py").write_text(FIXTURE)
    helpers = folder / "helpers"
    # It must be there to be replaced: else the tests would run on the processor, and pass.
    (helpers / "hostmachine.py").replace(helpers / "realhost.py")
    if arguments.fake:  # the stand-in needs the real one
        for file in (helpers / "fakecupy.py", helpers / "fakegpu/cupy.py"):
            text = file.read_text()
            file.write_text(text.replace("from helpers.hostmachine", "from helpers.realhost"))
        paths = os.environ["PYTHONPATH"]
        os.environ["PYTHONPATH"] = paths.replace(str(work / "tests"), str(folder))
    (helpers / "hostmachine.py").write_text(SHIM)
    tests = [str(folder / "engine" / name) for name in ("test_gpu.py", "test_two_pass.py")]
    places = ["-o", f"pythonpath={folder}", "-o", f"testpaths={folder}"]
    return run_pytest(arguments, [*places, *tests])


def run_pytest(arguments: argparse.Namespace, options: list[str]) -> dict[str, Any]:
    """As the project runs tests; where that fails, once more without making errors of warnings."""
    ways: dict[str, dict[str, Any]] = {}
    end = time.monotonic() + arguments.budget - 4
    for way, extra in (("strict", []), ("lenient", ["-o", "filterwarnings=default"])):
        left = end - time.monotonic()
        if left < 15 and ways:
            break
        file = arguments.work / f"junit-{os.getpid()}-{way}.xml"
        command = [*PYTEST, *extra, f"--junitxml={file}", *options]
        try:
            done = subprocess.run(command, cwd=arguments.work, timeout=max(left, 5))
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = 124
        ways[way] = {"code": code, **counted(file)}
        if code == 0:
            break
    last = list(ways.values())[-1]
    failed = last.get("failed", {})
    return {
        "told": f"{last.get('passed', 0)} passed, {len(failed)} failed, "
        f"{last.get('skipped', 0)} skipped" + ", warnings allowed" * (len(ways) > 1),
        "ways": ways, "failed": f"exit code {last['code']}: {failed}" if last["code"] else None,
    }  # fmt: skip


def counted(file: Path) -> dict[str, Any]:
    """How many tests passed and were skipped, and why others failed."""
    if not file.exists():
        return {}
    passed = skipped = 0
    failed = {}
    for case in ElementTree.parse(file).iter("testcase"):
        faults = [*case.iter("failure"), *case.iter("error")]
        if faults:
            failed[case.get("name")] = faults[0].get("message", "")[:200]
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return {"passed": passed, "skipped": skipped, "failed": failed}
