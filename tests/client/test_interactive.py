"""SPRING's notebook page for real: ``hv`` with a local hypervisor in a process of its own."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.campaigns import is_gone

from spring_mpi import MPR, Pattern, Settings
from spring_mpi.client import local
from spring_mpi.client.interactive import Interactive
from spring_mpi.errors import LaunchError
from spring_mpi.events.examples import write_examples

A1, A2, A3, A4 = "197-10-14558540587", "250-23-14565026066", "71-1-14546865407", "19-7-14541946795"
B1 = "190-1769647347"
STARTED = [
    "Initializing solver... Done.",
    "Initializing algorithms... Done.",
    "Initializing population... Done.",
    "... Running main loop ...",
]
STOPPED = "Terminating running MPR process... Done"
DEADLINE = 60.0


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interactive]:
    """An object with a local hypervisor of its own, in ``spring-hv`` of the test's folder."""
    monkeypatch.chdir(tmp_path)
    steering = Interactive()
    yield steering
    steering.close()


def load_data(path: Path) -> Pattern:
    """The loader function of SPRING's page."""
    with np.load(path) as file:
        return Pattern(
            pattern=file["pattern"], mask=file["mask"], center=file["center"],
            pid=file["pid"].tolist(), cropsize=1024, size=256, satvalue=3e4,
        )  # fmt: skip


def endless(supportsize: int = 60) -> Settings:
    """Settings of a job that does not end while a test runs."""
    return (
        Settings()
        .set("global", "generations", 100000)
        .set("global", "stop", "never")
        .set("global", "popsize", 4)
        .set("init", "supportsize", supportsize)
        .set("IA", "it", 4)
    )


def printed(
    capsys: pytest.CaptureFixture[str], call: Callable[..., object], *arguments: object
) -> list[str]:
    """The lines that a verb prints."""
    capsys.readouterr()
    call(*arguments)
    return capsys.readouterr().out.splitlines()


def queue(running: str, *waiting: str) -> list[str]:
    """The queue as the page prints it."""
    rows = [f"{position}: {name}" for position, name in enumerate(waiting)]
    return [f"Running: {running}", f"Execution queue ({len(waiting)} total):", *rows]


def wait_until(what: Callable[[], object]) -> None:
    """Until something is true."""
    deadline = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def wait_running(hv: Interactive, capsys: pytest.CaptureFixture[str], name: str) -> list[str]:
    """Until the live log shows that the main loop of a job runs; its lines."""
    seen: list[str] = []

    def is_running() -> bool:
        seen[:] = printed(capsys, hv.livelog)
        return seen[-1].startswith(f"RUNNING {name} ") and "... Running main loop ..." in seen

    wait_until(is_running)
    return seen


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pattern]:
    """SPRING's example patterns by their names."""
    folder = tmp_path_factory.mktemp("data")
    write_examples(folder)
    wanted = ("A_1", "A_2", "A_3", "A_4", "B_1")
    return {name: load_data(folder / f"example_{name}.npz") for name in wanted}


