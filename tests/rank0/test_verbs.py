"""The verbs of ``hv``: what they ask rank 0, and what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import spring_mpi
from spring_mpi import MPR, Pattern, Settings, hypervisor
from spring_mpi.client.interactive import Interactive
from spring_mpi.client.livecell import LiveCell
from spring_mpi.errors import RunDirectoryError
from spring_mpi.rundir.mailbox import Mailbox
from spring_mpi.rundir.mailbox_messages import Reply

IDLE = ("- - - - - - - - - - -", "IDLE")
BUSY = ("- - - - - - - - - - - - - - - - - - - - -", "RUNNING 1-2 [#---------] 9%")
DEADLINE = 60.0


class Rank0:
    """Answers every message with the next prepared reply, and keeps what was asked."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.replies: list[Reply] = []
        self._mailbox, self._ended = Mailbox(folder, interval=0.0), Event()
        self._mailbox.open()

    def serve(self) -> None:
        while not self._ended.wait(0.002):
            for message in self._mailbox.poll():
                self.asked.append((message.verb, dict(message.arguments)))
                reply = self.replies.pop(0) if self.replies else Reply(("Done",))
                self._mailbox.answer(message.id, reply)

    @contextmanager
    def serving(self) -> Iterator[Rank0]:
        thread = Thread(target=self.serve)
        thread.start()
        yield self
        self._ended.set()
        thread.join()


@pytest.fixture
def rundir(tmp_path: Path) -> Path:
    """The run directory of a campaign that runs elsewhere."""
    folder = tmp_path / "run"
    (folder / "control").mkdir(parents=True)
    (folder / "control" / "lock").write_text("{}")
    return folder


@pytest.fixture
def rank0(rundir: Path) -> Iterator[Rank0]:
    """A rank 0 played by a thread."""
    with Rank0(rundir / "control").serving() as player:
        yield player


@pytest.fixture
def hv(rundir: Path) -> Iterator[Interactive]:
    """The object behind the verbs, attached to the run directory."""
    steering = Interactive()
    steering.attach(rundir)
    yield steering
    steering.close()


@pytest.fixture
def job() -> MPR:
    """A small job with a setting of its own."""
    frame = np.arange(400.0).reshape(20, 20)
    pattern = Pattern(frame, pid=(71, 1, 145), cropsize=16, size=8, satvalue=390)
    return MPR(pattern, Settings().set("init", "supportsize", 4), "wide", seed=2)


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda hv: hv.info(), ("info", {"all": False})),
        (lambda hv: hv.info(everything=True), ("info", {"all": True})),
        (lambda hv: hv.livelog(), ("livelog", {})),
        (lambda hv: hv.remove(2), ("remove", {"item": "2", "name": False})),
        (lambda hv: hv.remove(np.int64(0)), ("remove", {"item": "0", "name": False})),
        (lambda hv: hv.remove("2"), ("remove", {"item": "2", "name": True})),
        (lambda hv: hv.remove("71-*"), ("remove", {"item": "71-*", "name": False})),
        (lambda hv: hv.stop(), ("stop", {"name": None})),
        (lambda hv: hv.stop("71-1"), ("stop", {"name": "71-1"})),
        (lambda hv: hv.kill(), ("kill", {})),
    ],
)
@pytest.mark.parametrize("refused", [False, True])
def test_verbs_ask_and_print_the_reply(
    hv: Interactive,
    rank0: Rank0,
    capsys: pytest.CaptureFixture[str],
    call: Callable[..., Any],
    asked: tuple[str, dict[str, Any]],
    refused: bool,
) -> None:
    """A verb asks one thing and prints the lines of the reply, refused or not, nothing else."""
    rank0.replies.append(Reply(("first line", "second line"), refused))
    call(hv)
    assert rank0.asked == [asked]
    assert capsys.readouterr() == ("first line\nsecond line\n", "")


def test_position_must_be_a_number(hv: Interactive) -> None:
    """What is neither a name nor a position is no item."""
    with pytest.raises(TypeError):
        hv.remove(cast(Any, 1.5))


