"""A hypervisor that died without a word: who steers it is told at once, and waits for nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from helpers.campaigns import Campaign
from whole.test_steering import ENDLESS

from spring_mpi.client.interactive import Interactive
from spring_mpi.errors import RunDirectoryError


def test_dead_hypervisor(small: Callable[..., Campaign]) -> None:
    """Its lock stays behind; neither spring-ctl nor hv leaves a message there."""
    campaign = small(**ENDLESS)
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    steering = Interactive()
    steering.attach(campaign.rundir)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert (campaign.rundir / "control" / "lock").exists()

    patient = [sys.executable, "-m", "spring_mpi.cli.ctl", "--timeout", "1000"]
    done = subprocess.run(
        [*patient, str(campaign.rundir), "info"], capture_output=True, text=True, timeout=60
    )
    said = f"no live hypervisor in {campaign.rundir}\n"
    assert (done.returncode, done.stderr) == (4, said)
    assert done.stdout.startswith("Its last run ended without a word")
    for verb in (steering.info, steering.kill, lambda: Interactive().attach(campaign.rundir)):
        with pytest.raises(RunDirectoryError, match=rf"\(process {process.pid} on .* has died\)"):
            verb()
    assert os.listdir(campaign.rundir / "control" / "new") == []