def test_idle_print_outs(own: Interactive, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first job the live log is idle and the queue empty."""
    assert printed(capsys, own.livelog) == ["- - - - - - - - - - -", "IDLE"]
    assert printed(capsys, own.info) == ["Idle.", "Empty queue."]


def test_four_patterns(
    own: Interactive, patterns: dict[str, Pattern], capsys: pytest.CaptureFixture[str]
) -> None:
    """One of four jobs runs, three wait; one is put first, one is stopped, all are killed."""
    for name in ("A_1", "A_2", "A_3", "A_4"):
        assert printed(capsys, own.append, MPR(patterns[name], endless())) == []
    *head, rule, status = wait_running(own, capsys, A1)
    assert rule == "- - - - - - - - - - - - - - - - - - - - -"
    assert re.fullmatch(rf"RUNNING {A1} \[#*-*\] \d+% \(3 queued\)", status)
    assert head[0] == "Selected CPUs:"
    assert re.fullmatch(r"- .+ \(Id: \d+, load: \d+%\)", head[1])
    assert head[2:] == STARTED
    assert printed(capsys, own.info) == queue(A1, A2, A3, A4)
    assert printed(capsys, own.prepend, MPR(patterns["B_1"], endless())) == []
    assert printed(capsys, own.info) == queue(A1, B1, A2, A3, A4)
    assert printed(capsys, own.stop) == [STOPPED]
    wait_running(own, capsys, B1)
    removed = [f"Removing {name} from queue" for name in (A2, A3, A4)]
    assert printed(capsys, own.kill) == [*removed, STOPPED]
    wait_until(lambda: printed(capsys, own.info) == ["Idle.", "Empty queue."])


def test_tags_and_removal(
    own: Interactive, patterns: dict[str, Pattern], capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve tagged jobs keep their order; they are removed by wildcard, position and name."""
    for name in ("A_1", "A_2", "A_3", "A_4"):
        for size in (80, 100, 120):
            own.append(MPR(patterns[name], endless(size), tag=f"suppsize:{size}"))
    tagged = [f"{name}-suppsize:{size}" for name in (A1, A2, A3, A4) for size in (80, 100, 120)]
    wait_until(lambda: printed(capsys, own.info) == queue(*tagged))
    for item, removed in [
        ("71-*", tagged[6:9]),
        ("*suppsize:100", [f"{name}-suppsize:100" for name in (A1, A2, A4)]),
        (0, [f"{A1}-suppsize:120"]),
        (f"{A2}-suppsize:80", [f"{A2}-suppsize:80"]),
    ]:
        expected = [f"Removing {name} from queue" for name in removed]
        assert printed(capsys, own.remove, item) == expected
    assert printed(capsys, own.remove, "72-*") == ["No job matching 72-* in queue"]
    left = (f"{A2}-suppsize:120", f"{A4}-suppsize:80", f"{A4}-suppsize:120")
    assert printed(capsys, own.info) == queue(tagged[0], *left)


def quick_job(tag: str = "", generations: int = 2) -> MPR:
    """A job whose generations take milliseconds."""
    frame = np.exp(-((np.arange(64) - 32.0) ** 2) / 40)
    pattern = Pattern(
        1000 * np.outer(frame, frame),
        pid=(7, 1),
        size=32,
        background=0.25,
        gain=np.full((64, 64), 2),
    )
    settings = Settings().set("global", "generations", generations).set("global", "popsize", 4)
    settings = settings.set("global", "stop", "never")
    return MPR(pattern, settings.set("init", "supportsize", 8).set("IA", "it", 4), tag)


def test_results_equal_those_of_run(own: Interactive, tmp_path: Path) -> None:
    """A job that runs asynchronously gives the result of run(), bit for bit."""
    own.append(quick_job("a"))
    wait_until(lambda: "7-1-a" in own.campaign.done)
    found = own.campaign.result("7-1-a")
    job = quick_job("a")
    job.settings.set("global", "workdir", str(tmp_path))
    expected = job.run()
    assert (found.intensity == expected.intensity).all()
    assert (found.data == expected.data).all()


def test_taken_name_is_numbered(own: Interactive) -> None:
    """The same pattern submitted twice gives two results."""
    own.append(quick_job())
    own.append(quick_job())
    wait_until(lambda: {"7-1", "7-1~2"} <= set(own.campaign.done))


def test_local_hypervisor_ends_with_close(own: Interactive) -> None:
    """close() ends the process; the next verb starts another one in the same folder."""
    own.start()
    first = json.loads((own.campaign.rundir / "control" / "lock").read_text())["pid"]
    own.close()
    assert is_gone(first)
    assert not (own.campaign.rundir / "control" / "lock").exists()
    own.info()
    assert json.loads((own.campaign.rundir / "control" / "lock").read_text())["pid"] != first


def test_unfinished_jobs_are_resumed(own: Interactive, capsys: pytest.CaptureFixture[str]) -> None:
    """What was queued when the hypervisor ended is queued when it starts again."""
    own.append(quick_job("a", generations=100000))
    own.append(quick_job("b", generations=100000))
    own.close()
    wait_until(lambda: printed(capsys, own.info) == queue("7-1-a", "7-1-b"))


def test_start_chooses_folder(own: Interactive, tmp_path: Path) -> None:
    """start() chooses folder and workers, may be repeated, and refuses a second folder."""
    own.start(output="elsewhere", workers=2)
    own.start(output="elsewhere")
    assert own.campaign.rundir == tmp_path / "elsewhere"
    with pytest.raises(LaunchError, match=f"runs in {tmp_path}/elsewhere; end it"):
        own.start(output="third")


def test_second_hypervisor_in_one_folder(own: Interactive) -> None:
    """A folder that another hypervisor holds is refused in its words."""
    own.start()
    with pytest.raises(LaunchError, match=r"by process \d+(.|\n)*hv\.start\(output=") as fault:
        Interactive().info()
    assert "Traceback" not in str(fault.value)


def test_refusal_after_the_lock(own: Interactive) -> None:
    """What the hypervisor refuses once it holds the folder is told at once, in its words."""
    own.start()
    own.close()
    journal = own.campaign.rundir / "journal.jsonl"
    journal.write_text("damaged\n" + journal.read_text())
    with pytest.raises(LaunchError, match=r"journal\.jsonl:1 is damaged"):
        own.info()
    assert not own._local.is_alive


def test_hypervisor_ends_with_the_notebook(tmp_path: Path) -> None:
    """When the process that started it is killed, the local hypervisor is gone, too."""
    code = "from spring_mpi import hypervisor as hv; hv.info(); import os; os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.DEVNULL)
    pid = json.loads((tmp_path / "spring-hv" / "control" / "lock").read_text())["pid"]
    wait_until(lambda: is_gone(pid))


def test_script_ends_in_order(tmp_path: Path) -> None:
    """A script that ends takes its hypervisor with it, which gives its lock back."""
    code = "from spring_mpi import hypervisor as hv; hv.info()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("Idle.\nEmpty queue.\n", "")
    assert not (tmp_path / "spring-hv" / "control" / "lock").exists()


def test_hypervisor_that_cannot_start(own: Interactive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps the local hypervisor from starting is told in its last words."""
    monkeypatch.setattr(local, "_config", lambda rundir: {"name": "x"})
    with pytest.raises(LaunchError, match=r"could not be started in (.|\n)*Mend that"):
        own.info()
    assert not own._local.is_alive


def test_no_room_for_temporary_files(own: Interactive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the local hypervisor's config cannot be written, the remedy is told."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local, "write_new", full)
    with pytest.raises(LaunchError, match=r"No space left.*TMPDIR"):
        own.info()


def test_hypervisor_that_never_starts(
    own: Interactive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A local hypervisor that is not ready in time is ended, and said to be so."""
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    monkeypatch.setattr(local, "_START_SECONDS", 0.2)
    with pytest.raises(LaunchError, match=r"it was not ready within 0\.2 s"):
        own.info()
    assert os.listdir(tmp_path) == ["python"]