@pytest.mark.parametrize("verb", ["append", "prepend"])
def test_submission_is_silent(
    hv: Interactive,
    rank0: Rank0,
    rundir: Path,
    job: MPR,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    """An accepted job prints nothing; its spool file is there before rank 0 is asked."""
    rank0.replies.append(Reply(("Adding 71-1-145-wide to queue",), data=["71-1-145-wide"]))
    assert getattr(hv, verb)(job) is None
    assert capsys.readouterr() == ("", "")
    [(asked, arguments)] = rank0.asked
    assert (asked, arguments["tag"], arguments["seed"]) == (verb, "wide", 2)
    assert arguments["settings"] == {"init": {"supportsize": 4}}
    assert re.fullmatch(r"spool/[0-9a-f]{32}\.npz", arguments["spool"])
    assert (rundir / arguments["spool"]).is_file()


def test_refused_submission_is_printed(
    hv: Interactive, rank0: Rank0, rundir: Path, job: MPR, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused job prints the reason, and leaves no spool file."""
    rank0.replies.append(Reply(("The queue is closed",), refused=True))
    hv.append(job)
    assert capsys.readouterr().out == "The queue is closed\n"
    assert list((rundir / "spool").iterdir()) == []


def test_only_jobs_are_submitted(hv: Interactive, job: MPR) -> None:
    """A pattern is not yet a job; the fault names the verb and what it takes."""
    with pytest.raises(TypeError, match=r"hv\.append takes an MPR object"):
        hv.append(cast(Any, job.pattern))


def test_runasync_is_append(monkeypatch: pytest.MonkeyPatch, job: MPR) -> None:
    """MPR.runasync() is hv.append(mpr)."""
    submitted = []
    monkeypatch.setattr(Interactive, "append", lambda self, mpr: submitted.append(mpr))
    assert job.runasync() is None  # type: ignore[func-returns-value]
    assert submitted == [job]


def test_verbs_of_the_package() -> None:
    """``hv`` shows SPRING's verbs and what chooses a campaign, nothing else; all of one object."""
    springs = ["append", "info", "kill", "livelog", "liveplot", "prepend", "remove", "stop"]
    choice = ["attach", "campaign", "close", "detach", "start"]
    assert dir(hypervisor) == sorted([*springs, *choice])
    assert dir(Interactive()) == dir(hypervisor)
    assert "hypervisor" in dir(spring_mpi)
    assert len({id(getattr(hypervisor, verb).__self__) for verb in springs}) == 1
    with pytest.raises(AttributeError, match="no attribute 'inof'"):
        _ = hypervisor.inof
    with pytest.raises(AttributeError, match=r"it is hv\.campaign\.result now"):
        _ = hypervisor.result


def test_the_package_has_its_hypervisor() -> None:
    """Also to those who import nothing but the package."""
    code = "import spring_mpi; print(spring_mpi.hypervisor.campaign.rundir.name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "spring-hv\n"


def test_verbs_load_nothing() -> None:
    """Importing the verbs loads no library of files, pictures or MPI."""
    code = "import sys; from spring_mpi import hypervisor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("spring_mpi")}
    rooms = {name.split(".")[1] for name in ours if "." in name}
    assert rooms <= {"client", "errors", "launch", "model", "rundir", "system"}
    assert not {"h5py", "matplotlib", "mpi4py", "scipy"} & set(done.stdout.split())


def test_attach_needs_a_hypervisor(tmp_path: Path) -> None:
    """A folder without a lock has no hypervisor that could be attached."""
    with pytest.raises(RunDirectoryError, match=f"no hypervisor runs in {tmp_path}"):
        Interactive().attach(tmp_path)


def test_detach_goes_back(
    hv: Interactive, rundir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is that of the attached campaign, and after detach() the local one again."""
    monkeypatch.chdir(tmp_path)
    other = Interactive()
    other.attach("run")
    assert other.campaign.rundir == rundir
    other.detach()
    assert other.campaign.rundir == tmp_path / "spring-hv"


def test_liveplot_says_that_it_comes(
    hv: Interactive, rank0: Rank0, capsys: pytest.CaptureFixture[str]
) -> None:
    """liveplot() is there, asks nothing, and names what shows the progress today."""
    hv.liveplot()
    assert rank0.asked == []
    assert "hv.livelog()" in capsys.readouterr().out


class Output:
    """The output of a notebook cell."""

    def __init__(self, text: str) -> None:
        self.shown = [text]

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(bundle["text/plain"])


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    """The outputs of the cells of a notebook, by an IPython that has a kernel."""
    shown = []

    def display(bundle: dict[str, str], *, raw: bool, display_id: bool) -> Output:
        assert (raw, display_id) == (True, True)
        shown.append(Output(bundle["text/plain"]))
        return shown[-1]

    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return shown


def test_cell_is_renewed_while_idle(rank0: Rank0, rundir: Path, outputs: list[Output]) -> None:
    """A live cell goes on from job to job; it ends after so many idle looks in a row."""
    last = Reply(("not asked for",))
    rank0.replies += [*map(Reply, (IDLE, IDLE, BUSY, BUSY, IDLE, BUSY, IDLE, IDLE, IDLE)), last]
    cell = LiveCell(rundir, IDLE, period=0.001, idle_looks=3)
    cell._thread.join(DEADLINE)
    idle, busy = "\n".join(IDLE), "\n".join(BUSY)
    assert [output.shown for output in outputs] == [[idle, busy, idle, busy, idle]]
    assert rank0.replies == [last]


@pytest.mark.parametrize(
    ("gone", "said"),
    [("lock", "no hypervisor runs in {} any more"), ("tmp", "cannot leave a message in {}")],
)
def test_cell_ends_with_its_campaign(
    rank0: Rank0, rundir: Path, outputs: list[Output], gone: str, said: str
) -> None:
    """A live cell whose hypervisor or run directory goes away says so, and ends."""
    (rundir / "control" / gone).rename(rundir / "gone")
    cell = LiveCell(rundir, BUSY, period=0.001)
    cell._thread.join(DEADLINE)
    assert not cell._thread.is_alive()
    assert outputs[0].shown[1].startswith(said.format(rundir))


def test_livelog_in_a_notebook(
    hv: Interactive, rank0: Rank0, outputs: list[Output], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a notebook livelog() returns at once, prints nothing, and the last call's cell lives."""
    rank0.replies += [Reply(BUSY), Reply(BUSY)]
    hv.livelog()
    first = hv._cell
    hv.livelog()
    assert not first._thread.is_alive()
    assert hv._cell._thread.is_alive()
    hv.close()
    assert hv._cell is None
    assert [output.shown[0] for output in outputs] == ["\n".join(BUSY)] * 2
    assert capsys.readouterr().out == ""


def test_livelog_in_a_terminal(
    hv: Interactive,
    rank0: Rank0,
    outputs: list[Output],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An IPython without a kernel has no cells: the log is printed once."""
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace())
    rank0.replies.append(Reply(BUSY))
    hv.livelog()
    assert capsys.readouterr().out == "\n".join(BUSY) + "\n"
    assert outputs == []
