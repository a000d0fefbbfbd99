"""Many people at once, and rank 0 dies among them: no message is lost, none applied twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from helpers.campaigns import Campaign, make_campaign
from whole.test_steering import ENDLESS

WRITERS, MESSAGES = 4, 200
WRITER = """
import sys
from pathlib import Path
from spring_mpi.rundir.mailbox import Client

folder, writer, pid, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
client = Client(folder)
for number in range(count):
    tag = f"w{writer}.{number:03d}"
    reply = client.ask("append", {"jobs": [pid], "tag": tag, "set": {}}, timeout=100)
    assert reply.lines == (f"Adding {pid}-{tag} to queue",), reply
"""


def added(campaign: Campaign) -> list[dict[str, Any]]:
    """Message lines of the journal that added a job, in order."""
    return [line for line in campaign.journal() if line.get("verb") == "append"]


def test_rank0_dies_among_many_messages(tmp_path: Path) -> None:
    """800 messages of 4 writers, rank 0 killed in the middle and started again."""
    pid = ENDLESS["events"]["pids"][0]
    campaign = make_campaign(tmp_path, ENDLESS | {"events": {"pids": [pid]}, "sweep": {}})
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                WRITER,
                campaign.rundir / "control",
                str(one),
                pid,
                str(MESSAGES),
            ]
        )
        for one in range(WRITERS)
    ]
    campaign.wait_for(lambda: len(added(campaign)) >= WRITERS * MESSAGES // 3, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    again = campaign.start()
    try:
        assert [writer.wait(timeout=100) for writer in writers] == [0] * WRITERS
    finally:
        os.killpg(again.pid, signal.SIGKILL)
        again.communicate()
        for writer in writers:
            writer.kill()
            writer.wait()
    names = [line["records"][0]["job"] for line in added(campaign)]
    expected = {
        f"{pid}-w{one}.{number:03d}" for one in range(WRITERS) for number in range(MESSAGES)
    }
    assert set(names) == expected
    assert len(names) == WRITERS * MESSAGES
    for one in range(WRITERS):
        own = [name for name in names if f"-w{one}." in name]
        assert own == sorted(own)
