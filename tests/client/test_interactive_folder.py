"""The run directory of ``hv``: it is its own, and a restart does without the spooled patterns."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from client.test_interactive import quick_job, wait_until
from helpers.campaigns import Campaign

from spring_mpi.client.interactive import Interactive
from spring_mpi.errors import LaunchError
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.rundir.journal import replay
from spring_mpi.rundir.lines import JobLine
from spring_mpi.rundir.mailbox import Client


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interactive]:
    """An object with a local hypervisor of its own, in ``spring-hv`` of the test's folder."""
    monkeypatch.chdir(tmp_path)
    steering = Interactive()
    yield steering
    steering.close()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, with its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def test_folder_of_another_campaign(own: Interactive, small: Callable[..., Campaign]) -> None:
    """A run directory of spring-batch is refused, and not a byte of it changes."""
    campaign = small(events={"slice": "0:1"})
    assert campaign.run()[0] == 0
    before = contents(campaign.rundir)
    with pytest.raises(LaunchError, match=r"another campaign(.|\n)*hv\.start\(output="):
        own.start(output=campaign.rundir)
    assert contents(campaign.rundir) == before


def test_restart_without_spooled_patterns(own: Interactive) -> None:
    """Without its file a done job stays done, and one that has to run fails with the reason."""
    own.append(quick_job("a"))
    wait_until(lambda: "7-1-a" in own.campaign.done)
    own.append(quick_job("b", generations=100000))
    own.close()
    result, summary = (
        own.campaign.rundir / "results" / "7-1-a.h5",
        own.campaign.rundir / "summary.csv",
    )
    before = result.stat().st_mtime_ns, summary.read_text()
    shutil.rmtree(own.campaign.rundir / "spool")
    own.start()

    def failed() -> list[Outcome]:
        lines = replay(own.campaign.rundir / "journal.jsonl")
        return [
            line.outcome
            for line in lines
            if isinstance(line, JobLine) and line.state is State.FAILED
        ]

    wait_until(failed)
    [job] = failed()
    assert job.name == "7-1-b"
    assert str(own.campaign.rundir / "spool") in job.reason
    assert result.stat().st_mtime_ns == before[0]
    assert summary.read_text().startswith(before[1])
    own.append(quick_job("a"))
    wait_until(lambda: "7-1-a~2" in own.campaign.done)


def test_damaged_pattern_is_refused(own: Interactive) -> None:
    """A spool file that cannot be read is the sender's fault: the hypervisor lives on."""
    own.start()
    (own.campaign.rundir / "spool").mkdir()
    (own.campaign.rundir / "spool" / "x.npz").write_bytes(b"PK\x03\x04 and no more")
    given = {
        "spool": "spool/x.npz",
        "tag": "",
        "settings": {},
        "cropsize": 64,
        "size": 32,
        "seed": 1,
    }
    reply = Client(own.campaign.rundir / "control").ask("append", given)
    assert reply.refused
    assert "cannot use" in reply.lines[0]
    own.info()
